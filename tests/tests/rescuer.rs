//! Queues with a rescuer go on when all workers are blocked; others wait, and go on afterwards.

use cmwq::runtime::Handle;
use cmwq::time::sleep;
use cmwq_tests::crowd::Crowd;
use cmwq_tests::starving::{
    CAP, ITEMS, Kind, all_finish, block_pool, build, capped, queue_work, rescuers, waiting_for,
    work,
};
use cmwq_tests::{Beside, Case, confine, every_case, finish, run, skip, until};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How long a queue without a rescuer is watched to stand still.
const STILL: Duration = Duration::from_millis(400);

fn goes_on_at_the_cap(case: Case, kind: Kind) {
    let runtime = capped(case, 1);
    let queue = build(&runtime, kind, "pages", true);
    for _ in 0..2 {
        let crowd = block_pool(&runtime, kind, CAP + 3);
        let before = runtime.metrics().maydays_count();
        all_finish(queue_work(&queue));
        assert!(runtime.metrics().maydays_count() > before, "somebody has called");
        assert_eq!(crowd.entered(), CAP, "all that while the workers were blocked");
        crowd.finish();
        until("the rescuer has gone back", || runtime.metrics().busy_rescuers() == 0);
        all_finish(queue_work(&queue));
    }
}

every_case! {
    fn bound(case) { goes_on_at_the_cap(case, Kind::Bound); }
    fn high_priority(case) { goes_on_at_the_cap(case, Kind::High); }
    fn unbound(case) { goes_on_at_the_cap(case, Kind::Unbound); }
    fn ordered(case) { goes_on_at_the_cap(case, Kind::Ordered); }

    /// Without a rescuer the same stands still, is reported, and goes on when a worker returns.
    fn without(case) {
        let runtime = capped(case, 1);
        let queue = build(&runtime, Kind::Bound, "pages", false);
        let crowd = block_pool(&runtime, Kind::Bound, CAP + 3);
        let tasks = queue_work(&queue);
        until("the pool calls", || runtime.metrics().maydays_count() > 0);
        thread::sleep(STILL);
        assert!(tasks.iter().all(|task| !task.is_finished()), "there is nobody to run them");
        assert_eq!(runtime.metrics().busy_rescuers(), 0);
        crowd.finish();
        all_finish(tasks);
    }

    /// The workers wait for work that sits in the queue, more of it than a turn.
    fn workers_that_wait_for_the_queue(case) {
        let runtime = capped(case, 1);
        let queue = build(&runtime, Kind::Bound, "pages", true);
        let beside = Beside::start(&runtime);
        all_finish(waiting_for(&runtime, &queue, 10 * CAP));
        beside.progress().expect("everything goes on");
    }

    /// What is queued while the rescuer is there, from another thread, is found by it at once.
    fn queued_from_outside(case) {
        let runtime = capped(case, 1);
        let queue = build(&runtime, Kind::Bound, "pages", true);
        let crowd = block_pool(&runtime, Kind::Bound, CAP + 3);
        finish(queue.spawn(async {})).expect("no panic");
        let before = runtime.metrics().maydays_count();
        let start = std::time::Instant::now();
        for _ in 0..100 {
            finish(queue.spawn(async {})).expect("no panic");
        }
        // One call each would take a hundred times as long as the time between two calls.
        let calls = start.elapsed().as_millis() as u64 / 100;
        assert!(runtime.metrics().maydays_count() - before <= calls + 1);
        crowd.finish();
    }

    /// One rescuer attends to the pools of all CPUs.
    fn on_all_cores(case) {
        if case == Case::CurrentThread {
            return;
        }
        let runtime = capped(case, 2);
        let cpus: Vec<usize> = if runtime.metrics().is_pinned() {
            confine::allowed().expect("asking is allowed")
        } else {
            vec![0, 1]
        };
        if cpus.len() < 2 {
            return skip("on_all_cores", "there is one CPU");
        }
        let queue = build(&runtime, Kind::Bound, "pages", true);
        let others = build(&runtime, Kind::Bound, "others", false);
        let crowds: Vec<Crowd> = cpus[..2].iter().map(|&cpu| {
            Crowd::start_with(CAP + 1, |block| others.spawn_on(cpu, async move { block() }))
        }).collect();
        until("every worker is blocked", || crowds.iter().all(|crowd| crowd.entered() == CAP));
        let tasks = (0..ITEMS).map(|number| queue.spawn_on(cpus[number % 2], work(number)));
        all_finish(tasks.collect());
        crowds.into_iter().for_each(Crowd::finish);
    }
}

/// A shutdown ends the thread, also while it is with a pool.
#[test]
fn shutdown() {
    run("shutdown", || {
        let runtime = capped(Case::Auto, 1);
        let queue = build(&runtime, Kind::Bound, "pages", true);
        let crowd = block_pool(&runtime, Kind::Bound, CAP);
        let endless = queue.spawn(async {
            loop {
                sleep(Duration::from_millis(1)).await;
            }
        });
        until("the rescuer is there", || runtime.metrics().busy_rescuers() == 1);
        let handle: Handle = runtime.handle().clone();
        runtime.into_inner().shutdown_background();
        assert!(finish(endless).expect_err("aborted").is_cancelled());
        crowd.release();
        drop((queue, handle));
        until("the rescuer has gone", || rescuers() == 0);
    });
}

/// The items of two cores that one rescuer serves, in their order: core and nice value of each.
fn served_by_one_rescuer() -> Vec<(usize, i32)> {
    const EACH: usize = 300;
    let runtime = Case::Unpinned.start_with(2, |builder| {
        builder.max_workers_per_core(CAP);
    });
    let queue = build(&runtime, Kind::Bound, "pages", true);
    let others = build(&runtime, Kind::Bound, "others", false);
    let crowds = [0, 1]
        .map(|core| Crowd::start_with(CAP, |block| others.spawn_on(core, async move { block() })));
    until("every worker is blocked", || crowds.iter().all(|crowd| crowd.entered() == CAP));
    let order = Arc::new(Mutex::new(Vec::new()));
    let item = |core: usize| {
        let order = order.clone();
        queue.spawn_on(core, async move {
            // Longer in all than it takes until both pools have called.
            thread::sleep(Duration::from_millis(1));
            order.lock().expect("no panic").push((core, confine::nice()));
        })
    };
    let tasks: Vec<_> = (0..2 * EACH).map(|number| item(number % 2)).collect();
    tasks.into_iter().for_each(|task| finish(task).expect("no panic"));
    crowds.into_iter().for_each(Crowd::finish);
    std::mem::take(&mut *order.lock().expect("no panic"))
}

/// How many items of a core were served in a row, each time, while both had some.
fn turns(order: &[(usize, i32)]) -> Vec<usize> {
    // From where both are attended to until one has nothing left.
    let first = |core| order.iter().position(|&(other, _)| other == core).expect("it has items");
    let last = |core| order.iter().rposition(|&(other, _)| other == core).expect("the same");
    let both = order.get(first(0).max(first(1))..last(0).min(last(1))).unwrap_or_default();
    both.chunk_by(|a, b| a.0 == b.0).map(<[_]>::len).collect()
}

/// Is it in turns that one rescuer serves two pools, and is it as urgent as the kernel's?
#[test]
fn turns_of_sixteen_and_a_nice_value_of_minus_twenty() {
    let name = "turns_of_sixteen_and_a_nice_value_of_minus_twenty";
    run(name, || {
        // Where the machine stands still, the second pool may call when the first is nearly done.
        let order = (0..5).map(|_| served_by_one_rescuer()).find(|order| {
            let turns = turns(order);
            // The last is cut where the other has its last item.
            let is_right = turns.iter().rev().skip(1).all(|&turn| turn == 16);
            assert!(is_right, "{turns:?}");
            turns.len() > 10
        });
        let order = order.expect("the rescuer serves both at the same time");

        // SAFETY: takes no pointers; changes the thread that it is called on, which then ends.
        let lower = || unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -20) } == 0;
        if !thread::spawn(lower).join().expect("no panic") {
            return skip(name, "the nice value: the process may not lower it");
        }
        assert!(order.iter().all(|&(_, nice)| nice == -20));
    });
}

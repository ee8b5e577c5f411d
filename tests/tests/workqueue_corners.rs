//! Corners of workqueues where two things meet.

use cmwq::runtime::{Builder, Handle};
use cmwq::workqueue::{Attrs, Scope};
use cmwq::{Work, Workqueue};
use cmwq_tests::run;
use futures::stream::{FuturesUnordered, StreamExt};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

/// Longer than anything here takes, unless it hangs.
const LONG: Duration = Duration::from_secs(10);

async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    match cmwq::time::timeout(LONG, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what}: it hangs"),
    }
}

/// A closure that blocks on a future of its own queue waits for it as a task would.
#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_work_item_lends_its_slot_or_is_told_too() {
    let limited = Workqueue::builder().max_active(1).build().unwrap();
    let ordered = Workqueue::builder().ordered().build().unwrap();
    for (queue, is_ordered) in [(limited, false), (ordered, true)] {
        let (tell, told) = std::sync::mpsc::channel();
        let (own, handle) = (queue.clone(), Handle::current());
        let work = Work::new(move || {
            let task = own.spawn_on(0, async { 7 });
            let _ = tell.send(handle.block_on(task));
        });
        assert!(work.queue_on(0, &queue));
        soon("the work item", work.flush()).await;
        let result = told.recv().unwrap();
        assert_eq!(result.is_err_and(|error| error.is_deadlock()), is_ordered);
        soon("the queue", queue.flush()).await;
    }
}

/// Two CPUs that unbound queues may use, if there are so many.
fn two_cpus() -> Option<[usize; 2]> {
    let cpus = std::fs::read_to_string("/proc/self/status").unwrap();
    let list = cpus.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    let mut cpus = list.trim().split(',').flat_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        first.parse::<usize>().unwrap()..=last.parse::<usize>().unwrap()
    });
    Some([cpus.next()?, cpus.next()?])
}

fn scopeguard(count: Arc<AtomicUsize>) -> impl Drop {
    struct Leave(Arc<AtomicUsize>);
    impl Drop for Leave {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    Leave(count)
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_work_item_is_delayed_from_an_item_of_any_queue() {
    for queue in [
        cmwq::workqueue::system(),
        cmwq::workqueue::system_unbound(),
        cmwq::workqueue::system_highpri(),
    ] {
        let runs = Arc::new(AtomicUsize::new(0));
        let counter = runs.clone();
        let work = Work::new(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        let (own, target) = (work.clone(), queue.clone());
        let queued =
            queue.spawn(async move { own.queue_delayed(&target, Duration::from_millis(5)) });
        assert!(queued.await.unwrap(), "{queue:?}");
        while runs.load(Ordering::SeqCst) == 0 {
            cmwq::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_slot_goes_past_a_pool_whose_waiting_items_were_cancelled() {
    let Some([first, second]) = two_cpus() else { return };
    let queue = Workqueue::builder().unbound().scope(Scope::Cpu).max_active(1).build().unwrap();
    let (go, wait) = cmwq::sync::oneshot::channel::<()>();
    let active = queue.spawn_on(first, async move { wait.await.unwrap() });
    let cancelled = Work::new(|| ());
    assert!(cancelled.queue_on(first, &queue));
    let last = queue.spawn_on(second, async {});
    assert!(cancelled.cancel());
    go.send(()).unwrap();
    active.await.unwrap();
    soon("the last item", last).await.unwrap();
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn awaiting_a_later_item_is_told_after_a_change_of_attributes_too() {
    let queue = Workqueue::builder().ordered().build().unwrap();
    let own = queue.clone();
    let outer = queue.spawn(async move {
        // From now on new items go to a pool that begins when this one is done.
        own.set_attrs(Attrs::new().nice(1)).unwrap();
        own.spawn(async {}).await
    });
    let inner = soon("the outer item", outer).await.unwrap();
    assert!(inner.unwrap_err().is_deadlock());
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn awaiting_a_later_item_is_told_in_a_frozen_queue_too() {
    let queue = Workqueue::builder().ordered().build().unwrap();
    let own = queue.clone();
    let outer = queue.spawn(async move {
        own.freeze();
        let inner = own.spawn(async {}).await;
        own.thaw();
        inner
    });
    let inner = soon("the outer item", outer).await.unwrap();
    assert!(inner.unwrap_err().is_deadlock());
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_slot_is_lent_in_a_frozen_queue_too() {
    let queue = Workqueue::builder().max_active(1).build().unwrap();
    let own = queue.clone();
    let (frozen, is_frozen) = cmwq::sync::oneshot::channel::<()>();
    let outer = queue.spawn_on(0, async move {
        own.freeze();
        frozen.send(()).unwrap();
        let (first, second) = (own.spawn_on(0, async { 1 }), own.spawn_on(0, async { 2 }));
        first.await.unwrap() + second.await.unwrap()
    });
    is_frozen.await.unwrap();
    cmwq::time::sleep(Duration::from_millis(20)).await;
    assert!(!outer.is_finished());
    queue.thaw();
    assert_eq!(soon("the outer item", outer).await.unwrap(), 3);
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_is_lent_to_items_of_several_pools() {
    let Some([first, second]) = two_cpus() else { return };
    let queue = Workqueue::builder().max_active(1).build().unwrap();
    let own = queue.clone();
    let (done, is_done) = cmwq::sync::oneshot::channel::<()>();
    let (go, wait) = cmwq::sync::oneshot::channel::<()>();
    let (here, there) = (first, second);
    let outer = queue.spawn_on(here, async move {
        wait.await.unwrap();
        // The same number in the books of two pools. A set polls only what was woken.
        let inner = [own.spawn_on(here, async {}), own.spawn_on(there, async {})];
        let mut inner = FuturesUnordered::from_iter(inner);
        while let Some(result) = inner.next().await {
            result.unwrap();
        }
        done.send(()).unwrap();
    });
    let other = queue.spawn_on(there, async move { is_done.await.unwrap() });
    go.send(()).unwrap();
    soon("the outer item", outer).await.unwrap();
    other.await.unwrap();
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_future_that_was_aborted_before_a_freeze_is_dropped() {
    let queue = Workqueue::builder().build().unwrap();
    let (busy, is_busy) = std::sync::mpsc::channel();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let spinner = queue.spawn_on(0, async move {
        busy.send(()).unwrap();
        // Busy, not blocked: nobody takes the core over soon.
        while wait.try_recv().is_err() {
            std::hint::spin_loop();
        }
    });
    cmwq::task::block_in_place(|| is_busy.recv()).unwrap();
    let aborted = queue.spawn_on(0, async {});
    aborted.abort();
    queue.freeze();
    go.send(()).unwrap();
    spinner.await.unwrap();
    assert!(soon("the aborted future", aborted).await.unwrap_err().is_cancelled());
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_sleep_outlives_the_pool_on_which_it_began() {
    let queue = Workqueue::builder().unbound().nice(3).build().unwrap();
    let begun = queue.spawn(async {
        let mut sleep = Box::pin(cmwq::time::sleep(Duration::from_millis(1)));
        sleep.as_mut().await;
        // Not awaited once more.
        (sleep,)
    });
    let (mut sleep,) = begun.await.unwrap();
    soon("the destruction", queue.destroy()).await;
    // The threads of the pool end.
    cmwq::time::sleep(Duration::from_millis(500)).await;
    sleep.as_mut().reset(cmwq::time::Instant::now() + Duration::from_millis(5));
    soon("the sleep", sleep).await;
}

/// Items whose numbers are used again while an abort or an await looks at them.
#[test]
fn aborts_and_awaits_race_with_the_end_of_items() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let queue = Workqueue::builder().max_active(1).build_on(runtime.handle()).unwrap();
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let work = |rounds: usize| {
        let (running, most) = (running.clone(), most.clone());
        async move {
            let now = running.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            let _leave = scopeguard(running);
            for _ in 0..rounds {
                cmwq::task::yield_now().await;
            }
        }
    };
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let (queue, work) = (&queue, &work);
            scope.spawn(move || {
                let end = std::time::Instant::now() + Duration::from_secs(2);
                let mut turn = thread;
                while std::time::Instant::now() < end {
                    let tasks: Vec<_> = (0..8).map(|_| queue.spawn(work(turn % 3))).collect();
                    (0..(turn * 37) % 400).for_each(|_| std::hint::spin_loop());
                    tasks.iter().for_each(|task| task.abort());
                    turn += 1;
                }
            });
        }
    });
    assert!(most.load(Ordering::SeqCst) <= 1, "more in progress than max_active");
    runtime.block_on(queue.flush());
}

/// A work that is being disabled is taken back by whoever comes first.
#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_work_is_delayed_and_disabled_at_once() {
    let queue = Workqueue::builder().build().unwrap();
    let work = Work::new(|| ());
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (other, queue, over) = (work.clone(), &queue, &over);
        let disabler = scope.spawn(move || {
            while !over.load(Ordering::Relaxed) {
                other.disable();
                other.enable();
            }
        });
        for _ in 0..100_000 {
            if disabler.is_finished() {
                break;
            }
            work.mod_delayed(queue, LONG);
        }
        over.store(true, Ordering::Relaxed);
    });
    work.cancel();
    assert!(work.queue(&queue));
    work.flush().await;
}

/// Who freezes and who thaws at the same time: what was said last holds for all queues.
#[test]
fn freezes_and_thaws_at_once_leave_all_queues_in_one_state() {
    run("freezes_and_thaws_at_once_leave_all_queues_in_one_state", || {
        const ROUNDS: usize = 200;
        let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let handle = runtime.handle();
        let build = || Workqueue::builder().unbound().freezable().build_on(handle).unwrap();
        let queues: Vec<_> = (0..8).map(|_| build()).collect();
        let (round, is_over) = (Barrier::new(3), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for freezes in [true, false] {
                let round = &round;
                scope.spawn(move || {
                    for _ in 0..ROUNDS {
                        round.wait();
                        if freezes {
                            handle.freeze_workqueues()
                        } else {
                            handle.thaw_workqueues()
                        }
                        round.wait();
                    }
                });
            }
            // Those who tell a queue have to wait for whoever changes it.
            scope.spawn(|| {
                while !is_over.load(Ordering::SeqCst) {
                    for queue in &queues {
                        queue.set_attrs(Attrs::new().scope(Scope::System)).unwrap();
                    }
                }
            });
            let mut agree = 0;
            for _ in 0..ROUNDS {
                round.wait();
                round.wait();
                // A new one is told what the runtime knows.
                let is_frozen = build().is_frozen();
                agree += usize::from(queues.iter().all(|queue| queue.is_frozen() == is_frozen));
            }
            is_over.store(true, Ordering::SeqCst);
            assert_eq!(agree, ROUNDS);
        });
    });
}

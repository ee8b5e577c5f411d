//! Work items: queueing and execution, what the kernel promises of `work_struct` and what is promised
//! beyond it.

use cmwq::runtime::Builder;
use cmwq::{Work, Workqueue};
use cmwq_tests::until;
use cmwq_tests::works::{Gate, HOUR, SOON, counted, cpus, queue, value};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

// queue_work.

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn queue_says_whether_it_queued() {
    let (queue, gate) = (queue(), Gate::new());
    gate.run(&queue);
    assert!(!gate.work.is_pending() && gate.work.is_running(), "pending no more once it runs");
    assert!(gate.work.queue(&queue), "once more while it runs");
    assert!(!gate.work.queue(&queue), "pending already");
    assert!(gate.work.is_pending() && gate.work.is_busy());
    gate.end();
    gate.end();
    gate.work.flush().await;
    assert_eq!(gate.runs(), 2);
    assert!(!gate.work.is_busy());
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_stored_before_a_queueing_is_seen_by_an_execution() {
    // Also where queue() says that it is pending already.
    let queue = queue();
    let stored = Arc::new(AtomicUsize::new(0));
    let seen = Arc::new(AtomicUsize::new(0));
    let (read, last) = (stored.clone(), seen.clone());
    let work = Work::new(move || last.store(read.load(Ordering::Relaxed), Ordering::Relaxed));
    for value in 1..10_000 {
        stored.store(value, Ordering::Relaxed);
        work.queue(&queue);
        if value % 1000 == 0 {
            work.flush().await;
            assert_eq!(seen.load(Ordering::Relaxed), value);
        }
    }
    work.flush().await;
    assert_eq!(seen.load(Ordering::Relaxed), 9_999);
}

#[test]
fn it_is_queued_from_any_thread_outside_of_the_runtime() {
    let runtime = Builder::new_multi_thread().build().unwrap();
    let queue = Workqueue::builder().build_on(runtime.handle()).unwrap();
    let (work, count) = counted();
    std::thread::spawn(move || {
        assert!(work.queue(&queue));
        work.flush_blocking();
        assert_eq!(value(&count), 1);
        assert!(work.queue_delayed(&queue, SOON));
        while value(&count) < 2 {
            std::thread::yield_now();
        }
    })
    .join()
    .unwrap();
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn executions_on_one_cpu_start_in_the_order_of_their_queueing() {
    let queue = Workqueue::builder().max_active(1).build().unwrap();
    let (cpu, gate) = (cpus(&queue)[0], Gate::new());
    gate.run_on(cpu, &queue);
    let order = Arc::new(Mutex::new(Vec::new()));
    let works: Vec<_> = (0..10)
        .map(|number| {
            let order = order.clone();
            Work::new(move || order.lock().unwrap().push(number))
        })
        .collect();
    works.iter().for_each(|work| assert!(work.queue_on(cpu, &queue)));
    // One that is queued again keeps its place; one that is cancelled first does not.
    assert!(!works[0].queue_on(cpu, &queue));
    assert!(works[1].cancel() && works[1].queue_on(cpu, &queue));
    gate.end();
    queue.flush().await;
    assert_eq!(*order.lock().unwrap(), [0, 2, 3, 4, 5, 6, 7, 8, 9, 1]);
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn max_active_counts_executions() {
    let queue = Workqueue::builder().max_active(2).build().unwrap();
    let cpu = cpus(&queue)[0];
    let gates: Vec<_> = (0..3).map(|_| Gate::new()).collect();
    gates[0].run_on(cpu, &queue);
    gates[1].run_on(cpu, &queue);
    assert!(gates[2].work.queue_on(cpu, &queue));
    let waits = gates[2].entered.recv_timeout(Duration::from_millis(20));
    assert!(waits.is_err(), "a third one began");
    assert!(gates[2].work.is_pending());
    gates[0].end();
    gates[2].entered.recv().unwrap();
    gates[1].end();
    gates[2].end();
    queue.flush().await;
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_blocking_work_item_does_not_hold_the_others_of_its_cpu_back() {
    let queue = queue();
    let (cpu, gate) = (cpus(&queue)[0], Gate::new());
    gate.run_on(cpu, &queue);
    let (other, count) = counted();
    assert!(other.queue_on(cpu, &queue));
    other.flush().await;
    assert_eq!((value(&count), gate.runs()), (1, 0));
    gate.end();
    gate.work.flush().await;
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_pending_work_runs_although_its_handles_are_gone() {
    let queue = Workqueue::builder().max_active(1).build().unwrap();
    let (cpu, gate) = (cpus(&queue)[0], Gate::new());
    gate.run_on(cpu, &queue);
    let (work, count) = counted();
    work.queue_on(cpu, &queue);
    drop(work);
    gate.end();
    queue.flush().await;
    assert_eq!(value(&count), 1);
    // The worker lets go of it last.
    while Arc::strong_count(&count) > 1 {
        cmwq::task::yield_now().await;
    }
}

// Panics and the end of the runtime.

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_panic_is_counted_and_the_work_stays_usable() {
    let queue = queue();
    let count = Arc::new(AtomicUsize::new(0));
    let runs = count.clone();
    let work = Work::new(move || {
        assert!(runs.fetch_add(1, Ordering::SeqCst) > 0, "the first time, on purpose");
    });
    for panics in [1, 1] {
        assert!(work.queue(&queue));
        work.flush().await;
        assert_eq!(work.panics(), panics);
    }
    assert_eq!(value(&count), 2);
}

#[test]
fn after_the_end_of_the_runtime_nothing_is_queued_and_another_one_takes_it() {
    let runtime = Builder::new_multi_thread().build().unwrap();
    let queue = Workqueue::builder().max_active(1).build_on(runtime.handle()).unwrap();
    let ((pending, first), (delayed, second)) = (counted(), counted());
    let gate = Gate::new();
    let cpu = cpus(&queue)[0];
    gate.run_on(cpu, &queue);
    assert!(pending.queue_on(cpu, &queue));
    assert!(delayed.queue_delayed(&queue, HOUR));
    let ending = std::thread::spawn(move || drop(runtime));
    // Each time a new one: one that is pending would be refused too.
    until("the runtime shuts down", || !counted().0.queue(&queue));
    gate.end();
    ending.join().unwrap();
    assert!(!pending.is_busy() && !delayed.is_busy(), "{pending:?} {delayed:?}");
    assert_eq!((value(&first), value(&second), gate.runs()), (0, 0, 1));
    assert!(!pending.queue(&queue) && !delayed.queue_delayed(&queue, SOON));
    assert!(!pending.flush_blocking());

    let runtime = Builder::new_multi_thread().build().unwrap();
    let queue = Workqueue::builder().build_on(runtime.handle()).unwrap();
    assert!(pending.queue(&queue) && delayed.queue_delayed(&queue, SOON));
    pending.flush_blocking();
    while delayed.is_busy() {
        std::thread::yield_now();
    }
    assert_eq!((value(&first), value(&second)), (1, 1));
}

#[cmwq::test(flavor = "current_thread")]
async fn it_works_on_one_core() {
    let (queue, gate) = (queue(), Gate::new());
    gate.end();
    gate.work.queue(&queue);
    assert!(gate.work.flush().await, "nobody else runs it before this task waits");
    assert_eq!(gate.runs(), 1);
}

// Everything at once.

#[test]
fn a_crowd_of_threads_loses_no_execution() {
    let runtime = Builder::new_multi_thread().build().unwrap();
    let queues: Vec<_> = (1..4)
        .map(|most| Workqueue::builder().max_active(most).build_on(runtime.handle()).unwrap())
        .collect();
    let works: Vec<_> = (0..4).map(|_| counted()).collect();
    let begin = Barrier::new(4);
    let expected: Vec<AtomicUsize> = works.iter().map(|_| AtomicUsize::new(0)).collect();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (works, queues, begin, expected) = (&works, &queues, &begin, &expected);
            scope.spawn(move || {
                begin.wait();
                for turn in 0..2000 {
                    let index = (turn * 7 + thread) % works.len();
                    let (work, expected) = (&works[index].0, &expected[index]);
                    let queue = &queues[(turn / 3 + thread) % queues.len()];
                    match turn % 8 {
                        0..4 => expected.fetch_add(work.queue(queue).into(), Ordering::SeqCst),
                        4 => expected.fetch_sub(work.cancel().into(), Ordering::SeqCst),
                        5 => {
                            let delay = Duration::from_micros(turn as u64 % 50);
                            let queued = work.queue_delayed(queue, delay);
                            expected.fetch_add(queued.into(), Ordering::SeqCst)
                        }
                        6 => {
                            let was_pending = work.mod_delayed(queue, Duration::from_micros(10));
                            expected.fetch_add((!was_pending).into(), Ordering::SeqCst)
                        }
                        _ => {
                            work.flush_blocking();
                            0
                        }
                    };
                }
            });
        }
    });
    for (work, _) in &works {
        work.flush_blocking();
    }
    queues.iter().for_each(|queue| runtime.block_on(queue.flush()));
    for ((work, count), expected) in works.iter().zip(&expected) {
        assert!(!work.is_busy());
        assert_eq!(value(count), value(expected));
    }
}

//! Work items: flush, cancel, disable.

use cmwq::{Work, Workqueue};
use cmwq_tests::works::{Gate, HOUR, SOON, counted, cpus, queue, value};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

// flush_work, linked work.

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn flush_waits_for_the_last_queueing_only() {
    let (queue, gate) = (queue(), Gate::new());
    assert!(!gate.work.flush().await, "idle");
    gate.run(&queue);
    let mut flush = std::pin::pin!(gate.work.flush());
    assert!(futures::poll!(flush.as_mut()).is_pending());
    assert!(gate.work.queue(&queue));
    gate.end();
    assert!(flush.await, "the execution under way is over");
    gate.entered.recv().unwrap();
    gate.end();
    gate.work.flush().await;
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_flush_needs_no_slot() {
    // Everything that max_active allows is in use, and flushes come through all the same.
    let queue = Workqueue::builder().max_active(1).build().unwrap();
    let (cpu, first, second) = (cpus(&queue)[0], Gate::new(), Gate::new());
    first.run_on(cpu, &queue);
    second.work.queue_on(cpu, &queue);
    let flushes: Vec<_> = (0..20)
        .map(|_| {
            let work = first.work.clone();
            cmwq::spawn(async move { work.flush().await })
        })
        .collect();
    cmwq::time::sleep(SOON).await;
    first.end();
    for flush in flushes {
        flush.await.unwrap();
    }
    second.entered.recv().unwrap();
    second.end();
    queue.flush().await;
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn flush_blocking_hands_the_core_over() {
    // The work that is waited for stands behind the task that waits, on the same core.
    let queue = queue();
    let cpu = cpus(&queue)[0];
    let (work, count) = counted();
    let list = queue.clone();
    let waiter = queue.spawn_on(cpu, async move {
        assert!(work.queue_on(cpu, &list));
        work.flush_blocking();
    });
    waiter.await.unwrap();
    assert_eq!(value(&count), 1);
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn inside_of_its_own_closure_nothing_waits_for_itself() {
    let queue = queue();
    let (report, results) = mpsc::channel();
    let target = queue.clone();
    let work = Work::new_cyclic(|own| {
        move || {
            let own = own.upgrade().unwrap();
            assert!(!own.flush_blocking());
            assert!(!own.cancel_sync_blocking(), "it is not pending");
            own.queue(&target);
            let _ = report.send(own.cancel_sync_blocking());
        }
    });
    work.queue(&queue);
    work.flush().await;
    assert_eq!(results.recv(), Ok(true));
    assert!(!work.is_pending() && !work.is_disabled());
}

// cancel, cancel_sync.

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn cancel_takes_what_is_pending_and_leaves_what_runs() {
    let queue = Workqueue::builder().max_active(1).build().unwrap();
    let (cpu, gate) = (cpus(&queue)[0], Gate::new());
    let (work, count) = counted();
    assert!(!work.cancel());
    gate.run_on(cpu, &queue);
    work.queue_on(cpu, &queue);
    assert!(work.cancel(), "from the inactive list");
    assert!(!gate.work.cancel(), "running");
    assert!(gate.work.queue_on(cpu, &queue) && gate.work.cancel());
    work.queue_delayed(&queue, HOUR);
    assert!(work.cancel(), "from the timer");
    gate.end();
    queue.flush().await;
    assert_eq!((value(&count), gate.runs()), (0, 1));
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_cancelled_work_gives_its_slot_to_the_next() {
    // Frozen by a gate on the other core: `first` is active in the pool, `second` is not.
    let queue = Workqueue::builder().max_active(2).build().unwrap();
    let (cpu, gate) = (cpus(&queue)[0], Gate::new());
    gate.run_on(cpu, &queue);
    let other = Gate::new();
    other.run_on(cpu, &queue);
    let ((first, _), (second, count)) = (counted(), counted());
    first.queue_on(cpu, &queue);
    second.queue_on(cpu, &queue);
    assert!(first.cancel());
    gate.end();
    second.flush().await;
    assert_eq!(value(&count), 1);
    other.end();
    queue.flush().await;
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn cancel_sync_waits_for_the_execution_and_keeps_others_from_queueing() {
    let (queue, gate) = (queue(), Gate::new());
    gate.run(&queue);
    assert!(gate.work.queue(&queue));
    let mut cancel = std::pin::pin!(gate.work.cancel_sync());
    assert!(futures::poll!(cancel.as_mut()).is_pending());
    assert!(!gate.work.is_pending() && gate.work.is_disabled());
    assert!(!gate.work.queue(&queue));
    gate.end();
    assert!(cancel.await, "it was pending");
    assert!(!gate.work.is_running());
    assert_eq!(gate.runs(), 1);
    assert!(gate.work.queue(&queue));
    gate.end();
    gate.work.flush().await;
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_dropped_cancel_sync_lets_it_be_queued_again() {
    let (queue, gate) = (queue(), Gate::new());
    gate.run(&queue);
    {
        let mut cancel = std::pin::pin!(gate.work.cancel_sync());
        assert!(futures::poll!(cancel.as_mut()).is_pending());
    }
    assert!(gate.work.queue(&queue));
    gate.end();
    gate.end();
    gate.work.flush().await;
    assert_eq!(gate.runs(), 2);
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancel_sync_stops_a_work_that_queues_itself() {
    let queue = queue();
    let count = Arc::new(AtomicUsize::new(0));
    let (runs, target) = (count.clone(), queue.clone());
    let work = Work::new_cyclic(|own| {
        move || {
            runs.fetch_add(1, Ordering::SeqCst);
            if let Some(own) = own.upgrade() {
                own.queue(&target);
            }
        }
    });
    work.queue(&queue);
    while value(&count) < 100 {
        cmwq::task::yield_now().await;
    }
    work.cancel_sync().await;
    assert!(!work.is_busy());
    let after = value(&count);
    cmwq::time::sleep(SOON).await;
    assert_eq!(value(&count), after);
}

// disable, enable.

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn disabling_counts() {
    let (queue, (work, count)) = (queue(), counted());
    work.queue_delayed(&queue, HOUR);
    assert!(work.disable(), "it was pending");
    assert!(!work.disable());
    assert!(!work.queue(&queue) && !work.queue_delayed(&queue, HOUR));
    assert!(!work.mod_delayed(&queue, HOUR) && !work.is_pending());
    assert!(!work.enable());
    assert!(work.enable_and_queue(&queue), "the second one enables it");
    work.flush().await;
    assert_eq!(value(&count), 1);
    assert!(!work.is_disabled());
}

//! The ring under real threads, where loom's four places are too few.

use super::ring::{CAPACITY, Ring};
use crate::task::Notified;
use crate::task::mock::Mock;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Runs what is taken; each task counts itself.
fn run(task: Notified) {
    task.run();
}

#[test]
fn ring_gives_each_task_once() {
    const TASKS: usize = 100_000;
    let mock = Mock::new();
    let counts: Arc<[AtomicUsize]> = (0..TASKS).map(|_| AtomicUsize::new(0)).collect();
    let tasks: Vec<_> = (0..TASKS)
        .map(|index| {
            let counts = counts.clone();
            let task = mock.task(async move {
                counts[index].fetch_add(1, Ordering::Relaxed);
            });
            task.0
        })
        .collect();
    let (ring, done) = (Ring::new(), AtomicBool::new(false));

    thread::scope(|scope| {
        for divisor in [2, 1] {
            let (ring, done) = (&ring, &done);
            scope.spawn(move || {
                let own = Ring::new();
                while !done.load(Ordering::Acquire) || !ring.is_empty() {
                    // SAFETY: `own` is this thread's.
                    unsafe { ring.steal_into(&own, divisor) };
                    std::iter::from_fn(|| own.pop()).for_each(run);
                }
            });
        }
        for (index, task) in tasks.into_iter().enumerate() {
            // SAFETY: this thread is the owner.
            if let Err(task) = unsafe { ring.push(task) } {
                run(task);
                (0..CAPACITY / 2).map_while(|_| ring.pop()).for_each(run);
            }
            if index % 7 == 0 {
                ring.pop().into_iter().for_each(run);
            }
        }
        done.store(true, Ordering::Release);
    });

    assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
    mock.assert_all_gone();
}

//! The inject list under real threads: two pushers, a consumer, a thief.

use super::Inject;
use crate::task::Notified;
use crate::task::mock::Mock;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

#[test]
fn inject_gives_each_task_once() {
    const TASKS: usize = 50_000;
    let mock = Mock::new();
    let counts: Arc<[AtomicUsize]> = (0..2 * TASKS).map(|_| AtomicUsize::new(0)).collect();
    let tasks = |which: Range<usize>| -> Vec<Notified> {
        let count_itself = |index: usize| {
            let counts = counts.clone();
            mock.task(async move {
                counts[index].fetch_add(1, Ordering::Relaxed);
            })
        };
        which.map(|index| count_itself(index).0).collect()
    };
    let (inject, pushers) = (Inject::new(), AtomicUsize::new(2));

    thread::scope(|scope| {
        let (inject, pushers) = (&inject, &pushers);
        for half in [0..TASKS, TASKS..2 * TASKS] {
            let tasks = tasks(half);
            scope.spawn(move || {
                for task in tasks {
                    inject.push(task);
                }
                pushers.fetch_sub(1, Ordering::Release);
            });
        }
        // Taken under the lock, run after it.
        let consume = move |take: fn(&Inject, &mut Vec<Notified>) -> usize| {
            let mut taken = Vec::new();
            while pushers.load(Ordering::Acquire) > 0 || !inject.is_empty() {
                take(inject, &mut taken);
                taken.drain(..).for_each(Notified::run);
            }
        };
        scope.spawn(move || consume(|from, to| from.pop_many(64, |task| to.push(task))));
        scope.spawn(move || consume(|from, to| from.steal_many(64, |task| to.push(task))));
    });

    assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
    mock.assert_all_gone();
}

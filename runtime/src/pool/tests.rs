//! The inject list under real threads (two pushers, a consumer, a thief), and its order.

use super::Inject;
use crate::task::Notified;
use crate::task::mock::Mock;
use proptest::prelude::*;
use std::collections::VecDeque;
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

#[derive(Clone, Copy, Debug)]
enum Step {
    Push(usize),
    Pop(usize),
    Steal(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..20_usize).prop_map(Step::Push),
        (0..20_usize).prop_map(Step::Pop),
        (0..20_usize).prop_map(Step::Steal),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Against a queue: in order of arrival, whoever takes; a thief leaves the newer half of those
    /// that it sees, which need not be all.
    #[test]
    fn inject_is_a_queue(steps in prop::collection::vec(step(), 0..60)) {
        let (mock, inject, mut model) = (Mock::new(), Inject::new(), VecDeque::new());
        for step in steps {
            let mut taken = Vec::new();
            match step {
                Step::Push(count) => {
                    for task in (0..count).map(|_| mock.task(async {}).0) {
                        model.push_back(task.id());
                        inject.push(task);
                    }
                }
                Step::Pop(max) => {
                    inject.pop_many(max, |task| taken.push(task));
                    prop_assert_eq!(taken.len(), max.min(model.len()));
                }
                Step::Steal(max) => {
                    inject.steal_many(max, |task| taken.push(task));
                    prop_assert!(taken.len() <= max.min(model.len().div_ceil(2)));
                    prop_assert!(max == 0 || model.is_empty() || !taken.is_empty());
                }
            }
            for task in taken {
                prop_assert_eq!(Some(task.id()), model.pop_front(), "out of order");
                task.run();
            }
            prop_assert_eq!(inject.is_empty(), model.is_empty());
        }
        inject.pop_many(usize::MAX, Notified::run);
        mock.assert_all_gone();
    }
}

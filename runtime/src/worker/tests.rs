//! The ring under real threads, where loom's four places are too few, and its order.

use super::ring::{CAPACITY, Ring};
use crate::task::mock::Mock;
use crate::task::{Id, Notified};
use proptest::prelude::*;
use std::collections::VecDeque;
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

#[derive(Clone, Copy, Debug)]
enum Step {
    Push(usize),
    Pop(usize),
    /// Into a ring that has so many tasks.
    Steal {
        divisor: u64,
        has: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..CAPACITY).prop_map(Step::Push),
        (0..CAPACITY).prop_map(Step::Pop),
        (1..4_u64, 0..=CAPACITY).prop_map(|(divisor, has)| Step::Steal { divisor, has }),
    ]
}

/// Pushes new tasks until one is refused; the ids of those that were not.
fn fill(mock: &Mock, ring: &Ring, count: usize) -> Vec<Id> {
    let tasks = (0..count).map(|_| mock.task(async {}).0);
    // SAFETY: the ring is this thread's.
    let push = |task: Notified| (task.id(), unsafe { ring.push(task) });
    let mut ids = Vec::new();
    for (id, refused) in tasks.map(push) {
        match refused {
            Ok(()) => ids.push(id),
            Err(task) => run(task),
        }
    }
    ids
}

/// Takes the oldest, which must be these.
fn take(ring: &Ring, expected: impl IntoIterator<Item = Id>) {
    for id in expected {
        let task = ring.pop().expect("it has as many");
        assert_eq!(task.id(), id, "out of order");
        run(task);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    /// Against a queue: oldest first, whether popped or stolen; full exactly at its capacity.
    #[test]
    fn ring_is_a_bounded_queue(steps in prop::collection::vec(step(), 0..30)) {
        let (mock, ring, mut model) = (Mock::new(), Ring::new(), VecDeque::new());
        for step in steps {
            match step {
                Step::Push(count) => {
                    let room = CAPACITY - model.len();
                    let pushed = fill(&mock, &ring, count);
                    prop_assert_eq!(pushed.len(), count.min(room));
                    model.extend(pushed);
                }
                Step::Pop(count) => {
                    take(&ring, model.drain(..count.min(model.len())));
                    prop_assert!(!model.is_empty() || ring.pop().is_none());
                }
                Step::Steal { divisor, has } => {
                    let own = Ring::new();
                    let before = fill(&mock, &own, has);
                    // SAFETY: `own` is this thread's, and another ring.
                    let moved = unsafe { ring.steal_into(&own, divisor) };
                    let share = model.len().div_ceil(divisor as usize);
                    prop_assert_eq!(moved, share.min(CAPACITY - has));
                    take(&own, before.into_iter().chain(model.drain(..moved)));
                    prop_assert!(own.is_empty());
                }
            }
            prop_assert_eq!(ring.len(), model.len());
        }
        take(&ring, model);
        mock.assert_all_gone();
    }
}

//! Task ids.

use std::fmt;
use std::num::NonZeroU64;

/// Identifies a task among all tasks of the process, as long as it is alive and after.
///
/// Unlike tokio, an id is never used twice.
///
/// # Examples
///
/// ```
/// #[cmwq::main]
/// async fn main() {
///     let task = cmwq::spawn(async { cmwq::task::id() });
///     let outside = task.id();
///     assert_eq!(task.await.unwrap(), outside);
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(NonZeroU64);

/// Ids that a thread takes from the process-wide counter at once.
const BATCH: u64 = 1 << 12;

impl Id {
    #[inline]
    pub(crate) fn as_u64(self) -> u64 {
        self.0.get()
    }

    pub(crate) fn next() -> Id {
        use std::cell::Cell;
        use std::sync::atomic::{AtomicU64, Ordering};

        static NEXT: AtomicU64 = AtomicU64::new(BATCH);
        thread_local! {
            static MINE: Cell<u64> = const { Cell::new(0) };
        }

        // Batches begin at multiples of BATCH, so a multiple means that the last one is used up.
        let mut id = MINE.get();
        if id.is_multiple_of(BATCH) {
            id = NEXT.fetch_add(BATCH, Ordering::Relaxed);
        }
        MINE.set(id + 1);
        Id(NonZeroU64::new(id).expect("2^64 tasks were spawned"))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The id of the task that calls this.
///
/// # Panics
///
/// Outside of a task, and in the future given to `block_on`, which is not a task.
#[track_caller]
pub fn id() -> Id {
    try_id().expect("task::id() was called outside of a task; use task::try_id() there")
}

/// The id of the task that calls this, or `None` outside of a task.
pub fn try_id() -> Option<Id> {
    crate::context::current_task_id()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_across_threads() {
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..10_000).map(|_| Id::next()).collect::<Vec<_>>()))
            .collect();
        let mut all: Vec<_> = threads.into_iter().flat_map(|t| t.join().unwrap()).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}

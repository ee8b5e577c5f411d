//! What a task on a workqueue knows of its place in the books.

use crate::sync_types::atomic::{AtomicUsize, Ordering};

/// Sits in the task's cell and names its item in the books of one pool_workqueue. Written under
/// that one's lock; read by whoever has the task to itself (its queue's reference, or as its poller),
/// which orders the two. Others, who abort or await it, read under the lock: the item may be done at
/// any moment, and its number another's.
#[derive(Debug, Default)]
pub(crate) struct Ticket {
    /// The item's index and one more; 0 while the task is not in flight.
    item: AtomicUsize,
    /// An item of a queue polls the task's `JoinHandle`. That handle's own: it is used by whoever
    /// polls or drops it.
    is_awaited: AtomicUsize,
}

impl Ticket {
    pub(super) fn set(&self, index: usize) {
        self.item.store(index + 1, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> Option<usize> {
        self.item.load(Ordering::Relaxed).checked_sub(1)
    }

    pub(super) fn clear(&self) {
        self.item.store(0, Ordering::Relaxed);
    }

    pub(super) fn set_awaited(&self, is_awaited: bool) {
        self.is_awaited.store(is_awaited.into(), Ordering::Relaxed);
    }

    pub(super) fn is_awaited(&self) -> bool {
        self.is_awaited.load(Ordering::Relaxed) != 0
    }

    /// Is the task in flight: queued and not done?
    pub(crate) fn is_in_flight(&self) -> bool {
        self.get().is_some()
    }
}

//! What waits for a pool_workqueue, and what it has.

use super::PoolWorkqueue;
use crate::workqueue::flush::Gathering;
use std::sync::Arc;

impl PoolWorkqueue {
    /// A flush begins. Returns whether it has to wait for us.
    pub(in crate::workqueue) fn begin_flush(&self, gathering: &Arc<Gathering>) -> bool {
        let inner = &mut self.lock().inner;
        inner.flushes.begin(inner.books.colours(), gathering)
    }

    /// A flush is not waited for any more.
    pub(in crate::workqueue) fn forget_flush(&self, gathering: &Arc<Gathering>) {
        self.lock().inner.flushes.forget(gathering);
    }

    /// Items that are queued and not done, and how many of them are inactive.
    pub(in crate::workqueue) fn load(&self) -> (usize, usize) {
        let books = &self.lock().inner.books;
        (books.in_flight(), books.inactive())
    }

    /// Items that are queued and not done.
    pub(crate) fn in_flight(&self) -> usize {
        self.lock().inner.books.in_flight()
    }

    /// Does the limit hold items back?
    pub(in crate::workqueue) fn is_congested(&self) -> bool {
        self.lock().inner.books.inactive() > 0
    }

    /// Items that were ever queued, and those that are not done.
    pub(in crate::workqueue) fn counts(&self) -> (u64, usize) {
        let books = &self.lock().inner.books;
        (books.admitted(), books.in_flight())
    }

    pub(in crate::workqueue) fn drain_begins(&self) {
        self.lock().inner.drains += 1;
    }

    pub(in crate::workqueue) fn drain_ends(&self) {
        self.lock().inner.drains -= 1;
    }
}

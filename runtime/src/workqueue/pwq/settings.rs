//! Changes at run time: limits, replacement, freezing, the end.

use super::{Inner, PoolWorkqueue};
use crate::task::Notified;
use crate::workqueue::slots::DEFAULT_WORK;
use std::sync::Arc;

impl PoolWorkqueue {
    /// The limit has changed; of one that has its own slots.
    pub(in crate::workqueue) fn set_max(self: &Arc<Self>, max: Option<usize>) {
        self.change(|_, slots| slots.set_max(max, DEFAULT_WORK));
    }

    /// It is replaced: no item comes any more. Returns whether it has to be kept for those that it
    /// has.
    pub(in crate::workqueue) fn retire(&self) -> bool {
        let inner = &mut self.lock().inner;
        inner.is_retired = true;
        inner.books.in_flight() > 0
    }

    /// Its predecessor is empty.
    pub(in crate::workqueue) fn unplug(self: &Arc<Self>) {
        self.change(|inner, _| inner.books.is_plugged = false);
    }

    /// Stops polls: takes back what waits in the pool.
    pub(in crate::workqueue) fn freeze(&self) {
        let mut state = self.lock();
        let urgent = self.urgent.get().map(|urgent| urgent.pool.worklist.take_all_of(self.id));
        let mut all = urgent.unwrap_or_default();
        all.extend(self.pool.worklist.take_all_of(self.id));
        let (aborted, recalled): (Vec<_>, _) = all.into_iter().partition(Notified::is_aborted);
        state.inner.books.freeze(recalled);
        // Not to be polled. They are futures, whose keys nobody needs.
        for task in aborted {
            self.push(task, false);
        }
    }

    pub(in crate::workqueue) fn thaw(self: &Arc<Self>) {
        self.change(|Inner { books, boosts, .. }, _| {
            books.thaw(|item, task| self.run(boosts, item, task));
        });
    }

    /// The runtime shuts down: nothing waits any more.
    pub(in crate::workqueue) fn close(&self) {
        let Inner { books, boosts, .. } = &mut self.lock().inner;
        books.close(|item, task| self.run(boosts, item, task));
    }
}

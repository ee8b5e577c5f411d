//! Slots that are lent; see `lending`.

use super::{Inner, PoolWorkqueue};
use crate::workqueue::accounts::ItemId;
use crate::workqueue::events::{self, EventKind};
use crate::workqueue::lending::Loan;
use crate::workqueue::ticket::Ticket;
use std::sync::Arc;

impl PoolWorkqueue {
    /// Activates an inactive item on a slot that is lent to it. Returns whether it did.
    pub(in crate::workqueue) fn borrow(&self, item: ItemId, loan: &Arc<Loan>) -> bool {
        let Inner { books, boosts, .. } = &mut self.lock().inner;
        let is_lent = books.borrow(item, loan.clone(), |item, task| {
            events::happened(EventKind::Activate, self, || Some((task.id(), task.location())));
            self.run(boosts, item, task)
        });
        if is_lent {
            self.stats.started.increment();
        }
        is_lent
    }

    /// The lender of an item's slot is done.
    pub(in crate::workqueue) fn keep_loan(self: &Arc<Self>, item: ItemId) {
        self.change(|inner, slots| inner.books.keep_loan(item, slots));
    }

    /// The item of a task that waits for a slot.
    pub(in crate::workqueue) fn inactive_item(&self, ticket: &Ticket) -> Option<ItemId> {
        let books = &self.lock().inner.books;
        // Under the lock, since its worker may finish it at this moment.
        let item = ticket.get()?;
        books.lacks_slot(item).then(|| books.id(item))
    }

    /// The loan of an item in progress.
    pub(in crate::workqueue) fn loan(&self, ticket: &Ticket) -> Option<Arc<Loan>> {
        let item = ticket.get()?;
        Some(self.lock().inner.books.lends(item, Arc::default))
    }
}

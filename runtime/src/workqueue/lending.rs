//! A task that awaits an inactive task of its own queue lends it its slot.
//!
//! Otherwise `max_active` tasks that each await a task queued behind them would wait for ever. While
//! A awaits, B runs on A's slot: B is not counted, so no more items *run* than the limit says. One
//! loan at a time: what else A awaits stands in line, and gets the slot when B is done. If A is done
//! before B, which it awaits no more, B is counted itself, and for a while the queue may be one over
//! its limit.
//!
//! In a frozen queue the slot is lent all the same, and the borrower begins at the thaw: the lender
//! will not be polled again to ask for it.
//!
//! A loan's lock is taken before any pool_workqueue's.

use super::accounts::ItemId;
use super::current;
use super::pwq::PoolWorkqueue;
use super::ticket::Ticket;
use crate::sync_types::{Mutex, lock};
use std::collections::VecDeque;
use std::sync::Arc;

/// Awaiting the task would be for ever: it runs only after the task that awaits it.
#[derive(Debug)]
pub(super) struct Deadlock;

impl PoolWorkqueue {
    /// Somebody awaits a future of this pool_workqueue, which is not complete.
    pub(super) fn awaited(self: &Arc<Self>, ticket: &Ticket) -> Result<(), Deadlock> {
        current::with(|current| {
            let Some((own, own_ticket)) = current else { return Ok(()) };
            if !Arc::ptr_eq(&own.common, &self.common) {
                return Ok(());
            }
            let Some(item) = self.inactive_item(ticket) else { return Ok(()) };
            if self.common.flags.ordered {
                return Err(Deadlock);
            }
            if let Some(loan) = own.loan(own_ticket) {
                loan.offer(self.clone(), item);
            }
            Ok(())
        })
    }
}

/// What a loan needs of the pool_workqueue of an item.
pub(super) trait Lending: Sized {
    /// Activates an inactive item on a slot that is lent to it. Returns whether it did.
    fn borrow(&self, item: ItemId, loan: &Arc<Loan<Self>>) -> bool;
    /// The lender of an item's slot is done.
    fn keep_loan(&self, item: ItemId);
    /// Is it the same one? Each numbers its items for itself.
    fn is(&self, other: &Self) -> bool;
}

impl Lending for Arc<PoolWorkqueue> {
    fn borrow(&self, item: ItemId, loan: &Arc<Loan>) -> bool {
        PoolWorkqueue::borrow(self, item, loan)
    }

    fn keep_loan(&self, item: ItemId) {
        PoolWorkqueue::keep_loan(self, item);
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(self, other)
    }
}

/// The slot of an item that awaits others. `P` refers to a pool_workqueue of the queue.
pub(crate) struct Loan<P = Arc<PoolWorkqueue>>(Mutex<State<P>>);

struct State<P> {
    borrower: Option<(P, ItemId)>,
    /// Those that the lender awaits too, in order.
    line: VecDeque<(P, ItemId)>,
}

impl<P> Default for Loan<P> {
    fn default() -> Self {
        Self(Mutex::new(State { borrower: None, line: VecDeque::new() }))
    }
}

impl<P: Lending> Loan<P> {
    /// The lender awaits an item.
    pub(super) fn offer(self: &Arc<Self>, pwq: P, item: ItemId) {
        let mut state = lock(&self.0);
        let is_known = |(its, known): &(P, ItemId)| *known == item && its.is(&pwq);
        if state.borrower.is_none() {
            if pwq.borrow(item, self) {
                state.borrower = Some((pwq, item));
            }
        } else if !state.borrower.iter().chain(&state.line).any(is_known) {
            state.line.push_back((pwq, item));
        }
    }

    /// The borrower is done: the next in line has the slot.
    pub(super) fn returned(self: &Arc<Self>) {
        let mut state = lock(&self.0);
        state.borrower = None;
        while let Some((pwq, item)) = state.line.pop_front() {
            if pwq.borrow(item, self) {
                state.borrower = Some((pwq, item));
                return;
            }
        }
    }

    /// The lender is done; its own slot is given back after this.
    pub(super) fn end(&self) {
        let mut state = lock(&self.0);
        state.line.clear();
        if let Some((pwq, item)) = state.borrower.take() {
            pwq.keep_loan(item);
        }
    }
}

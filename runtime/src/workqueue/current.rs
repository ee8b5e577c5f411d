//! Which item of a workqueue this thread is running.
//!
//! Set for the time of a poll, by tasks of workqueues only. Polls do not nest on a thread: a
//! `block_on` inside a poll waits without polling tasks, and what it polls itself is part of the
//! outer item, whose slot it uses. So there is nothing to save.

use super::boost;
use super::pwq::PoolWorkqueue;
use super::ticket::Ticket;
use std::cell::Cell;
use std::ptr;
use std::sync::Arc;

thread_local! {
    static CURRENT: Cell<(*const Arc<PoolWorkqueue>, *const Ticket)> =
        const { Cell::new((ptr::null(), ptr::null())) };
}

/// This thread begins to run an item.
///
/// # Safety
///
/// Both stay valid and in place until [`leave`] on this thread.
pub(crate) unsafe fn enter(pwq: &Arc<PoolWorkqueue>, ticket: &Ticket) {
    CURRENT.set((pwq, ticket));
    boost::begin(pwq, ticket.get());
}

pub(crate) fn leave() {
    boost::end();
    CURRENT.set((ptr::null(), ptr::null()));
}

/// Calls `f` with the item that this thread is running.
pub(super) fn with<R>(f: impl FnOnce(Option<(&Arc<PoolWorkqueue>, &Ticket)>) -> R) -> R {
    let (pwq, ticket) = CURRENT.try_with(Cell::get).unwrap_or((ptr::null(), ptr::null()));
    // SAFETY: see enter().
    f(unsafe { pwq.as_ref().zip(ticket.as_ref()) })
}

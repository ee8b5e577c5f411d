//! Which item of a workqueue this thread is running.
//!
//! Set for the time of a poll, by tasks of workqueues only. Polls do not nest on a thread: a
//! `block_on` inside a poll waits without polling tasks, and what it polls itself is part of the
//! outer item, whose slot it uses. So there is nothing to save.
//!
//! It is also where those who look on learn of the start and the end of an execution.

use super::boost;
use super::events::{self, EventKind};
use super::pwq::PoolWorkqueue;
use super::stats;
use super::ticket::Ticket;
use crate::context;
use std::cell::Cell;
use std::ptr;
use std::sync::Arc;

thread_local! {
    static CURRENT: Cell<(*const Arc<PoolWorkqueue>, *const Ticket)> =
        const { Cell::new((ptr::null(), ptr::null())) };
    /// Is what this thread runs now, or ran last, something whose waits are noted?
    static NOTES_WAITS: Cell<bool> = const { Cell::new(false) };
    /// The thread's CPU time when the item began, if it is measured.
    static BEGAN: Cell<Option<u64>> = const { Cell::new(None) };
}

/// This thread begins to run an item.
///
/// # Safety
///
/// Both stay valid and in place until [`leave`] on this thread.
pub(crate) unsafe fn enter(pwq: &Arc<PoolWorkqueue>, ticket: &Ticket) {
    CURRENT.set((pwq, ticket));
    NOTES_WAITS.set(true);
    context::with_local(|local| {
        local.into_iter().for_each(|local| local.worker().set_queue(Some(pwq.id())));
    });
    boost::begin(pwq, ticket.get());
    happened(EventKind::ExecuteStart, pwq);
    BEGAN.set(stats::cpu_time());
}

pub(crate) fn leave() {
    let began = BEGAN.take();
    boost::end();
    with(|current| {
        let Some((pwq, _)) = current else { return };
        context::with_local(|local| {
            stats::executed(pwq, local, began);
            local.into_iter().for_each(|local| local.worker().set_queue(None));
        });
        happened(EventKind::ExecuteEnd, pwq);
    });
    CURRENT.set((ptr::null(), ptr::null()));
    NOTES_WAITS.set(false);
}

fn happened(kind: EventKind, pwq: &PoolWorkqueue) {
    events::happened(kind, pwq, || context::current_task_id().zip(context::current_location()));
}

/// Does this thread run something that may pass its priority on? Possibly it did so last.
#[inline]
pub(crate) fn notes_waits() -> bool {
    NOTES_WAITS.get()
}

/// For what is not an item.
pub(super) fn note_waits(notes: bool) {
    NOTES_WAITS.set(notes);
}

/// Runs `f`, which does not unwind, as if this thread ran no item: it polls something that is not of
/// the item.
pub(super) fn suspended(f: impl FnOnce()) {
    let item = CURRENT.replace((ptr::null(), ptr::null()));
    NOTES_WAITS.set(false);
    f();
    CURRENT.set(item);
    NOTES_WAITS.set(true);
}

/// Calls `f` with the item that this thread is running.
pub(super) fn with<R>(f: impl FnOnce(Option<(&Arc<PoolWorkqueue>, &Ticket)>) -> R) -> R {
    let (pwq, ticket) = CURRENT.try_with(Cell::get).unwrap_or((ptr::null(), ptr::null()));
    // SAFETY: see enter().
    f(unsafe { pwq.as_ref().zip(ticket.as_ref()) })
}

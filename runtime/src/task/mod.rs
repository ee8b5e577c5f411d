//! Tasks: spawning, joining, aborting.
//!
//! Names and signatures are tokio's; each item says where it differs. A task may block its thread: the
//! others of its core go on.
//!
//! | to do this | use |
//! |---|---|
//! | start a future; its handle awaits, aborts, or is dropped to detach | [`spawn`], which is also `cmwq::spawn` |
//! | block (files, locks, a synchronous driver) | just do it in a task; neither of the following two is needed |
//! | compute for long, or run a closure that must not be pinned to a core | [`spawn_blocking`] |
//! | give the core away at once, before a block that is known | [`block_in_place`] |
//! | start many and take the results as they come; abort the rest by a drop | [`JoinSet`] |
//! | abort without a `JoinHandle` | [`AbortHandle`] |
//! | give a task a name, for dumps and reports | [`Builder`] |
//! | know which task this is | [`id`](id()), [`try_id`] |
//! | let others go ahead | [`yield_now`], or in a loop [`consume_budget`]; [`unconstrained`] has no budget |
//! | keep a value for each task | [`task_local!`](crate::task_local) |
//! | have an order, a limit or an end that can be waited for | a [`Workqueue`](crate::Workqueue) |
//!
//! ```
//! use cmwq::task::JoinSet;
//!
//! # #[cmwq::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let one = cmwq::spawn(async { std::fs::read_to_string("/proc/self/comm") });
//! println!("{}", one.await??);
//!
//! let mut set = JoinSet::new();
//! for n in 1..4 {
//!     set.spawn(async move { n * n });
//! }
//! let mut squares = set.join_all().await;
//! squares.sort();
//! assert_eq!(squares, [1, 4, 9]);
//! # Ok(())
//! # }
//! ```
//!
//! # Design
//!
//! A task is a future as a work item.
//!
//! ## The allocation
//!
//! One heap cell per task: `raw::Header` (what the scheduler sees), the scheduler's handle, the
//! stage (future, then output), the join waker. Everything outside of this folder knows a task as
//! `Notified` (the reference a queue owns), [`JoinHandle`], [`AbortHandle`] or a `Waker`.
//!
//! ## The state word
//!
//! Nine flags and a reference count in one atomic (`state`); three are below:
//!
//! ```text
//!            wake                take from queue               Pending
//!   idle  ----------> PENDING ---------------------> RUNNING -----------> idle
//!                        ^                           |     |
//!                        |    woken meanwhile        |     | Ready, panic, or ABORT seen
//!                        +---------------------------+     +-------------------> COMPLETE
//! ```
//!
//! - PENDING: the task is in exactly one queue, or (together with RUNNING) will be queued again by
//!   its poller. Whoever sets it on an idle task makes the queue's reference and must schedule it:
//!   that is why there is never more than one `Notified` of a task. It is cleared *before* the
//!   poll, so a wake during the poll queues the task once more, as the kernel does with a work
//!   item.
//! - RUNNING: set by the owner of the `Notified` when it starts to poll. It alone may touch the
//!   stage. So a task is never polled twice at once, whatever is stolen or taken over when.
//! - COMPLETE: set once, by RUNNING. From then on the stage is the `JoinHandle`'s if JOIN_INTEREST
//!   was set at that moment, otherwise the completer has dropped the output.
//! - ABORT: a request. An abort of an idle task queues it, and the next poller cancels it instead
//!   of polling. So a future is only ever dropped by a poller, never by the thread that aborts.
//! - JOIN_WAKER: the join waker belongs to the completer while set, to the `JoinHandle` while
//!   clear. The handle changes the waker only after it has taken the flag back, which fails once
//!   the task is COMPLETE. A handle that is dropped before completion takes the flag with it. A
//!   completer that finds the flag uses the waker up (a wake by value), and the flag stays set:
//!   nobody drops what is left in the slot.
//!
//! ## Ahead of the queue
//!
//! What an urgent task waits for should not stand in line, and the queues of `cmwq::spawn` have no
//! lock under which a task could be taken out. So it stays where it is, and somebody else polls it:
//!
//! ```text
//!               overtake                     Pending, or Ready
//!   PENDING ----------------> RUNNING ---------------------------> idle or COMPLETE
//!   entry in a queue          OVERTAKEN                            OVERTAKEN
//!                                                                     |
//!                     the entry's turn: not PENDING, dropped <--------+--------> woken: PENDING again,
//!                                                                                by the same entry
//! ```
//!
//! - OVERTAKEN: the task's entry, with its reference, is still in a queue. While it is set nobody
//!   makes another entry: a wake sets PENDING, and the old entry will do. So there is still at most
//!   one, and the link in the header, which the entry owns, is used once. Whoever takes the entry
//!   from the queue clears the flag in the same step in which it learns whether it is its turn. If the
//!   task has completed before, it stays in the owned list until then: the list is what keeps the
//!   scheduler for whoever has made the task PENDING and has yet to queue it.
//! - RAISED: each step to PENDING also calls `Schedule::hasten`, which is to bring about a turn
//!   ahead.
//!   Raising a sleeping or running task has it polled once more: in that poll it tells what it waits
//!   for.
//! - BONDED: the scheduler keeps something about the task, and is told when it completes.
//!
//! References: the owned list (until the task is complete and has no entry), the queue's entry and the poller (one while PENDING
//! or RUNNING; both while OVERTAKEN), the `JoinHandle`, each waker, `AbortHandle` and `TaskRef`.
//!
//! ## Rejected
//!
//! - *Wake without a write when already PENDING.* A waker that only reads may miss a poller that
//!   has just cleared the flag, with its own data still in the store buffer. The read-modify-write
//!   publishes that data; the kernel pays for the same guarantee.
//! - *Completing an aborted idle task from the aborting thread.* Saves a trip through the queue,
//!   but runs the drop of the future, which is user code and may block, on a thread that may not
//!   be a worker at all.
//! - *A separate scheduled flag per queue.* One flag in the state word makes "in at most one queue"
//!   a property of the word, so queues may be drained, stolen and taken over freely.

mod abort;
#[cfg(all(test, not(cmwq_loom)))]
mod ahead_tests;
mod builder;
mod cell;
mod coop;
mod error;
mod harness;
mod id;
mod join;
mod join_set;
mod memory;
mod named;
mod owned;
mod raw;
mod spawn;
mod state;
mod task_local;
mod task_ref;
mod waker;
mod work;

#[cfg(all(test, cmwq_loom))]
mod loom_tests;
#[cfg(test)]
pub(crate) mod mock;
#[cfg(all(test, not(cmwq_loom)))]
mod tests;

pub use abort::AbortHandle;
pub use builder::Builder;
pub use coop::{Unconstrained, consume_budget, unconstrained, yield_now};
pub use error::JoinError;
pub use id::{Id, id, try_id};
pub use join::JoinHandle;
pub use join_set::JoinSet;
pub use spawn::{block_in_place, spawn, spawn_blocking};
pub use task_local::{AccessError, LocalKey, TaskLocalFuture};

pub(crate) use cell::Birth;
pub(crate) use owned::{Orphan, OwnedTasks};
pub(crate) use raw::{Header, Notified, RawTask, Start};
pub(crate) use state::OnIdle;
pub(crate) use task_ref::TaskRef;
pub(crate) use waker::is_task_waker;
pub(crate) use work::WorkTask;

use std::future::Future;

/// What a task knows of its scheduler.
pub(crate) trait Schedule: Send + Sync + Sized + 'static {
    /// Does a task of this scheduler wait only in the worklist of a pool, never in a ring or an inject
    /// list, where it could be stolen and not be found?
    const WAITS_IN_WORKLIST: bool = false;

    /// The task was woken.
    fn schedule(&self, task: Notified);
    /// The task was woken during its own poll, which has just ended on this thread.
    fn requeue(&self, task: Notified);
    /// The task is complete, and no entry of it is in a queue; returns whether it was in the owned
    /// list, whose reference is then the caller's.
    fn release(&self, task: RawTask) -> bool;
    /// The task panicked; its error is stored.
    fn task_panicked(&self);

    // What the default queue wants to know of tasks for which somebody urgent waits.

    /// The task is to be polled soon: it is PENDING, in a queue or about to be, and somebody urgent
    /// waits for it, or did a moment ago. The caller has a reference.
    fn hasten(&self, _task: RawTask) {}
    /// This thread begins to poll the task, which was raised before.
    fn raised_poll_begins(&self, _task: RawTask) {}
    /// It has polled the task, which is raised or was polled ahead of its turn, and is not complete.
    fn raised_poll_ended(&self, _task: RawTask) {}
    /// The task is complete, and was bonded.
    fn unbond(&self, _task: RawTask) {}

    // What workqueues want to know. The default queue wants to know of awaits only.

    /// The task comes from a queue: does this thread poll it?
    #[inline]
    fn start(&self, task: RawTask) -> Start {
        task.start_poll()
    }
    /// The poll has returned `Pending`, or there was none after [`Start::Skip`].
    #[inline]
    fn end(&self, task: RawTask) -> OnIdle {
        task.end_poll()
    }

    /// This thread begins to poll the task.
    #[inline]
    fn poll_begins(&self, _task: RawTask) {}
    /// The poll is over; the task is still RUNNING.
    #[inline]
    fn poll_ended(&self, _task: RawTask) {}
    /// Somebody awaits the task, which is not complete. An error is what the await returns.
    #[inline]
    fn awaited(&self, _task: RawTask) -> Result<(), JoinError> {
        Ok(())
    }
    /// The task was aborted while it waits in a queue.
    #[inline]
    fn aborted(&self, _task: RawTask) {}
    /// The `JoinHandle` is gone.
    #[inline]
    fn handle_dropped(&self, _task: RawTask) {}
    /// Why a task did not run that was told not to.
    #[inline]
    fn cancel_error(&self, id: Id) -> JoinError {
        JoinError::cancelled(id)
    }
}

/// Makes a task. The caller puts it into the owned list and queues it.
///
/// It has three references: one in the `Notified`, one in the `JoinHandle`, and one for the owned
/// list, which [`discard`] gives back if the list does not take it.
pub(crate) fn new<F, S>(future: F, scheduler: S, birth: Birth) -> (Notified, JoinHandle<F::Output>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    let raw = RawTask::new(cell::Cell::allocate(state::State::new(), future, scheduler, birth));
    (Notified::new(raw), JoinHandle::new(raw))
}

/// As [`new`]; `start` queues the task and sees the scheduler in its cell.
pub(crate) fn new_with<F, S, R>(
    future: F,
    scheduler: S,
    birth: Birth,
    start: impl FnOnce(Notified, &S) -> R,
) -> (JoinHandle<F::Output>, R)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    let raw = RawTask::new(cell::Cell::allocate(state::State::new(), future, scheduler, birth));
    let handle = JoinHandle::new(raw);
    // SAFETY: the cell was made for these types just now, and the handle keeps it.
    let scheduler = unsafe { &raw.pointer().cast::<cell::Cell<F, S>>().as_ref().scheduler };
    let result = start(Notified::new(raw), scheduler);
    (handle, result)
}

/// Cancels a task that is queued and will not be polled: drops its future here, on this thread.
pub(crate) fn cancel(task: Notified) {
    task.raw().state().abort();
    task.run();
}

/// Cancels a new task that the owned list refused.
pub(crate) fn discard(task: Notified) {
    let raw = task.raw();
    cancel(task);
    // The owned list's reference: release() has said that the task was not in it.
    raw.ref_dec(1);
}

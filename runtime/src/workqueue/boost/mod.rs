//! Priority inheritance: what an urgent task waits for is urgent too.
//!
//! A task of high priority that awaits a normal one is as slow as the line that the normal one stands
//! in, and as the workers of normal priority that serve it. So while it waits, the normal one is
//! *raised*: it waits in the high-priority pool of its CPU (of an unbound queue: in the pool of the
//! same CPUs with the lowest nice value), and if a worker polls it at this moment, that thread gets
//! the nice value of high-priority workers, where the process may lower it. A task of `cmwq::spawn`
//! is raised too, in another way, since it waits in lists without a lock: [`tasks`].
//!
//! # Who waits for whom
//!
//! ```text
//!   item of an urgent task --Waits--> item --Waits--> item
//!                          edge, raised                ...
//! ```
//!
//! - An *item* is a future on a queue, or one queueing of a work item.
//! - Its `Waits` are made when it first awaits another item, by polling its `JoinHandle` or a flush
//!   of its work. They have one edge for each item that it awaits.
//! - An edge is *raised* while its waiter is urgent: of high priority by its queue, or raised itself.
//!   So an item counts the raised edges that lead to it, and is raised while there is one.
//! - A flush of a whole queue has one edge to each pool_workqueue that it waits for, which leads to
//!   all items of it. It stays until the flush is over or dropped, or another task polls it.
//! - A `JoinHandle` has one poller at a time: an edge is cut when another task polls the handle, when
//!   the handle is dropped, and when either side is done.
//!
//! Edges of items that are not urgent are recorded too, since those may be raised later, while they
//! wait. Awaits by tasks of `cmwq::spawn` and by threads are too many for that: they record nothing
//! and take no lock. Such a task is polled once more when it is raised, and while it is, its
//! awaits are recorded as those of an item.
//!
//! # Inactive items
//!
//! A raised item that waits for a slot keeps its place in the order. Those that hold the slots, and
//! those in front of it, are what it waits for: while it is inactive, whatever its pool_workqueue
//! puts into a pool goes to the urgent one. It *presses* them. That is as far as pressing goes: what
//! those items await elsewhere is not raised by it.
//!
//! # Flushes of whole queues
//!
//! A flush waits for everything that was queued before. While an urgent one waits, it presses all
//! that is in flight in the same way, and what is queued meanwhile too: to tell both apart at each
//! wake would cost those that nobody flushes. So a queue that is never empty is urgent as long as its
//! flush takes. A drain, which flushes, does the same.
//!
//! # What is not covered
//!
//! - Waiting through channels, mutexes and other primitives: who is waited for there is not known.
//! - What a task of `cmwq::spawn` waits for inside of a combinator that polls only what was woken
//!   (`FuturesUnordered`, `JoinSet`): the additional poll does not reach it. What it awaits after it
//!   was raised is reached.
//! - Tasks of `cmwq::spawn` of another runtime than that of their waiter, and calls of
//!   `spawn_blocking`, which have threads to themselves.
//! - A worker between the taking of an item and its poll has the nice value that it had.
//!
//! # Locks
//!
//! Raising and lowering is done under one lock of the process, so that a chain is changed as a whole,
//! before all locks of the queues but the control of a work item, and never under that. The lock of
//! `Waits` is the last of all. An edge that is not raised is recorded and cut without the first one.
//! Under the first one an urgent pool may be made, at first use, and tasks of `cmwq::spawn` are queued.
//! The table of those has a lock under which only an edge is recorded.
//!
//! # Rejected
//!
//! - *Recomputing who is urgent from the edges*, as is done for deadlock detection: the count is
//!   enough, and a change touches only what changes. The price: a cycle of tasks that wait for each
//!   other, once raised, keeps itself raised. It stands still anyway.
//! - *Raising in place*, by a second key in the worklist: a normal pool's workers stay where they
//!   are in the system's scheduler, behind a hog of their CPU.

mod awaited;
mod ledger;
mod raise;
mod tasks;
mod thread;
mod waits;
#[cfg(all(test, not(cmwq_loom)))]
mod waits_tests;

#[cfg(all(test, cmwq_loom))]
mod loom_tests;

pub(super) use awaited::Awaited;
pub(super) use ledger::Ledger;
pub(super) use raise::FlushBonds;
pub(crate) use raise::{Bond, Bonds};
pub(crate) use tasks::{
    handle_dropped, handle_polled, hasten, raised_poll_begins, raised_poll_ended, task_is_done,
};
pub(super) use thread::{begin, end};
pub(super) use waits::Waits;

//! Work items: closures that are queued again and again.
//!
//! A [`Work`] is what the kernel calls a `work_struct`. Its closure is made once, its handles are
//! cheap to clone, and queueing it allocates nothing but, now and then, room in a list.

// # How it works
//
// A work item is a task whose future runs the closure and is pending for ever (`run`). Its scheduler
// is `Control`: a lock around the state below. `Control` knows queues only as `Target` (where to
// queue) and `Link` (a pool_workqueue that it is queued on), so that tests and models run it on plain
// lists.
//
// # States
//
// Two things that are independent of each other: is it pending, and does it run?
//
//     pending:  None --queue--> Listed --worker--> None            running: None -> Some -> None
//                |                |  ^ \                                     ^       |
//                |             cancel|  \--worker, while it runs--> Met      start   end
//                |                   |                               |
//                +--queue_delayed--> Delayed          the run ends: back to the list
//
// - *Listed*: admitted by a pool_workqueue, active or inactive. The queue's reference is in a list, or
//   in the hand of a worker who has popped it and is about to take our lock.
// - *Delayed*: the reference is ours, the timer is armed, no queue knows of it.
// - *Met*: a worker of another core popped it while it runs. It stays active in the books of its
//   pool_workqueue, and goes back to that one's pool when the run is over. So no two executions
//   overlap, whichever queues are involved, and the last one takes place where it was queued last.
//
// PENDING is cleared when a worker starts it, under the lock, before the closure is called. Whoever
// calls queue() goes through the same lock, whatever the answer is: what he has stored before is
// visible to an execution that begins later, and one does.
//
// What is pending and what runs each have a number, by which flushes wait for the right one, and one
// of two tickets: their places in the books.
//
// # Who may touch what
//
// Everything in `State` under the lock; the closure by the runner. Locks are taken in the order work
// item, node, pool_workqueue, worklist; and work item, timer wheel. What may run user code is put into
// `Later` and happens when the lock is free: wakers, flushes of the queue that are over, the drop of
// what may be the last reference.
//
// # Shutdown
//
// A queued work item counts as alive, so the runtime's workers go on until each has been taken from
// its list. Then it is not executed: the queueing ends like a cancelled one.
//
// # Rejected
//
// - *Setting a flag when it is queued during its execution, and queueing it at the end*, as wakes of
//   futures do: a flush of the queue that begins in between would miss it, and it would lose its place
//   in an ordered queue.
// - *A task per queueing*: an allocation each, in a facility that is there for times without memory.
// - *A lock-free PENDING*: the books of the queue take two locks anyway, and cancelling would have to
//   cope with every place the reference may be in at that moment. The kernel spins there; so do we,
//   but in one case only (`cancel`).

mod cancel;
mod control;
mod flush;
mod handle;
mod link;
mod queueing;
mod run;
mod target;

#[cfg(all(test, cmwq_loom))]
mod loom_tests;
#[cfg(test)]
mod mock;
#[cfg(all(test, not(cmwq_loom)))]
mod tests;

pub use handle::{WeakWork, Work};

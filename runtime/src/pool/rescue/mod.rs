//! Mayday: queues that have to go on when no thread can be made.
//!
//! A pool *starves* when work waits in its worklist, all of its workers are inside tasks that block
//! or burn, none is on standby, and none can be made. That ends when a task returns; but if that task
//! waits for what is in the worklist it never does. Memory that is freed by writing pages, which
//! takes a worker, which takes memory, is the classic case. A queue built with `reclaim` is promised
//! to go on all the same: it has a thread of its own, the *rescuer*, made when the queue is built.
//!
//! ```text
//!   monitor: the pool starves for 10 ms, and every 100 ms from there
//!      |  for each line of the pool whose queue has a task in the worklist
//!      v
//!   Line { called } --Bell--> rescuer: attends to the pool
//!                                | a turn: up to 16 tasks of the queue, then timers, I/O, chores
//!                                | nothing of it waits: sleeps until a push or for a moment
//!                                v
//!                             a worker of the pool is free: leaves, and wakes the pool
//! ```
//!
//! A [`Line`] is one pool_workqueue of a `reclaim` queue: its pool knows it to call, its rescuer to
//! look what was called for. The monitor only tries the lock of the pool's lines and otherwise comes
//! again; it stores, counts and wakes a futex.
//!
//! # What a rescuer is
//!
//! A thread without a place in any crew: it is never a holder, has no ring and no slot, and counts
//! for no cap. It takes tasks with [`Worklist::pop_of`](super::Worklist::pop_of), enters the runtime
//! with the pool's first core, so that timers and sockets of the tasks register there, and polls. The
//! first core of a pool that is in use always has threads, so what was registered is served when the
//! rescuer is gone. While it is there it drives all cores of the pool, beside the monitor; and it
//! wakes the foreign wakers that are left for workers, on which a future of its queue may depend.
//!
//! A rescuer attends to several pools in turn. It stays with a pool as long as no worker of it is
//! free, whether or not something of its queue waits: futures in progress are woken by timers and
//! sockets, and each wake would otherwise wait for the next call. Meanwhile a push tells it:
//! [`Lines::tell`].
//!
//! A task that blocks on the rescuer blocks the rescuer, and its queue with it, as in the kernel.
//!
//! # Who may touch which field
//!
//! | field | who |
//! |---|---|
//! | `Line::called` | the monitor sets, the rescuer clears |
//! | `Lines::list` | pool_workqueues as they come and go; the monitor tries |
//! | `Lines::guests` | rescuers, as they come and go; whoever pushes reads |
//! | `Rescuer::sight` | its rescuer writes, reports read |
//! | `Bell` | anybody rings, its rescuer waits |
//!
//! # Two handshakes
//!
//! *Call against sleep*: the caller sets `called`, then rings; the rescuer takes a ticket, looks at
//! `called`, and waits on the ticket. *Push against sleep*: the pusher makes the worklist not empty,
//! fences (which the wake of the core does anyway), and looks at `guests`; the rescuer counts itself
//! there, fences, takes a ticket and looks at the worklist. A worker that pushes to its own core
//! tells nobody: it is free.
//!
//! # Rejected
//!
//! - *A seat beyond the crew's cap*, so that the rescuer is a worker for a while: a holder may not
//!   choose whose tasks it polls, and the next block would need a standby again.
//! - *One rescuer for all queues*: two queues that depend on each other would need it twice.

mod bell;
mod lines;
mod registry;
mod rescuer;
mod sight;

pub(super) use bell::Bell;
#[cfg(all(test, cmwq_loom))]
pub(super) use lines::Guests;
pub(crate) use lines::{Line, Lines};
pub(crate) use registry::Rescuers;
pub(crate) use rescuer::{LineHold, Rescuer, RescuerHold};

//! The I/O driver of a core.
//!
//! # What it is
//!
//! [`Driver`] owns one `epoll` instance, one `timerfd` and one `eventfd`. Whoever holds the core calls
//! [`Driver::turn`]: it waits until a source becomes ready, a deadline passes or somebody calls
//! [`Handle::unpark`], and hands out the wakers of the tasks that were waiting. [`Handle`] is the
//! shared face: sockets register through it, from any thread, also while another thread waits in
//! `turn` (`epoll_ctl` and `epoll_wait` may run at the same time).
//!
//! Readiness is edge-triggered. The kernel reports a change once; it is remembered in the source's
//! readiness word until an operation returns `WouldBlock`. That is why no call is needed to wait for
//! a socket a second time, and why an event must never be lost.
//!
//! # Files
//!
//! * `readiness`: the word that remembers what was reported, with a tick;
//! * `waiters`: who waits for a source;
//! * `scheduled_io`: a registered source, the two together;
//! * `registry`: which sources exist, and when their memory may go;
//! * `release`: the stack of sources that wait for that;
//! * `registration`: one socket's hold on a source;
//! * `deadline`: the timerfd;
//! * `current`: which driver serves this thread.
//!
//! # Who may touch what
//!
//! | | who | under |
//! |---|---|---|
//! | `Driver` (poll, event buffer, due wakers, deadline) | the caller of `turn` | `&mut`, in the runtime the pool's driver lock |
//! | readiness word | dispatch sets, operations clear | atomic |
//! | waiters of a source | tasks store, dispatch takes | the source's mutex, for a few loads and stores |
//! | table of live sources | registration, deregistration, driver shutdown | its mutex; `turn` never takes it |
//! | release stack | deregistration pushes, `turn` takes all | lock-free |
//!
//! User code (the clone, wake and drop of a waker) runs under none of these locks, and `turn`
//! allocates nothing but for a growing number of simultaneous wakeups: a task that blocks while it
//! holds one of them would stop the core that this runtime promises to keep going.
//!
//! # Why a stale event touches no freed memory
//!
//! A source's address is its token in `epoll`. Deregistration first takes the descriptor out of
//! `epoll` and then pushes the source's last reference on the release stack. `turn` empties that stack
//! *before* it waits. So a source that `turn` frees was out of `epoll` before the wait whose events
//! this `turn` dispatches, and the events of the wait before were all dispatched by an earlier `turn`,
//! because `turn` has `&mut self`. A source that could not be taken out of `epoll` is kept until the
//! driver goes.
//!
//! # Why no wakeup is lost
//!
//! A task stores its waker under the source's mutex and looks at the readiness word *after* that;
//! dispatch sets the word *before* it takes the mutex. One of the two comes second and sees the other.
//! An operation that got `WouldBlock` clears readiness only if the tick is still the one that it saw
//! before the system call: a newer event stays.
//!
//! # Rejected
//!
//! * Level-triggered `epoll`: needs `epoll_ctl` around each wait.
//! * `epoll_wait`'s own timeout: milliseconds through mio, and `epoll_pwait2` keeps 0.1% slack whatever
//!   the thread's slack is (1 s comes 1.1 ms late). A timerfd has neither.
//! * One driver for the process, as in tokio: each event would then cross from the thread that waits to
//!   the core of its task.
//! * A slab index as the token: dispatch would look it up under the lock of the table, and that is a
//!   lock under which registrations allocate.
//! * An intrusive list of waiters inside the futures: no allocation, but much unsafe code for the rare
//!   case of several tasks that wait for one socket.

mod current;
mod deadline;
mod handle;
mod readiness;
mod registration;
mod registry;
mod release;
mod scheduled_io;
mod turn;
mod waiters;

pub(crate) use current::assert_current;
pub use current::{set_current, with_current};
pub use handle::Handle;
pub(crate) use registration::Registration;
pub(crate) use scheduled_io::{Direction, ReadyEvent};
pub use turn::{Driver, Wait};

use std::io;

/// The error of every wait on a socket whose driver was dropped.
pub(crate) fn gone() -> io::Error {
    io::Error::other("the runtime this socket was registered with is gone")
}

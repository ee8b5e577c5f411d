//! Threads for each CPU that are parked while their CPU is away, as the kernel's `smpboot` threads.
//!
//! ```
//! let hello = cmwq::percpu::Builder::new("hello")
//!     .setup(|cpu| println!("CPU {cpu} has a thread"))
//!     .cleanup(|cpu, _| println!("and will have none"))
//!     .register(|cpu| println!("somebody has woken the thread of CPU {cpu}"))?;
//! hello.wake_all();
//! # Ok::<(), cmwq::percpu::Error>(())
//! ```
//!
//! A CPU is there while it is online and the process can use it (affinity, cpuset). Threads are pinned to
//! their CPUs, and need no runtime. For work of a runtime that is to be done on a certain CPU there are
//! bound [workqueues](crate::workqueue).
//!
//! # As in the kernel
//!
//! A thread is made when its CPU is there for the first time, parked, and then unparked. It calls
//! `setup` before anything else; `park` and `unpark` in turn; `run` while `should_run` says so; and
//! `cleanup` at last, also if it is parked, without `unpark` before. A thread that never was active
//! calls none of them.
//!
//! # Not as in the kernel
//!
//! - Of several registrations the threads of a CPU are unparked in the order of registration and parked
//!   in the reverse order, each when the one before has called its callback. (The kernel puts
//!   registrations at the head of its list and walks it from there: it unparks the newest first and
//!   parks the oldest first.)
//! - A program hears of a CPU that is gone when it is gone. So `park` is called by the thread of that
//!   CPU, on another CPU.
//! - `should_run` may be left out, and callbacks may sleep.
//! - A thread that another thread has moved is brought back when that is noticed.
//!
//! # Parts
//!
//! - `CpuWatch`: what a thread waits with for a change of the CPUs. The runtime has such a thread too,
//!   for its own pools.
//! - `registry`: all registrations in their order, and the thread that lets them follow the CPUs.
//! - `group`: the threads of one registration. `thread`: one thread, its states and its loop.
//!
//! # Who may touch what
//!
//! | state | lock | written by |
//! |---|---|---|
//! | the list of registrations, the CPUs that there are | the registry's | who registers or unregisters; the thread that watches |
//! | the threads of a registration | the group's | who registers, until the group is ready; then the thread that watches |
//! | what is wanted of a thread | the thread's | those two; for self-parking ones their owner |
//! | where a thread is | the thread's | the thread |
//!
//! They are taken in this order, for short; callbacks are called and threads waited for under none.
//!
//! # Rejected
//!
//! - *The files of sysfs*: a container may hide them. The affinity of a thread, as the kernel tells it,
//!   leaves offline CPUs out, so that one system call answers for hotplug, cpuset and affinity.
//! - *udev*: its events come later, and not to every container. The kernel's own need no privilege.
//! - *Looking once a second whatever happens*: only while a thread waits for its CPU.
//! - *Atomics instead of a lock and a condition variable for each thread*: nobody wakes such threads
//!   so often that it would show, and the states are easier to see.

mod builder;
mod callbacks;
mod error;
mod group;
mod registration;
mod registry;
mod thread;
mod watch;

#[cfg(all(test, not(cmwq_loom)))]
mod tests;

pub use builder::Builder;
pub use error::Error;
pub use registration::Registration;

pub(crate) use watch::CpuWatch;

/// Parks the calling thread, if it is one of [`self_parking`](Builder::self_parking) ones, when it
/// returns from the callback that it is in. `false` if it is not such a thread.
///
/// # Examples
///
/// ```
/// # use cmwq::percpu::{Builder, park_current};
/// // Each wake of an unparked thread lets it run once.
/// let threads = Builder::new("once").self_parking().register(|_| assert!(park_current()))?;
/// let cpu = threads.cpus()[0];
/// threads.wake(cpu);
/// threads.unpark(cpu)?;
/// while threads.is_parked(cpu) == Some(false) {
///     std::thread::yield_now();
/// }
/// assert!(!park_current(), "this is no such thread");
/// # Ok::<(), cmwq::percpu::Error>(())
/// ```
pub fn park_current() -> bool {
    thread::Thread::park_current()
}

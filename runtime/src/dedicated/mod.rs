//! Dedicated workers: one worker on one thread of its own, the kernel's `kthread_worker`.
//!
//! A [`DedicatedWorker`] executes the closures of [`DedicatedWork`] one after the other, in the order
//! in which they were queued, on a thread that does nothing else. It needs no runtime: the thread is
//! an ordinary one, with the CPUs, nice value and timer slack that the process had, or with the CPUs
//! and the priority that the [`Builder`] was asked for.
//!
//! Use it where *which thread* matters: a library whose handles may not change threads, a device that
//! is served at real-time priority, a loop that must not share its CPU. Where only the order matters
//! an ordered [`Workqueue`](crate::Workqueue) is cheaper, since it has no thread of its own.
//!
//! ```
//! use cmwq::dedicated::{DedicatedWork, DedicatedWorker};
//! use std::sync::mpsc;
//!
//! let worker = DedicatedWorker::builder().name("device").build()?;
//! let (send, lines) = mpsc::channel();
//! let work = DedicatedWork::new(move || send.send("served").unwrap());
//! assert!(work.queue(&worker));
//! worker.flush_blocking();
//! assert_eq!(lines.try_recv(), Ok("served"));
//! worker.destroy_blocking();
//! # Ok::<(), cmwq::dedicated::WorkerError>(())
//! ```
//!
//! A function whose result is wanted is [called](DedicatedWorker::call) by the worker:
//!
//! ```
//! # let worker = cmwq::dedicated::DedicatedWorker::builder().build()?;
//! assert_eq!(worker.call(|| 6 * 7).wait()?, 42);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The kernel's names
//!
//! | kernel | here |
//! |---|---|
//! | `kthread_run_worker`, `_on_cpu`, `_on_node` | [`Builder::build`], with [`cpu`](Builder::cpu), [`node`](Builder::node) |
//! | `kthread_create_worker`, `kthread_init_worker` | [`Builder::without_thread`], then [`build`](Builder::build) |
//! | `kthread_worker_fn` on a thread of one's own | [`DedicatedWorker::run`] |
//! | `kthread_stop` of that thread | [`DedicatedWorker::stop`] |
//! | `kthread_init_work`, again | [`DedicatedWork::reinit`] |
//! | `kthread_queue_work`, `_delayed_work`, `kthread_mod_delayed_work` | [`DedicatedWork::queue`], [`queue_delayed`](DedicatedWork::queue_delayed), [`mod_delayed`](DedicatedWork::mod_delayed) |
//! | `kthread_flush_work`, `kthread_flush_worker` | [`DedicatedWork::flush`], [`DedicatedWorker::flush`] |
//! | `kthread_cancel_work_sync`, `kthread_cancel_delayed_work_sync` | [`DedicatedWork::cancel_sync`] |
//! | `kthread_destroy_worker` | [`DedicatedWorker::destroy`] |
//! | `sched_set_fifo` | [`Builder::realtime`] |
//! | `KTW_FREEZABLE` | none: a program is frozen as a whole |

// # How it works
//
// `Shared` is what handles, works and the serving thread share: one lock around `Books`, and a
// condition variable for which the serving thread alone waits. `Books` is plain data.
//
// Whatever enters the list gets the next *number*, so the list is ordered by number, and numbers are
// what flushes wait for: that of a work until this one is over, that of a worker until all up to the
// last one are. A cancelled number is over like an executed one.
//
// A delayed work is in a second list, by its deadline, for which the serving thread waits. It enters
// the list when its deadline has passed: when the thread looks, or before the next work is queued, if
// the thread is busy. So a work whose delay was over first is executed first, as in the kernel,
// whose timer interrupts.
//
// # States of a work
//
//     Idle --queue--> Listed --server--> Idle, running --end--> Idle
//       |               ^   \                |
//       +--delay--> Delayed  +--cancel--> Idle
//
// *running* is independent of the rest: a work that runs can be queued again. `home` names the worker
// that it belongs to, from its first queueing until `reinit`. `canceling` counts those who wait in
// `cancel_sync`: queueing fails meanwhile.
//
// # Who serves
//
// A *seat* is the right to serve the worker: whoever has it executes, and there is one. It is taken by
// `build`, `start` or `run`, and left after `stop`, or when the worker was destroyed and the list is
// empty. Without a server the lists wait.
//
// # Locks
//
// The worker's, then that of a work's state. To find the worker of a work one takes the work's lock,
// leaves it, takes both in order, and looks whether the worker is still the same (`at_home`).
// Under them runs no user code: wakers and what may be the last reference to a closure are put into
// `Later`. The lock of a closure is held by the server while it runs, and nobody else wants it.
//
// # Life
//
// Handles keep the worker going; the last one that is dropped begins a `destroy` and does not wait. The
// thread has the `Shared` only. Works refer to their worker's `Shared`, which refers to them while
// they are pending; the end of the worker empties the lists, so that cycle is always cut.
//
// # Rejected
//
// - *`Work` for both.* A `Work` may be queued on any queue at any time, and needs a runtime for its
//   delays and for its shutdown. A work of a dedicated worker belongs to one, has no runtime, and is
//   refused by others. One type with both rules would have to say of each method which one holds.
// - *Futures.* `flush` would wait for polls only, or for completion, and then the list is no order any
//   more; `destroy` would need to know all that wait for a waker. An ordered workqueue has answers to
//   that. A closure may call `Handle::block_on`.
// - *A lock-free list.* There is one consumer, and one wakeup costs more than the lock. Simple first.
// - *A thread for the timers.* The worker's own has nothing to do until the first deadline.
// - *A work per flush* in the list, as in the kernel: an allocation, and what it does (wake somebody
//   when its turn comes) a number does too.

mod books;
mod builder;
mod call;
mod current;
mod error;
mod item;
mod serve;
mod shared;
#[cfg(all(test, not(cmwq_loom)))]
mod tests;
mod thread;
mod wait;
mod work;
mod worker;

pub use builder::Builder;
pub use call::Call;
pub use error::WorkerError;
pub use thread::Granted;
pub use wait::Flush;
pub use work::{DedicatedWork, WeakDedicatedWork};
pub use worker::DedicatedWorker;

pub(crate) use current::current;
pub(crate) use thread::{is_own_thread, original};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks although somebody panicked meanwhile: nothing that can panic runs under our locks but
/// closures under their own.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! An async runtime that a blocking task cannot stall.
//!
//! Each core has a pinned executor. When the task that it polls blocks in the kernel (a file read,
//! `std::thread::sleep`, a contended `std::sync::Mutex`, `getaddrinfo`, a synchronous database
//! driver, a page fault), a second thread takes the core over within microseconds and goes on with
//! its queue, its timers and its I/O. No annotation, no `spawn_blocking`, no second pool to size. It is
//! what the Linux kernel's Concurrency Managed Workqueue does for work items, brought to futures.
//!
//! ```
//! use std::time::Duration;
//!
//! #[cmwq::main]
//! async fn main() {
//!     let blocking = cmwq::spawn(async { std::thread::sleep(Duration::from_millis(50)) });
//!     // Timers, sockets and other tasks of the same core do not notice.
//!     cmwq::time::sleep(Duration::from_millis(1)).await;
//!     blocking.await.unwrap();
//! }
//! ```
//!
//! Names, paths and signatures are tokio's where tokio has the same thing; each item says where it
//! differs. Synchronisation primitives are tokio's own, re-exported as [`sync`].
//!
//! # Features
//!
//! - `tokio-io` (default): the sockets implement tokio's `AsyncRead` and `AsyncWrite` beside those of
//!   `futures`.
//! - `hyper`: an executor and a timer for hyper 1.
//! - `test-util`: `time::{pause, resume, advance}` and `start_paused`.
//!
//! # What it reports
//!
//! [`Handle::metrics`](runtime::Handle::metrics) counts, and [`dump`] writes down what each worker and
//! queue does. Warnings and the watchdog's reports are events of the crate `tracing`, target `cmwq`:
//! without a subscriber nobody sees them.
//!
//! # What takeover does not do
//!
//! - Futures inside one task (`join!`, `select!`, `FuturesUnordered`) are polled by one thread: when
//!   one of them blocks, its siblings wait.
//! - A blocked thread costs memory. At most `max_workers_per_core` exist; beyond that tasks wait.
//! - Workers are pinned, and children inherit it: start threads and processes inside [`unpinned`].
//! - `tokio::spawn`, `tokio::time` and `tokio::net` need tokio's runtime, whose handle is entered on
//!   each thread that polls: see [`on_thread_start`](runtime::Builder::on_thread_start).

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
compile_error!("cmwq runs on Linux 5.10 or later, on x86_64 and aarch64 only");

// The attribute macros name the crate by this path, in our own tests and examples too.
extern crate self as cmwq;

mod blocking;
mod contain;
mod context;
pub mod dedicated;
mod detect;
#[cfg(feature = "hyper")]
pub mod hyper;
mod inspect;
mod metrics;
pub mod percpu;
mod pool;
pub mod runtime;
mod sync_types;
mod sys;
pub mod task;
pub mod time;
mod topology;
mod unpinned;
mod unpoison;
mod waiters;
mod worker;
pub mod workqueue;

/// Of all runtimes of the process, from its beginning: locks that another thread held when they were
/// wanted, and compare-exchanges that failed. For the benchmarks, which may be built to count it.
#[cfg(cmwq_contention)]
#[doc(hidden)]
pub fn contention() -> (u64, u64) {
    sync_types::counts()
}

pub mod net {
    //! TCP over the core's readiness driver.
    //!
    //! A socket registers with the core that first has to wait for it. Readiness goes through that
    //! core's epoll, on which whichever worker holds the core waits; so a task that blocks does not
    //! delay the sockets of its core.
    pub use cmwq_io::net::*;
}

pub mod sync {
    //! tokio's synchronisation primitives, which need no runtime of tokio's.
    //!
    //! They spend no budget here, since tokio keeps its budget to itself: a task that loops over a
    //! channel that is always ready is ended only by the rule for CPU hogs.
    pub use tokio::sync::*;
}

pub use cmwq_io::io;
pub use cmwq_macros::{main, test};
pub use task::spawn;
pub use tokio::{join, pin, select, try_join};
pub use unpinned::unpinned;
pub use workqueue::{Work, Workqueue, dump};

pub(crate) use cmwq_io::budget;

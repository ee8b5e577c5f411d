//! The runtime: building, entering, spawning, waiting, shutting down.
//!
//! [`Builder`] collects settings, `build` turns them into `Shared` (what all threads share) and
//! starts the threads: the monitor, the watchdog that tells of stalls, and for each core a holder, a
//! standby and, with the idle detector, a sentinel. [`Runtime`] owns them, [`Handle`] only refers to them.
//!
//! # Shutting down
//!
//! Running, closing, stopped. *Closing* refuses new tasks and aborts all others; the workers go on
//! as usual, so futures are dropped by pollers on their cores, timers and I/O work, and a drop that
//! blocks is taken over like any other block. When the last task is gone the runtime is *stopped* and
//! its threads end; its timers and sockets do too, so that a closure of `spawn_blocking` that waits
//! for one gets a panic or an error. Nothing has to be done in a special way, and nothing hangs but on
//! a task that never returns: [`Runtime::shutdown_timeout`] leaves that one behind, with the memory
//! that it still uses.

mod block_on;
mod build;
mod builder;
mod callers;
pub(crate) mod config;
mod error;
mod handle;
mod home;
mod names;
mod shared;

pub use crate::detect::{Detector, ParseDetectorError};
pub use crate::metrics::RuntimeMetrics;
pub use builder::{Builder, Pin};
pub use config::UnhandledPanic;
pub use error::{BuildError, TryCurrentError};
pub use handle::{EnterGuard, Handle, RuntimeFlavor};

pub(crate) use shared::{Original, Shared};

use crate::contain::contain;
use crate::context;
use crate::task::JoinHandle;
use crate::worker::Local;
use config::Hook;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// A running runtime. Dropping it shuts it down: every task is cancelled at the next point where it
/// is not being polled, and the drop waits for that. For a task or a closure of `spawn_blocking` that
/// blocks for ever it waits for ever; [`shutdown_timeout`](Self::shutdown_timeout) and
/// [`shutdown_background`](Self::shutdown_background) do not.
///
/// Inside a task of the same runtime, where waiting would be for itself, the drop does not wait.
///
/// # Examples
///
/// ```
/// let runtime = cmwq::runtime::Runtime::new()?;
/// let answer = runtime.block_on(async {
///     cmwq::spawn(async {
///         // No other task notices.
///         std::thread::sleep(std::time::Duration::from_millis(5));
///         42
///     })
///     .await
///     .unwrap()
/// });
/// assert_eq!(answer, 42);
/// # Ok::<(), cmwq::runtime::BuildError>(())
/// ```
#[derive(Debug)]
pub struct Runtime {
    handle: Handle,
    /// How long the drop waits; `None` as long as it takes.
    patience: Option<Duration>,
    _pinned: Option<build::PinClaim>,
}

impl std::fmt::Debug for build::PinClaim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PinClaim")
    }
}

impl Runtime {
    fn from_parts(handle: Handle, pinned: Option<build::PinClaim>) -> Self {
        Self { handle, patience: None, _pinned: pinned }
    }

    /// A runtime with one pool of workers per core and default settings.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    pub fn new() -> Result<Runtime, BuildError> {
        Builder::new_multi_thread().build()
    }

    /// The runtime's handle.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// What the runtime is doing and has done.
    pub fn metrics(&self) -> RuntimeMetrics {
        self.handle.metrics()
    }

    /// Runs a future to completion on this thread, with the runtime entered.
    ///
    /// Where it differs from tokio: it is legal inside a task, of this or another runtime. The
    /// thread's core is then handed over before the thread sleeps.
    ///
    /// # Panics
    ///
    /// If the future panics; or if a task panicked and the runtime is configured to shut down for
    /// that; or in a process forked from the one that built the runtime.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.handle.block_on(future)
    }

    /// Spawns a task; see [`Handle::spawn`].
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn(future)
    }

    /// Runs a closure on a thread outside of the core pools; see [`Handle::spawn_blocking`].
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.handle.spawn_blocking(f)
    }

    /// Enters the runtime on this thread until the guard is dropped.
    pub fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }

    /// Shuts down and waits at most `timeout` for the threads to end. Threads that are still inside a
    /// task then are left behind; they end when the task returns, or with the process.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let runtime = cmwq::runtime::Runtime::new()?;
    /// // Blocks for ever: a drop of the runtime would wait for it.
    /// runtime.spawn(async {
    ///     loop {
    ///         std::thread::park();
    ///     }
    /// });
    /// runtime.shutdown_timeout(Duration::from_millis(10));
    /// # Ok::<(), cmwq::runtime::BuildError>(())
    /// ```
    pub fn shutdown_timeout(mut self, timeout: Duration) {
        self.patience = Some(timeout);
    }

    /// Shuts down without waiting.
    pub fn shutdown_background(self) {
        self.shutdown_timeout(Duration::ZERO);
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let timeout = self.patience;
        let shared = &self.handle.shared;
        // Of a forked process: the threads are the parent's.
        if shared.pid != crate::sys::process::id() {
            return;
        }
        shared.close();
        if timeout != Some(Duration::ZERO) {
            // A worker, of another runtime, is about to wait.
            context::with_local(|local| local.into_iter().for_each(Local::hand_over));
        }
        // A thread that waited for itself would wait for ever.
        let own = context::is_owned_by(Arc::as_ptr(shared))
            || context::with_local(|local| local.is_some_and(|l| Arc::ptr_eq(l.shared(), shared)));
        if !own {
            shared.join(timeout);
        }
    }
}

/// Calls a hook outside of a worker; a panic of it ends here.
pub(crate) fn call_hook(hook: Option<&Hook>) {
    if let Some(hook) = hook {
        contain(|| hook());
    }
}

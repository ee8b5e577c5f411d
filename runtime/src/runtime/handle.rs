//! The cloneable handle of a runtime.

use super::error::TryCurrentError;
use super::{Shared, block_on};
use crate::context;
use crate::metrics::RuntimeMetrics;
use crate::task::JoinHandle;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

/// A handle to a runtime: spawns onto it from anywhere. Cheap to clone; keeps the runtime's memory,
/// not its threads.
///
/// # Examples
///
/// ```
/// use cmwq::runtime::{Handle, Runtime};
///
/// let runtime = Runtime::new()?;
/// let handle: Handle = runtime.handle().clone();
/// let sum = std::thread::spawn(move || handle.block_on(async { 1 + 2 })).join().unwrap();
/// assert_eq!(sum, 3);
/// # Ok::<(), cmwq::runtime::BuildError>(())
/// ```
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

/// While it is held, the thread is in a runtime: `cmwq::spawn`, timers and sockets work.
///
/// Guards have to be dropped in the reverse order of their making. The drop of one puts back what the
/// thread was in when it was made: in another order the thread is then in the wrong runtime, or stays in
/// one with no guard left. One that is forgotten leaves the thread in its runtime, and keeps that
/// runtime's memory. On a worker either lasts as long as the thread lives, for all tasks that it polls.
#[must_use = "the runtime is left when the guard is dropped"]
pub struct EnterGuard<'a> {
    _enter: context::Enter,
    // Bound to the thread, and to the handle it came from.
    _handle: PhantomData<(&'a Handle, *const ())>,
}

impl fmt::Debug for EnterGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnterGuard").finish()
    }
}

impl Handle {
    /// The runtime that this thread is in.
    ///
    /// # Panics
    ///
    /// If there is none; see [`try_current`](Self::try_current).
    #[track_caller]
    pub fn current() -> Handle {
        match Self::try_current() {
            Ok(handle) => handle,
            Err(error) => panic!("{error}"),
        }
    }

    /// The runtime that this thread is in.
    ///
    /// # Errors
    ///
    /// The thread is in no runtime.
    pub fn try_current() -> Result<Handle, TryCurrentError> {
        context::current().map(|shared| Handle { shared }).ok_or_else(TryCurrentError::new)
    }

    /// Enters the runtime on this thread until the guard is dropped; see [`EnterGuard`] for the order of
    /// several.
    pub fn enter(&self) -> EnterGuard<'_> {
        EnterGuard {
            _enter: context::enter(&self.shared, self.shared.any_core()),
            _handle: PhantomData,
        }
    }

    /// Spawns a task onto the runtime. It starts at once, whether or not the handle is awaited.
    ///
    /// On a runtime that shuts down the future is dropped, and the handle reports a cancellation.
    ///
    /// # Panics
    ///
    /// In a process forked from the one that built the runtime, outside of its tasks.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.shared.spawn(future, std::panic::Location::caller())
    }

    /// Runs a closure on a thread outside of the core pools, with the affinity that the process had.
    ///
    /// Blocking calls do not need this: they may stand in a task. It is for long computations, and for
    /// code that starts threads or processes. A closure that has started is not aborted.
    ///
    /// # Panics
    ///
    /// In a process forked from the one that built the runtime.
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.shared.blocking.spawn(&self.shared, f, std::panic::Location::caller())
    }

    /// Runs a future to completion on this thread; see
    /// [`Runtime::block_on`](super::Runtime::block_on).
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        block_on::block_on(&self.shared, future)
    }

    /// What the runtime is doing and has done.
    pub fn metrics(&self) -> RuntimeMetrics {
        RuntimeMetrics::new(self.shared.clone())
    }

    /// Freezes all workqueues of the runtime that were built with
    /// [`freezable`](crate::workqueue::Builder::freezable), also those that are built later; see
    /// [`Workqueue::freeze`](crate::Workqueue::freeze).
    pub fn freeze_workqueues(&self) {
        self.shared.queues.set_frozen(true);
    }

    /// Ends [`freeze_workqueues`](Self::freeze_workqueues).
    pub fn thaw_workqueues(&self) {
        self.shared.queues.set_frozen(false);
    }

    /// Which kind of runtime it is.
    pub fn runtime_flavor(&self) -> RuntimeFlavor {
        if self.shared.config.current_thread {
            RuntimeFlavor::CurrentThread
        } else {
            RuntimeFlavor::MultiThread
        }
    }
}

/// The kinds of runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuntimeFlavor {
    /// One core, held by the thread that is in `block_on`.
    CurrentThread,
    /// One pool of workers per core.
    MultiThread,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("flavor", &self.runtime_flavor())
            .field("cores", &self.shared.cores.len())
            .finish_non_exhaustive()
    }
}

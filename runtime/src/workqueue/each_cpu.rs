//! Functions that are to run on a certain CPU, or on all.
//!
//! They are futures of the system queue, and not work items as in the kernel: a task's handle
//! carries the result and the panic. What they have in common holds: bound, never stolen, waited
//! for.

use super::cpu_error::CpuError;
use super::queue::{Place, Queue};
use super::system::system;
use crate::runtime::Handle;
use crate::sys::affinity::CpuSet;
use crate::task::JoinHandle;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

impl Queue {
    /// The CPUs that the runtime serves; the numbers of its cores where they are not pinned.
    pub(super) fn served(&self) -> CpuSet {
        let cores = self.common.shared.cores.iter().enumerate();
        cores.map(|(index, core)| core.cpu.unwrap_or(index)).collect()
    }

    fn run_on<F, R>(
        &self,
        cpu: usize,
        f: F,
        location: &'static Location<'static>,
    ) -> Result<JoinHandle<R>, CpuError>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        if !self.knows(Place::Cpu(cpu)) {
            return Err(CpuError::unknown(cpu, self.served()));
        }
        Ok(self.spawn(Place::Cpu(cpu), async move { f() }, location))
    }
}

/// Runs `f` once on each CPU that the runtime serves, at the same time, on the queue
/// [`system`]. Waits until all are done.
///
/// CPUs are counted as the system does; in a runtime whose workers are not pinned, it is once on each
/// core. `f` may block: others of that CPU go on.
///
/// It begins with the call, not with the first poll.
///
/// # Errors
///
/// `f` panicked, or did not run because the runtime shuts down or the system queue is drained or was
/// destroyed. It is the error of the first such CPU, and the others have been waited for. (The kernel's
/// fails only without memory.)
///
/// # Panics
///
/// As [`system`].
///
/// # Cancel safety
///
/// Dropping the future ends the wait; `f` is run all the same.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// # #[cmwq::main]
/// # async fn main() -> Result<(), cmwq::workqueue::CpuError> {
/// let calls = Arc::new(AtomicUsize::new(0));
/// let count = calls.clone();
/// cmwq::workqueue::schedule_on_each_cpu(move || {
///     count.fetch_add(1, Ordering::Relaxed);
/// })
/// .await?;
/// assert!(calls.load(Ordering::Relaxed) >= 1);
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn schedule_on_each_cpu<F>(
    f: F,
) -> impl Future<Output = Result<(), CpuError>> + Send + 'static + use<F>
where
    F: Fn() + Send + Sync + 'static,
{
    let location = Location::caller();
    let (system, f) = (system(), Arc::new(f));
    let begin = |cpu| {
        let f = f.clone();
        (cpu, system.queue.run_on(cpu, move || f(), location))
    };
    let begun: Vec<_> = system.queue.served().iter().map(begin).collect();
    async move {
        let mut result = Ok(());
        for (cpu, begun) in begun {
            let ended = match begun {
                Ok(task) => task.await.map_err(|error| CpuError::task(cpu, error)),
                Err(error) => Err(error),
            };
            result = result.and(ended);
        }
        result
    }
}

/// As [`schedule_on_each_cpu`], blocking the thread. Inside of a task the core is handed over first,
/// so that `f` runs on that CPU too.
///
/// # Errors
///
/// As [`schedule_on_each_cpu`].
///
/// # Panics
///
/// As [`system`].
///
/// # Examples
///
/// ```
/// # #[cmwq::main]
/// # async fn main() -> Result<(), cmwq::workqueue::CpuError> {
/// cmwq::workqueue::schedule_on_each_cpu_blocking(|| println!("a CPU"))?;
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn schedule_on_each_cpu_blocking<F>(f: F) -> Result<(), CpuError>
where
    F: Fn() + Send + Sync + 'static,
{
    Handle::current().block_on(schedule_on_each_cpu(f))
}

/// Runs `f` on a CPU, on the queue [`system`], and gives what it returns.
///
/// CPUs are counted as the system does; in a runtime whose workers are not pinned, `cpu` is the number
/// of a core. `f` may block: others of that CPU go on.
///
/// It begins with the call, not with the first poll.
///
/// # Errors
///
/// No worker of the runtime serves that CPU; `f` panicked; or it did not run because the runtime shuts
/// down or the system queue is drained or was destroyed.
///
/// # Panics
///
/// As [`system`]. A panic of `f` is an error.
///
/// # Cancel safety
///
/// Dropping the future ends the wait; `f` is run all the same.
///
/// # Examples
///
/// ```
/// use cmwq::workqueue::work_on_cpu;
///
/// # let runtime = cmwq::runtime::Builder::new_multi_thread().build().unwrap();
/// # runtime.block_on(async {
/// let error = work_on_cpu(1_000_000, || ()).await.unwrap_err();
/// assert!(error.is_unknown_cpu(), "{error}");
/// # });
/// # let runtime = cmwq::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// // Here the runtime is a `new_current_thread()`, whose only core is 0.
/// assert_eq!(work_on_cpu(0, || 6 * 7).await.unwrap(), 42);
/// # });
/// ```
#[track_caller]
pub fn work_on_cpu<F, R>(
    cpu: usize,
    f: F,
) -> impl Future<Output = Result<R, CpuError>> + Send + 'static + use<F, R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let begun = system().queue.run_on(cpu, f, Location::caller());
    async move { begun?.await.map_err(|error| CpuError::task(cpu, error)) }
}

/// As [`work_on_cpu`], blocking the thread. Inside of a task the core is handed over first.
///
/// # Errors
///
/// As [`work_on_cpu`].
///
/// # Panics
///
/// As [`system`].
///
/// # Examples
///
/// ```
/// use cmwq::workqueue::work_on_cpu_blocking;
///
/// # let runtime = cmwq::runtime::Builder::new_current_thread().build().unwrap();
/// # let _guard = runtime.enter();
/// // In a `new_current_thread()` runtime, whose only core is 0.
/// assert_eq!(work_on_cpu_blocking(0, || 6 * 7).unwrap(), 42);
/// ```
#[track_caller]
pub fn work_on_cpu_blocking<F, R>(cpu: usize, f: F) -> Result<R, CpuError>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    Handle::current().block_on(work_on_cpu(cpu, f))
}

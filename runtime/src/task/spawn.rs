//! Spawning onto the runtime that the thread is in.

use super::JoinHandle;
use crate::runtime::Handle;
use std::future::Future;

/// Spawns a task onto the runtime of this thread. It starts at once, whether or not the handle is
/// awaited, and may block: other tasks of its core do not wait for it.
///
/// # Panics
///
/// Outside of a runtime; and in a process forked from the one that built it, outside of its tasks.
///
/// # Examples
///
/// ```
/// #[cmwq::main]
/// async fn main() {
///     let task = cmwq::spawn(async { std::fs::read_to_string("/proc/self/comm") });
///     println!("{}", task.await.unwrap().unwrap());
/// }
/// ```
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    // Inside of the closure it would be the closure's own place.
    let location = std::panic::Location::caller();
    match crate::context::with_current(|shared| Some(shared?.spawn(future, location))) {
        Some(handle) => handle,
        None => no_runtime(),
    }
}

#[cold]
#[track_caller]
fn no_runtime() -> ! {
    panic!("{}", crate::runtime::TryCurrentError::new())
}

/// Runs a closure on a thread outside of the core pools; see [`Handle::spawn_blocking`].
///
/// # Panics
///
/// Outside of a runtime, and in a process forked from the one that built it.
#[track_caller]
pub fn spawn_blocking<F, R>(f: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    Handle::current().spawn_blocking(f)
}

/// Runs a blocking closure on this thread after handing the core over, without waiting for the
/// detector to notice. Outside of a task it just runs.
///
/// Where it differs from tokio: it works on every flavor of runtime. There is rarely a reason to use
/// it, since a blocking call is noticed in any case; it saves the detection.
///
/// # Examples
///
/// ```
/// #[cmwq::main]
/// async fn main() {
///     let text = cmwq::task::block_in_place(|| std::fs::read_to_string("/proc/self/comm"));
///     assert!(text.is_ok());
/// }
/// ```
pub fn block_in_place<F, R>(f: F) -> R
where
    F: FnOnce() -> R,
{
    crate::context::with_local(|local| local.into_iter().for_each(|local| local.hand_over()));
    f()
}

//! Running code with the affinity that the process had.

use crate::pool::Changes;
use crate::runtime::Original;

/// Runs `f` with the CPU affinity, timer slack and nice value that the thread had which built the runtime.
///
/// Workers are pinned to one CPU, and threads and processes inherit that from their creator: a rayon
/// pool that is built lazily inside a task would have one thread. Start them in here. Outside of a
/// runtime `f` just runs, except on the thread of a [`DedicatedWorker`](crate::dedicated::DedicatedWorker),
/// where it has what that thread would have inherited.
///
/// # Examples
///
/// ```
/// #[cmwq::main]
/// async fn main() {
///     let output = cmwq::unpinned(|| std::process::Command::new("true").output());
///     assert!(output.unwrap().status.success());
/// }
/// ```
pub fn unpinned<R>(f: impl FnOnce() -> R) -> R {
    let Some(original) = crate::dedicated::original() else { return f() };
    let since = crate::context::with_local(|local| local?.roam());
    let _restore = Restore { original: Original::capture(), since };
    original.apply();
    f()
}

/// As [`unpinned`] on a thread that we have made. One of the user's keeps what it has, also where a runtime
/// is entered: he may have confined it himself.
pub(crate) fn unpinned_if_ours<R>(f: impl FnOnce() -> R) -> R {
    if crate::context::has_owner() || crate::dedicated::is_own_thread() { unpinned(f) } else { f() }
}

/// Gives the thread its own affinity, slack and nice value back, also when `f` panics.
struct Restore {
    original: Original,
    /// Of a worker that did not roam before.
    since: Option<Changes>,
}

impl Drop for Restore {
    fn drop(&mut self) {
        self.original.apply();
        let Some(since) = self.since else { return };
        crate::context::with_local(|local| local.map(|local| local.come_home(since)));
    }
}

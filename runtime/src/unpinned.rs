//! Running code with the affinity that the process had.

use crate::runtime::Shared;
use crate::sys;
use crate::sys::affinity::CpuSet;

/// Runs `f` with the CPU affinity and timer slack that the thread had which built the runtime.
///
/// Workers are pinned to one CPU, and threads and processes inherit that from their creator: a rayon
/// pool that is built lazily inside a task would have one thread. Start them in here. Outside of a
/// runtime `f` just runs.
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
    let Some(shared) = crate::context::current() else { return f() };
    let _restore = Restore::capture(&shared);
    f()
}

/// Gives the thread its own affinity and slack back, also when `f` panics.
struct Restore {
    cpus: Option<CpuSet>,
    slack_ns: u64,
}

impl Restore {
    fn capture(shared: &Shared) -> Self {
        let before =
            Self { cpus: sys::affinity::current().ok(), slack_ns: sys::thread::timer_slack_ns() };
        shared.original.apply();
        before
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        if let Some(cpus) = &self.cpus {
            // Refused only if the CPUs are gone from our cpuset; then the kernel has chosen.
            let _ = sys::affinity::set(0, cpus);
        }
        sys::thread::set_timer_slack_ns(self.slack_ns);
    }
}

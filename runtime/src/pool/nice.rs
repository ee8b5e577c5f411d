//! Nice values: what was asked for, and what the threads got.

use crate::sys;
use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};

/// What the thread got that asked last.
pub(crate) struct GotNice(AtomicI32);

impl GotNice {
    /// No nice value.
    const NONE: i32 = i32::MAX;

    /// Nobody has asked.
    pub(super) fn forget(&self) {
        self.0.store(Self::NONE, Ordering::Relaxed);
    }

    /// Gives the calling thread a nice value, or the nearest that it may have.
    pub(super) fn apply(&self, nice: i32) {
        self.note(apply_nice(nice));
    }

    /// A thread has got this.
    pub(super) fn note(&self, nice: i32) {
        self.0.store(nice, Ordering::Relaxed);
    }

    /// `None` if nobody has asked.
    pub(crate) fn get(&self) -> Option<i32> {
        Some(self.0.load(Ordering::Relaxed)).filter(|&nice| nice != Self::NONE)
    }

    /// What the thread has instead, if this value was refused.
    pub(crate) fn instead_of(&self, wanted: i32) -> Option<i32> {
        self.get().filter(|&got| got > wanted)
    }
}

impl Default for GotNice {
    fn default() -> Self {
        Self(AtomicI32::new(Self::NONE))
    }
}

/// Threads that ask for a nice value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asks {
    HighPriority,
    Unbound,
    Rescuer,
}

/// Which refusals a runtime has reported: each kind of threads once.
#[derive(Default)]
pub(crate) struct NiceReports(AtomicU8);

impl NiceReports {
    /// A thread has `got` instead of `wanted`. A subscriber is user code, and may block.
    pub(super) fn report(&self, who: Asks, wanted: i32, got: i32) {
        let bit = 1 << who as u8;
        if self.0.fetch_or(bit, Ordering::Relaxed) & bit != 0 {
            return;
        }
        let threads = match who {
            Asks::HighPriority => "the workers of high priority",
            Asks::Unbound => "the workers of an unbound workqueue",
            Asks::Rescuer => "a rescuer",
        };
        tracing::warn!(
            target: "cmwq",
            threads,
            asked = wanted,
            got,
            "a nice value was refused; raise RLIMIT_NICE or grant CAP_SYS_NICE"
        );
    }
}

/// Gives the calling thread a nice value, or the nearest that it may have. Returns which.
pub(crate) fn apply_nice(nice: i32) -> i32 {
    let before = sys::thread::nice();
    if before != nice && sys::thread::set_nice(0, nice).is_err() {
        let nearest = nice.max(sys::limits::lowest_nice());
        // Everybody may make himself less urgent, which nobody has asked for.
        if nearest < before {
            // Refused by a filter: it stays what it was.
            let _ = sys::thread::set_nice(0, nearest);
        }
    }
    sys::thread::nice()
}

#[cfg(all(test, not(cmwq_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_refused_nice_value_makes_a_thread_no_less_urgent() {
        let thread = std::thread::spawn(|| {
            // By system call it is for this thread only. Who is not root may do nothing in any case.
            // SAFETY: takes no pointers.
            let _ = unsafe { libc::syscall(libc::SYS_setresuid, 65534, 65534, 65534) };
            let before = sys::thread::nice();
            let least = sys::limits::lowest_nice().min(before);
            assert_eq!(apply_nice(-20), least.max(-20));
            assert_eq!(apply_nice(19), 19);
        });
        thread.join().expect("no panic");
    }
}

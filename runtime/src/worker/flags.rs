//! What was decided about a worker, mostly by the monitor, to be undone when it returns, and what it
//! has to say at the end of a poll.

use std::sync::atomic::{AtomicU32, Ordering};

#[derive(Clone, Copy)]
pub(crate) enum Flag {
    /// Its poll used more CPU time than the threshold; the core was given away for it.
    CpuIntensive = 1,
    /// Its thread may run on other CPUs until it returns.
    Unpinned = 2,
    /// The core was taken from it; it is counted as blocked.
    Lost = 4,
    /// Its thread has the affinity of the process for a while, inside of [`crate::unpinned`].
    Roams = 16,
    /// It is to end instead of going on standby again.
    Retire = 8,
    /// It was woken outside of its pool's CPUs and brought back; the next item counts that.
    Repatriated = 32,
}

#[derive(Default)]
pub(crate) struct Flags(AtomicU32);

impl Flags {
    /// Sets the flag; says whether it was clear.
    pub(crate) fn set(&self, flag: Flag) -> bool {
        self.0.fetch_or(flag as u32, Ordering::AcqRel) & flag as u32 == 0
    }

    /// Clears the flag; says whether it was set.
    pub(crate) fn take(&self, flag: Flag) -> bool {
        self.has(flag) && self.0.fetch_and(!(flag as u32), Ordering::AcqRel) & flag as u32 != 0
    }

    pub(crate) fn has(&self, flag: Flag) -> bool {
        self.0.load(Ordering::Acquire) & flag as u32 != 0
    }

    pub(super) fn clear_all(&self) {
        self.0.store(0, Ordering::Release);
    }
}

//! The epoch of a worker: what it is doing, and since when, in one word.
//!
//! The low two bits are the phase, the rest counts changes. Only the worker writes it, with plain
//! stores; detectors and standbys read it. A takeover is legal only from *user*, and a verdict
//! ("blocked") is valid only as long as the epoch has not changed since.
//!
//! *User* covers all that is not ours: a poll, every drop of a future, output or waker, foreign
//! wakers, hooks, tracing. A runtime entered inside a poll keeps the phase of the outer one.

use crate::sync_types::atomic::{AtomicU64, Ordering};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Asleep in the driver or as a standby.
    Parked = 0,
    /// In our own code, which does not block.
    Runtime = 1,
    /// In code that may block.
    User = 2,
}

/// A value of the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Stamp(u64);

impl Stamp {
    /// Bits of a stamp that distinguish it in practice; the count wraps after 2^46 changes.
    pub(crate) const BITS: u32 = 48;

    #[cfg(test)]
    pub(crate) fn of(word: u64) -> Self {
        Self(word)
    }

    pub(crate) fn phase(self) -> Phase {
        match self.0 & 3 {
            0 => Phase::Parked,
            1 => Phase::Runtime,
            _ => Phase::User,
        }
    }

    pub(crate) fn bits(self) -> u64 {
        self.0 & ((1 << Self::BITS) - 1)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Epoch(AtomicU64);

impl Epoch {
    #[inline]
    pub(crate) fn load(&self) -> Stamp {
        Stamp(self.0.load(Ordering::Acquire))
    }

    /// Only by the worker itself. What the word is now.
    #[inline]
    pub(crate) fn enter(&self, phase: Phase) -> Stamp {
        let count = self.0.load(Ordering::Relaxed) >> 2;
        let stamp = (count + 1) << 2 | phase as u64;
        self.0.store(stamp, Ordering::Release);
        Stamp(stamp)
    }
}

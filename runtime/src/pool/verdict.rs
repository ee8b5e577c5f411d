//! The latch that a detector writes: "worker W of this core blocked in epoch E".
//!
//! It stays until a standby acts on it or finds it stale, so an event that found no standby is not
//! lost: a new or returning worker looks here before it goes on standby.

use crate::sync_types::atomic::{AtomicU64, Ordering};
use crate::worker::Stamp;

#[derive(Default)]
pub(crate) struct Verdict {
    /// A [`Claim`], or 0.
    word: AtomicU64,
    /// When it was given, CLOCK_MONOTONIC ns; for the latency histogram.
    at: AtomicU64,
}

/// Bits of a stamp; above them the worker's index + 1, and on top whether it is a hog.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim(u64);

const HOG: u64 = 1 << 63;

impl Claim {
    pub(crate) fn blocked(worker: u32, stamp: Stamp) -> Self {
        Self(u64::from(worker + 1) << Stamp::BITS | stamp.bits())
    }

    /// The worker does not block, but its poll has used too much CPU time.
    pub(crate) fn hog(worker: u32, stamp: Stamp) -> Self {
        Self(Self::blocked(worker, stamp).0 | HOG)
    }

    pub(crate) fn is_hog(self) -> bool {
        self.0 & HOG != 0
    }

    pub(crate) fn worker(self) -> u32 {
        ((self.0 & !HOG) >> Stamp::BITS) as u32 - 1
    }

    pub(super) fn bits(self) -> u64 {
        self.0
    }

    /// From its bits; 0 is none.
    pub(super) fn of(bits: u64) -> Option<Self> {
        (bits != 0).then_some(Self(bits))
    }

    pub(crate) fn is_about(self, stamp: Stamp) -> bool {
        self.0 & ((1 << Stamp::BITS) - 1) == stamp.bits()
    }
}

/// Who gives a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Witness {
    /// perf, bpf or idle.
    Detector,
    /// The safety net beside them, or the only detector.
    Monitor,
    /// A worker that comes back, or is new.
    Worker,
}

impl Verdict {
    /// `false` if the same claim was there already.
    pub(crate) fn give(&self, claim: Claim, now: u64) -> bool {
        self.at.store(now, Ordering::Relaxed);
        self.word.swap(claim.0, Ordering::SeqCst) != claim.0
    }

    pub(crate) fn read(&self) -> Option<Claim> {
        Claim::of(self.word.load(Ordering::SeqCst))
    }

    pub(crate) fn given_at(&self) -> u64 {
        self.at.load(Ordering::Relaxed)
    }

    /// Removes this verdict, not a newer one.
    pub(crate) fn clear(&self, claim: Claim) {
        let _ = self.word.compare_exchange(claim.0, 0, Ordering::SeqCst, Ordering::Relaxed);
    }
}

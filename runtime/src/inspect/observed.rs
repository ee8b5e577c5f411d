//! Since when, at least, a worker has been where it is.

use crate::worker::Stamp;
use std::sync::atomic::{AtomicU64, Ordering};

/// The epoch that was seen, and when first. Written by whoever sees: of two that write at once, one
/// time is lost, which was nearly the same.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    stamp: AtomicU64,
    /// CLOCK_MONOTONIC ns.
    since: AtomicU64,
}

impl Observed {
    /// The worker is in this epoch at this time.
    pub(crate) fn note(&self, stamp: Stamp, now: u64) {
        if self.stamp.load(Ordering::Relaxed) != stamp.bits() {
            self.since.store(now, Ordering::Relaxed);
            self.stamp.store(stamp.bits(), Ordering::Release);
        }
    }

    /// When the worker was seen first in this epoch, if it was.
    pub(super) fn since(&self, stamp: Stamp) -> Option<u64> {
        let is_about_it = self.stamp.load(Ordering::Acquire) == stamp.bits();
        is_about_it.then(|| self.since.load(Ordering::Relaxed))
    }
}

#[cfg(all(test, not(cmwq_loom)))]
mod tests {
    use super::Observed;
    use crate::worker::Stamp;

    #[test]
    fn the_first_time_counts_and_only_for_its_epoch() {
        let (observed, first, second) = (Observed::default(), Stamp::of(6), Stamp::of(10));
        assert_eq!(observed.since(first), None);
        observed.note(first, 100);
        observed.note(first, 200);
        assert_eq!(observed.since(first), Some(100));
        assert_eq!(observed.since(second), None);
        observed.note(second, 300);
        assert_eq!((observed.since(first), observed.since(second)), (None, Some(300)));
    }
}

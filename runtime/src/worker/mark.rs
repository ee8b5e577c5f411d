//! Which item of a workqueue a worker runs, and whether its nice value was lowered for that.

use crate::sync_types::atomic::{AtomicU64, Ordering};

/// Which item it is: a number that is not 0 and without the top bit.
pub(crate) type Run = u64;

/// The nice value was lowered.
const URGENT: u64 = 1 << 63;

/// 0 while no item is run, or one that cannot be raised. Set and cleared by the worker.
#[derive(Debug, Default)]
pub(crate) struct Mark(AtomicU64);

impl Mark {
    pub(crate) fn set(&self, run: Run) {
        self.0.store(run, Ordering::Relaxed);
    }

    /// The run is over. `true` if the nice value was lowered, or somebody is about to.
    pub(crate) fn clear(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0 && self.0.swap(0, Ordering::AcqRel) & URGENT != 0
    }

    /// Sets the bit, if the worker runs such an item and the bit is not set.
    pub(crate) fn raise(&self, is_meant: impl Fn(Run) -> bool) -> bool {
        let run = self.0.load(Ordering::Acquire);
        run != 0
            && run & URGENT == 0
            && is_meant(run)
            && self
                .0
                .compare_exchange(run, run | URGENT, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
    }

    /// Clears the bit, if the worker runs this item and the bit is set.
    pub(crate) fn lower(&self, run: Run) -> bool {
        self.0.compare_exchange(run | URGENT, run, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

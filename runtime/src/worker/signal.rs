//! The word that a worker on standby sleeps on.

use crate::sync_types::atomic::{AtomicU32, Ordering};
use crate::sync_types::futex;

pub(crate) struct Signal(AtomicU32);

impl Signal {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Wakes the worker, or keeps it from falling asleep. Any thread may.
    pub(crate) fn raise(&self) {
        if self.0.swap(1, Ordering::SeqCst) == 0 {
            futex::wake_one(&self.0);
        }
    }

    pub(crate) fn is_raised(&self) -> bool {
        self.0.load(Ordering::SeqCst) != 0
    }

    /// Only by the worker, awake.
    pub(crate) fn lower(&self) {
        self.0.store(0, Ordering::SeqCst);
    }

    /// Sleeps until raised.
    pub(crate) fn wait(&self) {
        while !self.is_raised() {
            futex::wait(&self.0, 0, None);
        }
    }
}

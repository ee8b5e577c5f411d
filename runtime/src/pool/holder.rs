//! The word that says which worker of a core is in charge.

use crate::sync_types::atomic::{AtomicU32, Ordering};

/// The holder of a core that nobody holds.
pub(crate) const NOBODY: u32 = u32::MAX;

/// The index of a worker, or [`NOBODY`].
pub(crate) struct Holder(AtomicU32);

impl Holder {
    /// Nobody holds it.
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(NOBODY))
    }

    #[inline]
    pub(crate) fn get(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    /// For whoever has just said that it is going to sleep.
    pub(crate) fn is_nobody(&self) -> bool {
        self.0.load(Ordering::SeqCst) == NOBODY
    }

    /// Nobody holds it from here on. Returns who did.
    pub(crate) fn take(&self) -> u32 {
        self.0.swap(NOBODY, Ordering::SeqCst)
    }

    /// `false` if the holder is not `from`.
    pub(crate) fn change(&self, from: u32, to: u32) -> bool {
        self.0.compare_exchange(from, to, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }
}

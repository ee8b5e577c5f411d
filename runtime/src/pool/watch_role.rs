//! Which standby of a core is the watcher.
//!
//! It sleeps on something else than its own word, so whoever wakes a standby by that word has to look
//! whether it is the watcher, and kick it then. The waker sets the word, then looks here; the watcher
//! takes the role, then looks at its word. One of them sees the other.

use super::NOBODY;
use crate::sync_types::atomic::{AtomicU32, Ordering};

pub(super) struct WatchRole(AtomicU32);

impl WatchRole {
    /// Nobody has it.
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(NOBODY))
    }

    /// Takes the role, if nobody has it.
    pub(super) fn claim(&self, worker: u32) -> bool {
        self.0.compare_exchange(NOBODY, worker, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    /// Gives the role back. Only by the worker that has it.
    pub(super) fn release(&self) {
        self.0.store(NOBODY, Ordering::SeqCst);
    }

    pub(super) fn is_vacant(&self) -> bool {
        self.is(NOBODY)
    }

    pub(super) fn is(&self, worker: u32) -> bool {
        self.0.load(Ordering::SeqCst) == worker
    }
}

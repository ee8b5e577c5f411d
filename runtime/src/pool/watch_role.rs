//! Which standby of a core is the watcher, and whom it knows.
//!
//! It sleeps on something else than its own word, so whoever wakes a standby by that word has to look
//! whether it is the watcher, and kick it then. The waker sets the word, then looks here; the watcher
//! takes the role, then looks at its word. One of them sees the other.
//!
//! With perf the watcher waits for the rings of all workers that there were when it looked last. It
//! says how many had been opened by then; a new holder whose ring came later kicks it.

use super::NOBODY;
use crate::sync_types::atomic::{AtomicU32, AtomicU64, Ordering};

pub(super) struct WatchRole {
    worker: AtomicU32,
    /// The watcher waits for what was opened up to this one. Zero while nobody watches.
    known: AtomicU64,
}

impl WatchRole {
    /// Nobody has it.
    pub(super) fn new() -> Self {
        Self { worker: AtomicU32::new(NOBODY), known: AtomicU64::new(0) }
    }

    /// Takes the role, if nobody has it.
    pub(super) fn claim(&self, worker: u32) -> bool {
        self.worker.compare_exchange(NOBODY, worker, Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    /// Gives the role back. Only by the worker that has it.
    pub(super) fn release(&self) {
        self.known.store(0, Ordering::SeqCst);
        self.worker.store(NOBODY, Ordering::SeqCst);
    }

    /// The watcher waits for the first `opened` rings now. Then it looks who holds the core.
    pub(super) fn learn(&self, opened: u64) {
        self.known.store(opened, Ordering::SeqCst);
    }

    /// Is there a watcher that may not wait for ring number `opened`? Asked by its owner, as the new
    /// holder.
    pub(super) fn lacks(&self, opened: u64) -> bool {
        !self.is_vacant() && self.known.load(Ordering::SeqCst) < opened
    }

    pub(super) fn is_vacant(&self) -> bool {
        self.is(NOBODY)
    }

    pub(super) fn is(&self, worker: u32) -> bool {
        self.worker.load(Ordering::SeqCst) == worker
    }
}

//! A thread's claim on a place in a crew.

use super::Worker;
use crate::pool::Core;
use crate::runtime::Shared;
use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::Arc;

/// A place that was claimed for a thread, which may still have to be made. Given up when dropped.
pub(crate) struct Hired {
    shared: Arc<Shared>,
    core: usize,
    index: u32,
    arrived: Cell<bool>,
}

impl Hired {
    /// A place in the crew of the core; `None` at the cap.
    pub(super) fn by(shared: &Arc<Shared>, core: usize) -> Option<Hired> {
        let index = shared.core(core).crew.hire()?;
        Some(Hired { shared: shared.clone(), core, index, arrived: Cell::new(false) })
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn core(&self) -> &Core {
        self.shared.core(self.core)
    }

    pub(super) fn index(&self) -> u32 {
        self.index
    }

    /// The calling thread takes the place. It makes the worker, if none was there before, hence on the
    /// node that it runs on.
    pub(super) fn sit(self) -> Seat {
        let core = self.core();
        let worker = core.crew.fill(self.index);
        let (core, worker) = (NonNull::from(core), NonNull::from(worker));
        Seat { hired: self, core, worker }
    }

    /// The crew no longer waits for the thread.
    fn arrive(&self) {
        if !self.arrived.replace(true) {
            self.core().crew.arrived();
        }
    }
}

impl Drop for Hired {
    fn drop(&mut self) {
        self.arrive();
        self.core().crew.leave(self.index);
    }
}

/// Where a thread works: runtime, core, worker. Keeps the runtime alive.
pub(crate) struct Seat {
    hired: Hired,
    // Both point into the runtime; kept so that the hot path needs no index arithmetic.
    core: NonNull<Core>,
    worker: NonNull<Worker>,
}

// SAFETY: the pointers are shared references with a lifetime that `hired` guarantees, and both
// targets are Sync.
unsafe impl Send for Seat {}

impl Seat {
    /// Hires the calling thread for the core; `None` at the cap.
    pub(crate) fn hire(shared: &Arc<Shared>, core: usize) -> Option<Seat> {
        Hired::by(shared, core).map(Hired::sit)
    }

    #[inline]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.hired.shared
    }

    #[inline]
    pub(crate) fn core(&self) -> &Core {
        // SAFETY: cores live in boxes of the runtime, which `hired` keeps alive and which gives up
        // none of them.
        unsafe { self.core.as_ref() }
    }

    #[inline]
    pub(crate) fn worker(&self) -> &Worker {
        // SAFETY: workers live in the core's crew, in places that are filled once.
        unsafe { self.worker.as_ref() }
    }

    /// The thread has started; the crew no longer waits for it.
    pub(super) fn arrive(&self) {
        self.hired.arrive();
    }
}

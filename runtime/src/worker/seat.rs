//! A thread's claim on a place in a crew.

use super::Worker;
use crate::pool::Core;
use crate::runtime::Shared;
use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::Arc;

/// Where a thread works: runtime, core, worker. Keeps the runtime alive.
pub(crate) struct Seat {
    shared: Arc<Shared>,
    // Both point into `shared`; kept so that the hot path needs no index arithmetic.
    core: NonNull<Core>,
    worker: NonNull<Worker>,
    arrived: Cell<bool>,
}

// SAFETY: the pointers are shared references with a lifetime that `shared` guarantees, and both
// targets are Sync.
unsafe impl Send for Seat {}

impl Seat {
    /// Hires a worker of the core; `None` at the cap.
    pub(crate) fn hire(shared: &Arc<Shared>, core: usize) -> Option<Seat> {
        let core = shared.core(core);
        let worker = core.crew.get(core.crew.hire()?).expect("hire() fills the place");
        let (core, worker) = (NonNull::from(core), NonNull::from(worker));
        Some(Seat { shared: shared.clone(), core, worker, arrived: Cell::new(false) })
    }

    #[inline]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    #[inline]
    pub(crate) fn core(&self) -> &Core {
        // SAFETY: cores live in a boxed slice or a table of `shared`, which we keep alive and which
        // gives up none of them.
        unsafe { self.core.as_ref() }
    }

    #[inline]
    pub(crate) fn worker(&self) -> &Worker {
        // SAFETY: workers live in the core's crew, in places that are filled once.
        unsafe { self.worker.as_ref() }
    }

    /// The thread has started; the crew no longer waits for it.
    pub(super) fn arrive(&self) {
        if !self.arrived.replace(true) {
            self.core().crew.arrived();
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.arrive();
        self.core().crew.leave(self.worker().index());
    }
}

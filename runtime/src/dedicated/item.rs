//! What the handles of a work and the lists of its worker share.

use super::lock;
use super::shared::Shared;
use crate::contain::{contain, discard};
use crate::task::Id;
use std::any::Any;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

/// A work.
pub(super) struct Core {
    pub(super) id: Id,
    pub(super) location: &'static Location<'static>,
    state: Mutex<WorkState>,
    /// Locked by the one who serves, while it runs.
    closure: Mutex<Box<dyn FnMut() + Send>>,
    panics: AtomicU64,
}

/// Changed under the lock of the home too, once there is one.
pub(super) struct WorkState {
    /// The worker that it belongs to.
    pub(super) home: Option<Arc<Shared>>,
    pub(super) place: Place,
    /// The number of the execution under way.
    pub(super) running: Option<u64>,
    /// How many wait in `cancel_sync`.
    pub(super) canceling: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    Idle,
    Listed(u64),
    Delayed(Instant, u64),
}

impl Core {
    pub(super) fn new(
        closure: impl FnMut() + Send + 'static,
        location: &'static Location<'static>,
    ) -> Self {
        let state = WorkState { home: None, place: Place::Idle, running: None, canceling: 0 };
        Self {
            id: Id::next(),
            location,
            state: Mutex::new(state),
            closure: Mutex::new(Box::new(closure)),
            panics: AtomicU64::new(0),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, WorkState> {
        lock(&self.state)
    }

    /// How often the closure has panicked.
    pub(super) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Calls the closure.
    pub(super) fn execute(&self, worker: &str) {
        let run = || {
            let closure = &mut *lock(&self.closure);
            catch_unwind(AssertUnwindSafe(closure))
        };
        if let Err(panic) = run() {
            self.panics.fetch_add(1, Ordering::Relaxed);
            self.report(&*panic, worker);
            discard(panic);
        }
    }

    #[cold]
    fn report(&self, panic: &(dyn Any + Send), worker: &str) {
        let message = panic.downcast_ref::<&str>().copied();
        let message = message.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        // A subscriber is user code too.
        contain(|| {
            tracing::error!(
                target: "cmwq",
                worker,
                work = %self.location,
                message = message.unwrap_or("(no text)"),
                "the closure of a dedicated work panicked; it can be queued again"
            );
        });
    }
}

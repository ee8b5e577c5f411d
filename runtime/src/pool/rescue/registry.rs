//! The rescuers of a runtime: so that it can end them.

use super::rescuer::Rescuer;
use crate::unpoison::Unpoison;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

#[derive(Default)]
pub(crate) struct Rescuers {
    all: Mutex<Vec<Weak<Rescuer>>>,
    /// How often one went to a pool; written before `busy`.
    visits: AtomicU64,
    /// How many are with a pool.
    busy: AtomicUsize,
}

impl Rescuers {
    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Rescuer>>> {
        self.all.lock().unpoison()
    }

    pub(super) fn add(&self, rescuer: &Arc<Rescuer>) {
        let mut all = self.lock();
        all.retain(|rescuer| rescuer.strong_count() > 0);
        all.push(Arc::downgrade(rescuer));
    }

    /// The runtime has stopped, which the caller has said before: one that comes later sees that.
    pub(crate) fn stop(&self) {
        self.lock().iter().filter_map(Weak::upgrade).for_each(|rescuer| rescuer.bell.ring());
    }

    /// Those that are with the pool which begins with this core.
    pub(crate) fn with_pool(&self, core: usize) -> Vec<Arc<Rescuer>> {
        let mut all: Vec<_> = self.lock().iter().filter_map(Weak::upgrade).collect();
        all.retain(|rescuer| rescuer.sight.core() == Some(core));
        all
    }

    pub(super) fn one_is_busy(&self) {
        self.visits.fetch_add(1, Ordering::SeqCst);
        self.busy.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn one_is_idle(&self) {
        self.busy.fetch_sub(1, Ordering::SeqCst);
    }

    /// How many are with a pool now?
    pub(crate) fn busy(&self) -> usize {
        self.busy.load(Ordering::SeqCst)
    }

    /// If none is with a pool: a number that is higher once one was.
    #[cfg(feature = "test-util")]
    pub(crate) fn idle_stamp(&self) -> Option<u64> {
        // First: of one that comes in between, the old number is the safe one.
        let visits = self.visits.load(Ordering::SeqCst);
        (self.busy() == 0).then_some(visits)
    }
}

//! Taking work from other cores.

use super::Local;
use crate::task::Notified;

impl Local {
    /// Looks for a task at other cores, nearest first. At most half of the cores search at once.
    pub(super) fn steal(&self) -> Option<Notified> {
        // Alone, or an extra core.
        if self.core().neighbours.is_empty() || !self.start_searching() {
            return None;
        }
        // What is left in the ring was pushed like any other task.
        self.rob_neighbours().inspect(|_| self.settle(false))
    }

    fn start_searching(&self) -> bool {
        if !self.searching.get() && self.shared().idle.start_searching() {
            self.searching.set(true);
        }
        self.searching.get()
    }

    /// Ends a search. With `found`, the last searcher wakes the next core: where one task was,
    /// more may be.
    #[inline]
    pub(super) fn stop_searching(&self, found: bool) {
        if self.end_search() && found {
            self.shared().wake_thief(self.core().index);
        }
    }

    /// `true` for the last searcher: who pushed meanwhile may have counted on it.
    #[inline]
    pub(super) fn end_search(&self) -> bool {
        self.searching.replace(false) && self.shared().idle.stop_searching()
    }

    fn rob_neighbours(&self) -> Option<Notified> {
        let shared = self.shared();
        self.core().neighbours.iter().find_map(|&victim| {
            let core = &shared.cores[victim];
            core.holding_worker()
                .and_then(|worker| self.rob_ring(&worker.ring))
                .or_else(|| self.rob_inject(&core.inject))
        })
    }

    fn rob_ring(&self, victim: &super::ring::Ring) -> Option<Notified> {
        // SAFETY: `self` is the half that only the ring's owner has; `victim` is another core's.
        (unsafe { victim.steal_into(&self.worker().ring, 2) } > 0)
            .then(|| self.worker().ring.pop())
            .flatten()
    }

    fn rob_inject(&self, victim: &crate::pool::Inject) -> Option<Notified> {
        let mut first = None;
        victim.steal_many(super::ring::CAPACITY / 4, |task| self.stow(&mut first, task));
        first
    }

    /// Is there anything to take anywhere? For the last look before a park.
    pub(super) fn sees_work(&self) -> bool {
        let shared = self.shared();
        self.core().neighbours.iter().any(|&other| {
            let core = &shared.cores[other];
            !core.inject.is_empty()
                || core.holding_worker().is_some_and(|worker| !worker.ring.is_empty())
        })
    }
}

//! A paused clock moves by itself, to the next deadline, when nothing else can happen.
//!
//! "Nothing can happen": no task is queued, no worker is in user code, every thread in `block_on`
//! sleeps, no blocking closure runs, no rescuer is with a pool, no socket is ready. Decided by a holder that is about to sleep. Of several that park at the same
//! moment each may see the other still awake, and a worker that goes on standby tells nobody; so
//! while the clock is paused a holder does not sleep for long before it looks again.

use super::{Local, Phase};
use crate::pool::Core;

impl Local {
    /// Moves the paused clock on if nothing can happen. `true` if it did: there are timers to fire.
    pub(super) fn advance_paused_clock(&self) -> bool {
        let shared = self.shared();
        let still = !shared.blocking.is_busy()
            && shared.rescuers.busy() == 0
            && shared.callers.are_asleep()
            && shared.all_cores().all(|core| self.is_still(core));
        if !still {
            return false;
        }
        let next = shared.all_cores().filter_map(|core| core.timers.raw_next()).min();
        let moved = next.is_some_and(|next| shared.clock.auto_advance_to(next));
        if moved {
            for core in shared.all_cores().filter(|core| core.index != self.core().index) {
                core.park.unpark();
            }
        }
        moved
    }

    fn is_still(&self, core: &Core) -> bool {
        let own = self.worker().index();
        core.inject.is_empty()
            && core.pool.worklist.is_empty()
            && core.crew.iter().all(|worker| {
                (core.index == self.core().index && worker.index() == own)
                    || (worker.epoch.load().phase() == Phase::Parked
                        && worker.ring.is_empty()
                        && !worker.is_signalled())
            })
    }
}

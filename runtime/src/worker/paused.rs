//! A paused clock moves by itself, to the next deadline, when nothing else can happen.
//!
//! "Nothing can happen": no task is queued, no worker is in user code, every thread in `block_on`
//! sleeps, no blocking closure runs, no rescuer is with a pool, no socket is ready. Decided by a holder
//! that is about to sleep. Of several that park at the same moment each may see the other still awake,
//! and a worker that goes on standby tells nobody; so while the clock is paused a holder does not sleep
//! for long before it looks again.
//!
//! These are many looks, between which somebody may wake up, queue something where was looked already,
//! and sleep again. So each who could (workers, threads in `block_on`, threads of closures, rescuers) has
//! a stamp while it is idle, which is higher once it was not. They are read before the queues and after:
//! if they are the same, all were idle while the queues were looked at.

use super::{Local, Phase, Worker};
use crate::pool::Core;
use std::sync::atomic::{Ordering, fence};

impl Local {
    /// Moves the paused clock on if nothing can happen. `true` if it did: there are timers to fire.
    pub(super) fn advance_paused_clock(&self) -> bool {
        let shared = self.shared();
        let Some(before) = self.idle_stamps() else { return false };
        // The queues not before the first stamps, and not after the others.
        fence(Ordering::SeqCst);
        let nothing_waits = shared.all_cores().all(|core| self.is_still(core));
        fence(Ordering::SeqCst);
        if !nothing_waits || self.idle_stamps() != Some(before) {
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

    /// `None` if somebody is not idle.
    fn idle_stamps(&self) -> Option<[u64; 4]> {
        let shared = self.shared();
        Some([
            self.others_are_parked()?,
            shared.callers.idle_stamp()?,
            shared.blocking.idle_stamp()?,
            shared.rescuers.idle_stamp()?,
        ])
    }

    /// The sum of their epochs, each of which only grows; `None` if one is awake.
    fn others_are_parked(&self) -> Option<u64> {
        let workers = self.shared().all_cores().flat_map(|core| core.crew.iter());
        workers.filter(|worker| !self.is(worker)).try_fold(0_u64, |sum, worker| {
            let stamp = worker.epoch.load();
            (stamp.phase() == Phase::Parked).then(|| sum.wrapping_add(stamp.bits()))
        })
    }

    fn is_still(&self, core: &Core) -> bool {
        let has_nothing =
            |worker: &Worker| self.is(worker) || worker.ring.is_empty() && !worker.is_signalled();
        core.inject.is_empty() && core.pool.worklist.is_empty() && core.crew.iter().all(has_nothing)
    }

    fn is(&self, worker: &Worker) -> bool {
        std::ptr::eq(worker, self.worker())
    }
}

//! Is there somebody who takes the next task of a pool? And who stands in if not.

use super::{Core, WorkerPool};
use crate::runtime::Shared;
use crate::task::is_task_waker;
use cmwq_io::driver::Wait;
use std::task::Waker;

impl WorkerPool {
    /// Are all its workers inside tasks that block or burn, and is none on standby or on its way?
    /// Not if no worker may run at all, as in a runtime of one core without a thread in `block_on`.
    ///
    /// A look at changing words: true for longer only if it is so.
    pub(crate) fn is_stuck(&self, shared: &Shared) -> bool {
        let mut cores = self.cores.iter().map(|&core| shared.core(core));
        cores.clone().any(Core::is_open) && !cores.any(Core::has_free_worker)
    }

    /// Is it stuck while work waits?
    pub(crate) fn starves(&self, shared: &Shared) -> bool {
        !self.worklist.is_empty() && self.is_stuck(shared)
    }
}

impl Core {
    fn has_free_worker(&self) -> bool {
        if !self.is_open() {
            return false;
        }
        if !self.crew.lacks_standby() {
            return true;
        }
        let Some(worker) = self.holding_worker() else { return false };
        // A verdict of an earlier poll says nothing.
        let accused = |claim: super::Claim| {
            claim.worker() == worker.index() && claim.is_about(worker.epoch.load())
        };
        !self.verdict.read().is_some_and(accused)
    }

    /// Drives I/O and timers of a core whose holder does not. Foreign wakers are left for whoever
    /// may run user code.
    pub(crate) fn stand_in(&self, shared: &Shared) {
        self.look_at_events(&mut |waker| {
            if is_task_waker(&waker) || shared.callers.own(&waker) {
                waker.wake();
            } else {
                self.leave_chore(waker);
            }
        });
    }

    /// Looks at I/O without waiting, unless somebody else does.
    pub(crate) fn look_at_io(&self, sink: &mut dyn FnMut(Waker)) {
        if let Some(mut driver) = self.try_driver() {
            // An error of epoll_wait other than EINTR is a bug of ours, which the next park meets
            // again and reports.
            let _ = driver.turn(Wait::Poll, sink);
            drop(driver);
            // A visitor, or one that has lost the core, may have kept the holder from it.
            self.park.driver_is_free();
        }
    }

    /// Looks at I/O and timers without waiting, unless somebody else does.
    pub(crate) fn look_at_events(&self, sink: &mut dyn FnMut(Waker)) {
        self.look_at_io(sink);
        let now = crate::time::now_ns();
        if self.timers.next_deadline() <= now {
            self.timers.try_fire(now, sink);
        }
    }
}

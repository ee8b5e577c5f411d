//! A standby takes the core over from a holder that blocked; steps and reasons in [`super`].

use super::{Claim, Core};
use crate::sys;
use crate::worker::{Flag, Local, Phase, Worker};

impl Core {
    /// Acts on the latched verdict. `true` if `local`'s worker is the holder now.
    pub(crate) fn take_over(&self, local: &Local) -> bool {
        let Some(claim) = self.verdict.read() else { return false };
        let former = self.crew.get(claim.worker());
        let taken = former.is_some_and(|former| self.depose(former, claim, local.worker()));
        let given_at = self.verdict.given_at();
        self.verdict.clear(claim);
        let (true, Some(former)) = (taken, former) else { return false };

        // From here on each push of `former` either is visible to us or sees that it lost.
        local.shared().barrier();
        local.inherit(former);
        if let Some(switches) = former.switches() {
            // Or its coming back would wake the watcher.
            switches.gate_close();
        }
        self.stats.takeovers.increment();
        self.stats.takeover_latency.record(crate::time::now_ns().saturating_sub(given_at));
        if claim.is_hog() {
            self.unpin(former);
        }
        true
    }

    /// Changes the holder if the verdict still holds.
    fn depose(&self, former: &Worker, claim: Claim, new: &Worker) -> bool {
        let stamp = former.epoch.load();
        let valid = stamp.phase() == Phase::User
            && claim.is_about(stamp)
            && self.holder() == former.index()
            && former.index() != new.index();
        if !valid {
            return false;
        }
        // Marks first: a worker that surrenders clears them, and it cannot do so before the
        // exchange.
        self.mark(former, claim);
        let changed = self.change_holder(former.index(), new.index());
        if !changed {
            self.unmark(former, claim);
        }
        changed
    }

    fn mark(&self, former: &Worker, claim: Claim) {
        former.flags.set(Flag::Lost);
        if claim.is_hog() {
            former.flags.set(Flag::CpuIntensive);
            self.stats.hogs.increment();
            self.stats.cpu_intensive.increment();
        }
    }

    fn unmark(&self, former: &Worker, claim: Claim) {
        former.flags.take(Flag::Lost);
        if claim.is_hog() && former.flags.take(Flag::CpuIntensive) {
            self.stats.hogs.decrement();
        }
    }

    /// Lets a hog use other CPUs until it returns: this one is needed.
    fn unpin(&self, hog: &Worker) {
        if self.cpu.is_none() || self.wide.len() < 2 {
            return;
        }
        hog.flags.set(Flag::Unpinned);
        // The thread may have ended, or the CPUs may be gone: it then stays where it is.
        let _ = sys::affinity::set(hog.tid(), &self.wide);
    }
}

impl Local {
    /// Moves what the former holder had queued to this worker, until nothing is left.
    fn inherit(&self, former: &Worker) {
        let own = &self.worker().ring;
        while let Some(task) = former.slot.take() {
            self.core().inject.push(task);
        }
        loop {
            // SAFETY: `self` is the half that only the ring's owner has; `former` is another.
            let moved = unsafe { former.ring.steal_into(own, 1) };
            if moved == 0 {
                // Our ring is full, or theirs is empty.
                match former.ring.pop() {
                    Some(task) => self.core().inject.push(task),
                    None => return,
                }
            }
        }
    }
}

//! A standby takes the core over from a holder that blocked; steps and reasons in [`super`].

use super::{Claim, Core};
use crate::runtime::Shared;
use crate::sys;
use crate::worker::{Flag, Local, Phase, Stamp, Worker, handoff};

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
        if claim.is_hog() || !self.is_off_cpu(former, local) {
            local.shared().barrier();
        }
        local.inherit(former);
        if let Some(gate) = former.gate() {
            gate.seal();
        }
        self.stats.takeovers.increment();
        self.stats.takeover_latency.record(crate::time::now_ns().saturating_sub(given_at));
        if claim.is_hog() {
            self.unpin(local.shared(), former);
        }
        true
    }

    /// Has `former` been switched out since the holder changed? Its pushes are in order then, and the
    /// barrier, which may interrupt other CPUs, is not needed.
    fn is_off_cpu(&self, former: &Worker, local: &Local) -> bool {
        let shared = local.shared();
        !shared.fences_pushes()
            && self.cpu.is_some_and(|cpu| sys::affinity::shares_only_cpu(former.tid(), cpu))
            // In this order: a thread that is being moved here has its new affinity already.
            && !former.flags.has(Flag::Roams)
            && !shared.usable.are_threads_moving()
    }

    /// A holder has lost the core, which is closed: puts what it has queued where the next one finds it.
    pub(super) fn strip(&self, shared: &Shared, former: u32) {
        let Some(former) = self.crew.get(former) else { return };
        shared.barrier();
        if let Some(gate) = former.gate() {
            gate.seal();
        }
        handoff::give_away(&former.slot, &former.ring, &self.inject);
        // It may be in the driver, and finds out when it leaves.
        self.park.unpark();
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
        // exchange. Of several standbys with the same claim each clears what it has set.
        let lost = former.flags.set(Flag::Lost);
        let hog = claim.is_hog() && self.mark_hog(former);
        let changed = self.holder.change(former.index(), new.index());
        if !changed && lost {
            former.flags.take(Flag::Lost);
        }
        if !changed && hog {
            self.unmark_hog(former);
        }
        if changed && claim.is_hog() {
            self.stats.cpu_intensive.increment();
        }
        changed
    }

    /// A worker that has lost the core burns CPU in the poll of `stamp`.
    pub(crate) fn take_for_hog(&self, shared: &Shared, worker: &Worker, stamp: Stamp) {
        let marked = self.mark_hog(worker);
        // It may have cleared its marks before.
        if worker.epoch.load() != stamp {
            self.unmark_hog(worker);
            return;
        }
        if marked {
            self.stats.cpu_intensive.increment();
        }
        self.unpin(shared, worker);
    }

    /// `false` if it was marked before.
    fn mark_hog(&self, worker: &Worker) -> bool {
        let marked = worker.flags.set(Flag::CpuIntensive);
        if marked {
            self.stats.hogs.increment();
        }
        marked
    }

    /// Returns whether it was marked.
    pub(crate) fn unmark_hog(&self, worker: &Worker) -> bool {
        let was_marked = worker.flags.take(Flag::CpuIntensive);
        if was_marked {
            self.stats.hogs.decrement();
        }
        was_marked
    }

    /// Lets a hog use other CPUs until it returns: this one is needed.
    fn unpin(&self, shared: &Shared, hog: &Worker) {
        let tid = hog.tid();
        let is_free = self.cpu.is_none() || self.is_disassociated(shared);
        if is_free || tid == 0 || self.wide.len() <= 1 {
            return;
        }
        hog.flags.set(Flag::Unpinned);
        // The thread may have ended, or the CPUs may be gone: it then stays where it is.
        let unpinned = sys::affinity::set(tid, &self.wide);
        // It has returned and pinned itself in between: undo what came too late.
        if unpinned.is_ok() && !hog.flags.has(Flag::Unpinned) {
            self.place_worker(shared, tid);
        }
    }
}

impl Local {
    /// Moves what the former holder had queued to this worker, until nothing is left.
    fn inherit(&self, former: &Worker) {
        let (own, inject) = (&self.worker().ring, &self.core().inject);
        // SAFETY: `self` is the half that only the ring's owner has; `former` is another.
        unsafe { handoff::inherit(&former.slot, &former.ring, own, inject) };
    }
}

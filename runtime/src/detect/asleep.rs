//! One look at a holder: does it sleep inside user code at this moment?
//!
//! Most calls in which a thread sleeps last long enough that one look says all. A wait for a lock or a
//! page does not: contended locks are held for a microsecond, and a core that changes hands at each of
//! them loses more than it gains, since the former holder comes back while the new one begins, and the
//! two, one of them with the lock, share a CPU. So such a sleep has to be met twice, and is no habit
//! before it has lasted ([`settle_doubt`]).

use crate::pool::{Claim, Core, Witness};
use crate::sys::proc::SyscallFile;
use crate::worker::{Phase, Stamp, Worker};

/// A holder that sleeps.
#[derive(Clone, Copy)]
pub(super) struct Asleep {
    pub(super) claim: Claim,
    /// It counts when it is met again, and is a habit if it lasts.
    pub(super) is_often_short: bool,
}

impl Asleep {
    /// The sentinel accuses the holder of the core. `false` if there was no standby.
    pub(super) fn accuse(self, core: &Core) -> bool {
        match self.is_often_short {
            true => core.suspect(self.claim),
            false => core.accuse(self.claim, Witness::Detector),
        }
    }
}

/// What a worker that returns accuses the holder of the core of.
pub(crate) fn asleep(core: &Core) -> Option<Claim> {
    let holder = core.holding_worker()?;
    let stamp = holder.epoch.load();
    let is_long = || asleep_since(holder, stamp).is_some_and(|asleep| !asleep.is_often_short);
    let asleep = stamp.phase() == Phase::User && core.hunch.guess(is_long);
    asleep.then(|| Claim::blocked(holder.index(), stamp))
}

/// The same for a worker whose epoch was `stamp`, and still is.
pub(super) fn asleep_since(worker: &Worker, stamp: Stamp) -> Option<Asleep> {
    match look(worker, stamp) {
        Sight::Asleep(asleep) => Some(asleep),
        Sight::Awake | Sight::Unknown => None,
    }
}

/// A wait of this core that was left in doubt a while ago is noted if it lasts.
pub(super) fn settle_doubt(core: &Core) {
    let now = crate::time::now_ns();
    let Some(claim) = core.habit.take_doubt(now) else { return };
    let lasts = core.crew.get(claim.worker()).is_some_and(|worker| {
        let stamp = worker.epoch.load();
        claim.is_about(stamp) && asleep_since(worker, stamp).is_some()
    });
    if lasts {
        core.habit.note(claim, now);
    }
}

/// What one look shows.
pub(super) enum Sight {
    Asleep(Asleep),
    Awake,
    /// The kernel does not tell.
    Unknown,
}

/// A look at a worker whose epoch was `stamp`.
pub(super) fn look(worker: &Worker, stamp: Stamp) -> Sight {
    if stamp.phase() != Phase::User {
        return Sight::Awake;
    }
    match worker.watch().and_then(|watch| SyscallFile::look(watch).ok()) {
        None => Sight::Unknown,
        Some(look) if look.is_blocked() && worker.epoch.load() == stamp => Sight::Asleep(Asleep {
            claim: Claim::blocked(worker.index(), stamp),
            is_often_short: look.is_often_short(),
        }),
        Some(_) => Sight::Awake,
    }
}

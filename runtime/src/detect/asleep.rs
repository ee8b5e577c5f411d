//! One look at a holder: does it sleep inside user code at this moment?

use crate::pool::{Claim, Core};
use crate::sys::proc::{Look, SyscallFile};
use crate::worker::{Phase, Stamp, Worker};

/// What a worker that returns accuses the holder of the core of.
pub(crate) fn asleep(core: &Core) -> Option<Claim> {
    let holder = core.crew.get(core.holder())?;
    let stamp = holder.epoch.load();
    let asleep =
        stamp.phase() == Phase::User && core.hunch.guess(|| asleep_since(holder, stamp).is_some());
    asleep.then(|| Claim::blocked(holder.index(), stamp))
}

/// The same for a worker whose epoch was `stamp`, and still is.
pub(super) fn asleep_since(worker: &Worker, stamp: Stamp) -> Option<Claim> {
    let blocked = stamp.phase() == Phase::User
        && matches!(worker.watch().map(SyscallFile::look), Some(Ok(Look::Blocked { .. })))
        && worker.epoch.load() == stamp;
    blocked.then(|| Claim::blocked(worker.index(), stamp))
}

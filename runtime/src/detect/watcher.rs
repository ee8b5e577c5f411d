//! The perf detector: a standby sleeps until the kernel records that the holder went to sleep.
//!
//! Each worker has a ring of `PERF_RECORD_SWITCH` records of itself ([`crate::sys::perf`]). Its gate is
//! open while the worker is in user code and holds the core, one plain store each way, so parking and
//! our own code make no records. One standby per core, the *watcher* ([`crate::pool::Watch`]), waits
//! for the ring of whoever holds the core; the record wakes it, on the same core, and it takes over.
//!
//! `data_tail`, the gate, has one writer at a time: the worker while it holds the core; after a
//! takeover the new holder closes it once, before anything can make the old one holder again.
//!
//! Two pages per ring count against RLIMIT_MEMLOCK, which ends it after some 130 workers for a user
//! without privilege. A worker without a ring is left to the monitor.

use crate::pool::{Claim, Watch};
use crate::sys::perf::SwitchRing;
use crate::sys::uring_poll::Waiter;
use crate::worker::{Local, Phase, Worker};
use std::os::fd::AsFd;
use std::sync::Arc;

/// The key of the descriptor that kicks the watcher; rings have their worker's index + 1.
const KICK: u64 = 0;

/// What a watcher keeps between its turns: the rings of all workers that it has met as holders. Only
/// the holder's gate is open, so the others are silent; and to change the target costs system calls.
pub(crate) struct Watcher {
    waiter: Waiter,
    rings: Vec<(u32, Arc<SwitchRing>)>,
}

impl Watcher {
    fn new(watch: &Watch) -> Option<Self> {
        let mut waiter = Waiter::new().ok()?;
        waiter.watch(watch.kick_source().as_fd(), KICK).ok()?;
        Some(Self { waiter, rings: Vec::new() })
    }

    /// The ring of the holder, which the waiter waits for from now on.
    fn aim(&mut self, holder: &Worker) -> Option<Arc<SwitchRing>> {
        let ring = holder.switches()?;
        let index = holder.index();
        let known = self.rings.iter().position(|(known, _)| *known == index);
        if known.is_some_and(|place| Arc::ptr_eq(&self.rings[place].1, &ring)) {
            return Some(ring);
        }
        let key = u64::from(index) + 1;
        if let Some(place) = known {
            // Of a thread that has ended.
            self.rings.swap_remove(place);
            self.waiter.unwatch(key);
        }
        // Without a place for it this holder is left to the monitor.
        self.waiter.watch(ring.fd(), key).ok()?;
        self.rings.push((index, ring.clone()));
        Some(ring)
    }
}

/// Watches the holder until it blocks (the verdict is given then) or `local` is wanted otherwise.
/// `false` if there is nothing to wait with: the caller sleeps on its word.
pub(crate) fn watch_holder(local: &Local, watch: &Watch, watcher: &mut Option<Watcher>) -> bool {
    if watcher.is_none() {
        *watcher = Watcher::new(watch);
    }
    let Some(watcher) = watcher else { return false };
    let core = local.core();
    while !local.worker().is_signalled() && !core.needs_worker() {
        let holder = core.crew.get(core.holder());
        let ring = holder.and_then(|holder| watcher.aim(holder));
        let waited = watcher.waiter.wait(&mut |key| {
            if key == KICK {
                watch.kick_source().drain();
            }
        });
        if waited.is_err() {
            return false;
        }
        let (Some(holder), Some(ring)) = (holder, ring) else { continue };
        let stamp = holder.epoch.load();
        if ring.drain().blocked
            && stamp.phase() == Phase::User
            && holder.epoch.load() == stamp
            && core.holder() == holder.index()
        {
            core.latch(Claim::blocked(holder.index(), stamp));
        }
    }
    true
}

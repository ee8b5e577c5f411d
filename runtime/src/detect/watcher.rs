//! The perf and bpf detectors: the kernel says that the holder went to sleep.
//!
//! Both need a standby that waits for it, a *watcher* of the core ([`crate::pool::Watch`]), which
//! runs on the same core and takes over when it wakes. The worker's [`Gate`] keeps its own parking
//! and all that is not user code silent. They differ in what the watcher waits for:
//!
//! | | perf | bpf |
//! |---|---|---|
//! | the kernel writes | a record of each switch into a ring of the worker ([`crate::sys::perf`]) | the stamp of the sleep into the worker's slot ([`crate::sys::bpf`]) |
//! | the watcher waits for | the rings of all workers of the core | the bell of the core |
//! | it believes | the newest record | the stamp, if it is that of now |
//! | memory | two pages per worker, against RLIMIT_MEMLOCK: some 130 workers for a user without privilege | one page or two per core |
//!
//! A worker without a gate (no ring or slot was left for it) is left to the monitor.
//!
//! # Nothing is missed
//!
//! The watcher looks at the holder before each wait and after it, and a wait ends for whatever came
//! after the look. So a block that nobody was watching is seen by the next standby that goes to
//! watch, from what the kernel has left in memory. With bpf that may be a sleep which is over,
//! although the same poll goes on: the slot does not tell. A takeover would be one too many, not
//! wrong; unless the bell has just rung, the file in `/proc` is asked as well.

use super::Gate;
use crate::pool::{Claim, Core, Post, Watch, Witness};
use crate::sys::perf::SwitchRing;
use crate::sys::proc::{Look, SyscallFile};
use crate::sys::uring_poll::Waiter;
use crate::worker::{Local, Phase, Worker};
use std::sync::Arc;

/// The keys of the descriptors that kick watchers, and of the bell. Rings have their worker's
/// index, counted from [`FIRST_RING`].
const KICK: u64 = 0;
const BELL: u64 = 1;
const FIRST_RING: u64 = 2;

/// What a standby keeps between its turns as watcher.
pub(crate) struct Watcher {
    waiter: Waiter,
    /// With perf: the rings that the waiter knows, by worker. Only the holder's gate is open, so the
    /// others are silent; and to change the target costs system calls.
    rings: Vec<(u32, Arc<SwitchRing>)>,
    /// What had been announced when it last looked for rings.
    known: u64,
}

impl Watcher {
    fn new(watch: &Watch) -> Option<Self> {
        let mut waiter = Waiter::new().ok()?;
        for post in watch.posts() {
            waiter.watch(post.kick_source().fd(), KICK).ok()?;
        }
        if let Some(bell) = watch.bell() {
            waiter.watch(bell.fd(), BELL).ok()?;
        }
        Some(Self { waiter, rings: Vec::new(), known: 0 })
    }

    /// From the next wait on, a block of any worker that has announced its gate ends it.
    fn learn(&mut self, core: &Core, announced: u64) {
        if self.known == announced {
            return;
        }
        for worker in core.crew.iter() {
            let ring = match worker.gate() {
                Some(Gate::Perf(ring)) => Some(ring),
                _ => None,
            };
            self.know(worker.index(), ring);
        }
        self.known = announced;
    }

    /// Waits for `ring` where it waited for another one of that worker.
    fn know(&mut self, worker: u32, ring: Option<Arc<SwitchRing>>) {
        let key = FIRST_RING + u64::from(worker);
        if let Some(place) = self.rings.iter().position(|(known, _)| *known == worker) {
            if ring.as_ref().is_some_and(|ring| Arc::ptr_eq(&self.rings[place].1, ring)) {
                return;
            }
            // Of a thread that has ended.
            self.rings.swap_remove(place);
            self.waiter.unwatch(key);
        }
        // Without a place for its ring a worker is left to the monitor.
        if let Some(ring) = ring.filter(|ring| self.waiter.watch(ring.fd(), key).is_ok()) {
            self.rings.push((worker, ring));
        }
    }
}

/// Watches the holder until it blocks (the verdict is given then) or `local` is wanted otherwise.
/// `false` if there is nothing to wait with: the caller sleeps on its word.
pub(crate) fn watch_holder(
    local: &Local,
    watch: &Watch,
    post: &Post,
    watcher: &mut Option<Watcher>,
) -> bool {
    if watcher.is_none() {
        *watcher = Watcher::new(watch);
    }
    let Some(watcher) = watcher else { return false };
    let core = local.core();
    let mut rang = false;
    while !local.worker().is_signalled() && !core.needs_worker() {
        // Before the look: what rings from here on ends the wait. If it has just rung that comes
        // after the look, or the kernel would not tell the other watcher.
        if let Some(bell) = watch.bell().filter(|_| !rang) {
            bell.silence();
        }
        // In this order: a new holder looks whether we know its gate.
        let announced = watch.announced();
        watcher.learn(core, announced);
        post.learn(announced);
        if let Some(claim) = look(core, rang) {
            core.latch(claim, Witness::Detector);
            break;
        }
        if std::mem::take(&mut rang) {
            continue;
        }
        if watch.has_vacancy() {
            core.crew.wake_other_standby(local.worker().index());
        }
        let waited = watcher.waiter.wait(&mut |key| match key {
            KICK => drop(post.kick_source().drain()),
            BELL => rang = true,
            _ => {}
        });
        if waited.is_err() {
            return false;
        }
    }
    true
}

/// What to accuse the holder of. `rang`: the bell has just rung.
fn look(core: &Core, rang: bool) -> Option<Claim> {
    let holder = core.holding_worker()?;
    let gate = holder.gate()?;
    let stamp = holder.epoch.load();
    let blocked = match &gate {
        Gate::Perf(ring) => ring.drain().blocked,
        Gate::Bpf(slot) => slot.blocked() == stamp.bits() && (rang || is_asleep(holder)),
    };
    let valid = blocked
        && stamp.phase() == Phase::User
        && holder.epoch.load() == stamp
        && core.holder() == holder.index();
    valid.then(|| Claim::blocked(holder.index(), stamp))
}

/// For a block that may be over. Where the kernel does not tell, it is not.
fn is_asleep(holder: &Worker) -> bool {
    !matches!(holder.watch().map(SyscallFile::look), Some(Ok(Look::Running | Look::Gone)))
}

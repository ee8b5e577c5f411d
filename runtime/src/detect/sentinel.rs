//! The idle detector: a `SCHED_IDLE` thread pinned to the core.
//!
//! While *armed* it is runnable, and the kernel runs it exactly when the core would go idle, that
//! is when the holder blocks or parks. It makes one look at the holder and acts:
//!
//! - parked: nothing to watch. It disarms and sleeps; [`Sentinel`] says why it misses no holder.
//! - in user code and asleep in the kernel: it accuses the holder and stays armed for the next one.
//!   If it waits for a lock or a page, not before it has done so for [`SHORT_NS`];
//! - in user code and runnable, or in the runtime: the holder is only preempted; it yields. A
//!   `SCHED_IDLE` thread gets next to nothing while others want the CPU, so this does not spin.
//!
//! A holder that is quiet or blocked leaves the CPU to others, also to the extra cores that use it: the
//! high-priority core of the CPU, whose workers arm this sentinel too, and cores of unbound pools whose
//! workers were on this CPU when they woke up. The sentinel looks at their holders in the same turn,
//! and accuses those that are blocked. A worker of an unbound pool may have been moved since, to a CPU
//! whose sentinel nobody has armed: then the monitor finds it.
//!
//! It takes no lock at all: it may be preempted anywhere, for as long as the core is busy.
//!
//! While the CPU is away it sleeps ([`crate::pool`]): nobody arms it, and nobody runs when that CPU
//! would be idle.
//!
//! Leaving `SCHED_IDLE` needs a privilege, so the sentinel stays what it is and wakes a normal thread
//! to take over. Its weakness: other load on the core keeps it from running. The monitor covers that.

use super::Sentinel;
use super::asleep::{Asleep, asleep_since, settle_doubt};
use crate::pool::Core;
use crate::runtime::Shared;
use crate::sys;
use crate::time::now_ns;
use crate::worker::{Phase, Stamp, Worker};
use std::io;
use std::sync::Arc;

/// Starts the sentinel of a core.
pub(crate) fn spawn(shared: &Arc<Shared>, core: usize) -> io::Result<()> {
    let thread = shared.clone();
    let name = format!("cmwq/{}:idle", shared.cores[core].cpu.unwrap_or(core));
    // It keeps small buffers on its stack, nothing else.
    shared.spawn_thread(name, 64 << 10, move || watch(&thread, core))
}

fn watch(shared: &Shared, core: usize) {
    let core = &*shared.cores[core];
    let Some(sentinel) = &core.sentinel else { return };
    sentinel.set_tid(sys::thread::gettid());
    core.place_current_thread(shared);
    run(shared, core, sentinel);
    sentinel.set_tid(0);
}

fn run(shared: &Shared, core: &Core, sentinel: &Sentinel) {
    // The detector was chosen after another thread had been allowed to do this.
    if sys::thread::set_policy_idle().is_err() {
        core.stats.sentinel_failures.increment();
        return;
    }
    let mut last_accused = None;
    let mut busy_looks = 0;
    while !shared.has_stopped() {
        if !sentinel.is_armed() {
            sentinel.wait();
            continue;
        }
        // The CPU has gone away, or somebody changed our affinity: we would look at a core that we do
        // not share.
        if core.cpu.is_some_and(|cpu| sys::affinity::current_cpu() != cpu) {
            if !core.is_disassociated(shared) {
                core.stats.sentinel_failures.increment();
            }
            sentinel.disarm();
            continue;
        }
        settle_doubt(core);
        let extras = look_at_extras(shared, core);
        match look(core) {
            // An extra core has the CPU, or has just been accused and will be had by another worker.
            Verdict::Quiet { .. } if extras.are_busy && busy_looks < MAX_BUSY_LOOKS => {
                busy_looks += 1;
                sys::thread::yield_now();
                continue;
            }
            Verdict::Quiet { holder, epoch } => {
                sentinel.disarm_while(|| {
                    core.holder() == holder
                        && core.crew.get(holder).map(|w| w.epoch.load()) == epoch
                        && high_stamp(shared, core) == extras.high
                });
            }
            // Running, yet not here: somebody has moved it. The next unpark arms us again.
            Verdict::Busy if busy_looks >= MAX_BUSY_LOOKS => sentinel.disarm(),
            Verdict::Busy => {
                busy_looks += 1;
                sys::thread::yield_now();
                continue;
            }
            Verdict::Blocked(asleep) => {
                if last_accused != Some(asleep.claim) && !asleep.accuse(core) {
                    shared.monitor.request_worker(core);
                    // Nobody can take over: the latch waits for a worker, and arms us again.
                    sentinel.disarm();
                }
                last_accused = Some(asleep.claim);
                sys::thread::yield_now();
            }
        }
        busy_looks = 0;
    }
}

/// So many looks in a row at a holder that runs, by a thread that gets the CPU only when it is
/// idle, mean that the holder runs elsewhere.
const MAX_BUSY_LOOKS: u32 = 1000;

/// How long a wait for a lock or a page is given. A wakeup takes as long, so less would tell nothing.
const SHORT_NS: u64 = 20_000;

enum Verdict {
    Quiet { holder: u32, epoch: Option<Stamp> },
    Busy,
    Blocked(Asleep),
}

fn look(core: &Core) -> Verdict {
    let holder = core.holder();
    let Some(worker) = core.crew.get(holder) else {
        return Verdict::Quiet { holder, epoch: None };
    };
    let stamp = worker.epoch.load();
    match stamp.phase() {
        Phase::Parked => Verdict::Quiet { holder, epoch: Some(stamp) },
        Phase::Runtime => Verdict::Busy,
        Phase::User => match asleep_since(worker, stamp) {
            Some(asleep) if asleep.is_often_short && !outlasts_short_ones(worker, stamp) => {
                Verdict::Busy
            }
            Some(asleep) => Verdict::Blocked(asleep),
            None => Verdict::Busy,
        },
    }
}

/// Waits for what may be over in a moment, on a CPU that nobody else wants. Does the worker still
/// sleep then?
fn outlasts_short_ones(worker: &Worker, stamp: Stamp) -> bool {
    let start = now_ns();
    while now_ns().saturating_sub(start) < SHORT_NS {
        if worker.epoch.load() != stamp {
            return false;
        }
        std::hint::spin_loop();
    }
    asleep_since(worker, stamp).is_some()
}

/// What the sentinel of a CPU has seen of the extra cores that use it.
struct Extras {
    /// Holder and epoch of the high-priority core.
    high: Option<(u32, Option<Stamp>)>,
    /// Worth another look: the high-priority core is not parked, or somebody was accused.
    are_busy: bool,
}

/// Accuses the holders of extra cores that are blocked: of the high-priority core of this CPU, and of
/// cores of unbound pools that may use it. Of the latter one that runs is no concern of ours, since it
/// runs elsewhere.
fn look_at_extras(shared: &Shared, normal: &Core) -> Extras {
    let mut extras = Extras { high: high_stamp(shared, normal), are_busy: false };
    for core in shared.extra_cores() {
        let is_high = core.bound_to == Some(normal.index);
        if !is_high && !normal.cpu.is_some_and(|cpu| core.pool.covers(cpu)) {
            continue;
        }
        settle_doubt(core);
        match look(core) {
            Verdict::Quiet { .. } => {}
            Verdict::Busy => extras.are_busy |= is_high,
            Verdict::Blocked(asleep) if core.verdict.read() == Some(asleep.claim) => {}
            Verdict::Blocked(asleep) => {
                let has_standby = asleep.accuse(core);
                extras.are_busy |= has_standby;
                if !has_standby {
                    shared.monitor.request_worker(core);
                }
            }
        }
    }
    extras
}

fn high_stamp(shared: &Shared, normal: &Core) -> Option<(u32, Option<Stamp>)> {
    let core = shared.extra_cores().find(|core| core.bound_to == Some(normal.index))?;
    let holder = core.holder();
    Some((holder, core.crew.get(holder).map(|worker| worker.epoch.load())))
}

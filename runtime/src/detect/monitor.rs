//! The monitor: one thread per runtime that looks at every holder now and then.
//!
//! It is the detector that needs nothing, the safety net of the others, the manager that makes worker
//! threads, and the stand-in for a core whose workers are all blocked when no more can be made.
//!
//! A holder whose epoch is *user* is:
//!
//! - asleep in the kernel: accused, so that a standby takes over. If there is none and none can be
//!   made, the monitor itself drives the core's I/O and timers. One look is enough: blocks that are
//!   shorter than a period would never be met by two, however many there are. Two are asked for where
//!   it waits for a lock or a page ([`asleep`](super::asleep));
//! - not asleep, and its epoch has not changed since the last look: the core's I/O and timers are
//!   driven for it, its next slot is put where thieves find it, and a thief is woken. Once the poll has
//!   used `cpu_intensive_threshold` of **CPU time** (wall time would punish a worker that is preempted)
//!   it is accused as a hog. That time also tells a poll that runs, which is looked at often, from one
//!   that waits for the CPU, since each look takes the CPU from somebody.
//!
//! It also looks at those that have lost a core, one at a time ([`Strays`]).
//!
//! Now and then it looks for pools that stand still ([`Rounds`]), and whether CPUs have gone or come
//! ([`CpuLook`]).
//!
//! # Sleep
//!
//! After some looks at which all cores were parked it sleeps without a period, until a holder leaves
//! its park ([`MonitorWord`]). So an idle runtime makes no wakeups at all.

use super::Detector;
use super::asleep::{Sight, look, settle_doubt};
use super::cpu_look::CpuLook;
use super::distress::Distress;
use super::monitor_word::{MonitorWord, Nap, Ticket};
use super::patience::{Found, Next, Patience};
use super::strays::Strays;
use crate::inspect::Rounds;
use crate::pool::{Claim, Core, MANY, Witness};
use crate::runtime::Shared;
use crate::sys;
use crate::worker::{Phase, Stamp, Worker};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What other threads know of the monitor.
#[derive(Default)]
pub(crate) struct Monitor {
    word: MonitorWord,
}

/// The period beside another detector.
const NET_PERIOD: Duration = Duration::from_micros(250);
/// The period when it is the only detector and blocks are common.
const ALONE_PERIOD: Duration = Duration::from_micros(50);
/// After a thread could not be made, the next try waits this long.
const RETRY_NS: u64 = 10_000_000;

impl Monitor {
    /// For a holder that starts to work: it has stored its epoch, and fenced.
    #[inline]
    pub(crate) fn wake_if_asleep(&self) {
        self.word.wake_if_asleep();
    }

    pub(crate) fn kick(&self) {
        self.word.kick();
    }

    /// Asks for one more worker of the core. Takes no lock, makes no thread.
    pub(crate) fn request_worker(&self, core: &Core) {
        if !core.wants_worker.swap(true, Ordering::SeqCst) {
            self.kick();
        }
    }
}

/// Starts the monitor.
pub(crate) fn spawn(shared: &Arc<Shared>) -> io::Result<()> {
    let thread = shared.clone();
    shared.spawn_thread("cmwq/monitor".into(), 256 << 10, move || {
        Round::new(&thread).run();
        // No task is left, and the workers leave. A closure of spawn_blocking or a hook that waits for
        // a socket or a timer would do so for ever, and the end of the runtime for its thread.
        thread.all_cores().for_each(Core::close);
    })
}

/// What the last look at a core found.
#[derive(Clone, Copy, Default)]
struct Seen {
    holder: u32,
    stamp: Stamp,
    /// Since the second look at this epoch.
    run: Option<Run>,
    /// It slept at the last look at this epoch.
    is_asleep: bool,
    retry_at: u64,
    /// Of the pool whose first core it is.
    distress: Distress,
}

/// A poll that was there at more than one look.
#[derive(Clone, Copy)]
struct Run {
    /// CPU time of its thread at the first of them.
    first_cpu_ns: u64,
    /// The same at the last one, and when that was.
    cpu_ns: u64,
    at_ns: u64,
}

impl Run {
    /// Has it had the CPU since, for half of the time at least?
    fn until(self, cpu_ns: u64, at_ns: u64) -> Found {
        let ran = cpu_ns.saturating_sub(self.cpu_ns);
        let passed = at_ns.saturating_sub(self.at_ns);
        if ran.saturating_mul(2) >= passed { Found::Suspicion } else { Found::Activity }
    }
}

struct Round<'a> {
    shared: &'a Arc<Shared>,
    /// By core; grows with the extra ones.
    seen: Vec<Seen>,
    strays: Vec<Strays>,
    patience: Patience,
    watchdog: Rounds,
    cpus: CpuLook,
}

impl<'a> Round<'a> {
    fn new(shared: &'a Arc<Shared>) -> Self {
        let alone = shared.detector() == Detector::Monitor;
        Self {
            shared,
            seen: Vec::new(),
            strays: Vec::new(),
            watchdog: Rounds::new(shared),
            cpus: CpuLook::new(shared),
            patience: Patience::new(if alone { ALONE_PERIOD } else { NET_PERIOD }),
        }
    }

    fn run(mut self) {
        // Each of our waits is short, and its length is the detection latency.
        sys::thread::set_timer_slack_ns(1);
        while !self.shared.has_stopped() {
            let word = &self.shared.monitor.word;
            let ticket = word.ticket();
            self.seen.resize(self.shared.core_count(), Seen::default());
            self.strays.resize_with(self.seen.len(), Strays::default);
            let found = (0..self.seen.len()).map(|core| self.visit(core)).max();
            self.watchdog.look(self.shared);
            self.cpus.look(self.shared);
            let habit = self.habit();
            match self.patience.after(found.unwrap_or(Found::Nothing), habit) {
                Next::Look(period) => word.wait(ticket, period),
                Next::Sleep => self.sleep(ticket),
            }
        }
    }

    fn habit(&self) -> bool {
        let now = crate::time::now_ns();
        let weight = |core: &Core| match core.habit.blocks_often(now) {
            true => MANY,
            false => usize::from(core.habit.blocked_lately(now)),
        };
        self.shared.all_cores().map(weight).sum::<usize>() >= MANY
    }

    fn sleep(&self, ticket: Ticket) {
        self.shared.monitor.word.sleep(ticket, || self.nap());
        // The workers of a CPU that is away are kept for its return.
        let is_there = |core: &&Core| !core.is_disassociated(self.shared);
        for core in self.shared.all_cores().filter(is_there) {
            let keep_alive = self.shared.config.keep_alive.as_nanos() as u64;
            core.crew.cull(crate::time::now_ns(), keep_alive);
        }
    }

    /// How long to sleep; `None` if there is something to look at.
    fn nap(&self) -> Option<Nap> {
        let cores = || self.shared.all_cores();
        let parked = |core: &Core| {
            // In this order: a holder that hands the core over meanwhile leaves it in need of another.
            let holder = core.holding_worker();
            let is_parked = |holder: &Worker| holder.epoch.load().phase() == Phase::Parked;
            !core.needs_worker() && holder.is_none_or(is_parked)
        };
        if !cores().all(parked) || self.shared.has_stopped() {
            return None;
        }
        if cores().any(|core| core.wants_worker.load(Ordering::SeqCst)) {
            return Some(Nap::AtMost(Duration::from_nanos(RETRY_NS)));
        }
        let is_culled =
            |core: &Core| core.crew.has_surplus() && !core.is_disassociated(self.shared);
        let surplus = cores().any(is_culled);
        Some(if surplus { Nap::AtMost(self.shared.config.keep_alive) } else { Nap::Endless })
    }

    /// One look at a core, and what follows from it.
    fn visit(&mut self, index: usize) -> Found {
        let core = self.shared.core(index);
        self.hire(core);
        let found = self.watch(core);
        if self.shared.detector() != Detector::Off {
            settle_doubt(core);
            let patience = self.patience_ns(core);
            self.strays[core.index].look(self.shared, core, patience);
        }
        self.call_rescuers(core);
        found
    }

    fn watch(&mut self, core: &Core) -> Found {
        let Some(worker) = core.holding_worker() else {
            return self.visit_unheld(core);
        };
        let holder = worker.index();
        let stamp = worker.epoch.load();
        let seen = &mut self.seen[core.index];
        let moved = seen.holder != holder || seen.stamp != stamp;
        if moved {
            *seen = Seen { holder, stamp, run: None, is_asleep: false, ..*seen };
        }
        if self.shared.detector() == Detector::Off {
            let is_quiet = !moved && stamp.phase() == Phase::Parked;
            return if is_quiet { Found::Nothing } else { Found::Activity };
        }
        let sight = look(worker, stamp);
        if let Sight::Asleep(asleep) = sight {
            let is_first = !std::mem::replace(&mut seen.is_asleep, true);
            if asleep.is_often_short && is_first {
                return Found::Doubt;
            }
            if !core.accuse(asleep.claim, Witness::Monitor) {
                want_worker(core);
                core.stand_in(self.shared);
            }
            return Found::Suspicion;
        }
        seen.is_asleep = false;
        match stamp.phase() {
            _ if moved => Found::Activity,
            Phase::Parked => Found::Nothing,
            Phase::Runtime => Found::Activity,
            Phase::User if worker.epoch.load() != stamp => Found::Activity,
            Phase::User => {
                let found = self.examine(core, worker, stamp);
                // It may as well sleep: then nobody else looks at its sockets and timers.
                if matches!(sight, Sight::Unknown) { Found::Suspicion } else { found }
            }
        }
    }

    /// Nobody holds the core: a worker handed it over. At the cap that may last.
    fn visit_unheld(&self, core: &Core) -> Found {
        if !core.needs_worker() {
            return Found::Nothing;
        }
        if !core.crew.wake_standby() {
            want_worker(core);
            core.stand_in(self.shared);
        }
        Found::Suspicion
    }

    /// The holder has been in the same poll for a period, and does not sleep.
    fn examine(&mut self, core: &Core, worker: &Worker, stamp: Stamp) -> Found {
        core.stand_in(self.shared);
        if let Some(task) = worker.slot.take() {
            core.inject.push(task);
            core.park.unpark();
        }
        if core.is_default {
            self.shared.wake_thief(core.index);
        }

        let Some(cpu_ns) = sys::thread::cpu_time_ns(worker.tid()) else { return Found::Suspicion };
        let at_ns = crate::time::now_ns();
        let last = self.seen[core.index].run;
        let first_cpu_ns = last.map_or(cpu_ns, |run| run.first_cpu_ns);
        self.seen[core.index].run = Some(Run { first_cpu_ns, cpu_ns, at_ns });
        if cpu_ns.saturating_sub(first_cpu_ns) >= self.patience_ns(core)
            && worker.epoch.load() == stamp
            && !core.accuse(Claim::hog(worker.index(), stamp), Witness::Monitor)
        {
            want_worker(core);
            return Found::Suspicion;
        }
        last.map_or(Found::Doubt, |last| last.until(cpu_ns, at_ns))
    }

    /// How much CPU time makes a hog.
    fn patience_ns(&self, core: &Core) -> u64 {
        patience_ns(self.shared.config.cpu_intensive_ns, core.stats.hogs.get())
    }

    /// Calls the rescuers of a pool that starves, if this is its first core.
    fn call_rescuers(&mut self, core: &Core) {
        let pool = &core.pool;
        if core.index != pool.cores[0] {
            return;
        }
        let distress = &mut self.seen[core.index].distress;
        if !pool.starves(self.shared) {
            distress.is_over();
            return;
        }
        let now = crate::time::now_ns();
        if distress.is_due(now) && pool.lines.call(|queue| pool.worklist.may_hold(queue)) {
            core.stats.maydays.increment();
            distress.has_called(now);
        }
    }

    /// Makes a worker that was asked for.
    fn hire(&mut self, core: &Core) {
        if !core.wants_worker.load(Ordering::SeqCst) {
            return;
        }
        core.wants_worker.store(false, Ordering::SeqCst);
        if !core.crew.lacks_standby() || self.shared.has_stopped() {
            core.shortage_ends();
            return;
        }
        let now = crate::time::now_ns();
        let seen = &mut self.seen[core.index];
        if now < seen.retry_at {
            core.wants_worker.store(true, Ordering::SeqCst);
            return;
        }
        if crate::worker::spawn(self.shared, core.index).is_err() {
            seen.retry_at = now + RETRY_NS;
            core.shortage_begins(now);
            core.wants_worker.store(true, Ordering::SeqCst);
        } else {
            core.shortage_ends();
        }
    }
}

/// Asks ourselves for a worker, which the next round makes.
fn want_worker(core: &Core) {
    core.wants_worker.store(true, Ordering::SeqCst);
}

/// The more hogs there are on a core, the longer the next one may run: each further worker only divides
/// the same CPU.
fn patience_ns(threshold_ns: u64, hogs: u64) -> u64 {
    threshold_ns.saturating_mul(hogs.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::patience_ns;

    #[test]
    fn patience_grows_with_the_hogs_and_has_no_end() {
        assert_eq!([0, 1, 3].map(|hogs| patience_ns(10, hogs)), [10, 20, 40]);
        assert_eq!(patience_ns(0, 7), 0);
        assert_eq!(patience_ns(10, u64::MAX), u64::MAX);
        assert_eq!(patience_ns(u64::MAX, 0), u64::MAX);
        assert_eq!(patience_ns(u64::MAX, 1), u64::MAX);
    }
}

//! The thread of a worker, from start to end.

use super::seat::Hired;
use super::{Local, NoMain, Phase, Seat};
use crate::pool::{Changes, PoolKind, Watch};
use crate::runtime::Shared;
use crate::runtime::config::{Hook, Hooks, Naming};
use crate::sys;
use std::io;
use std::sync::Arc;

/// Makes a worker thread of a core. At the cap, or if the OS refuses, nothing changes but the
/// counters.
pub(crate) fn spawn(shared: &Arc<Shared>, core: usize) -> io::Result<()> {
    let stats = &shared.core(core).stats;
    let Some(hired) = Hired::by(shared, core) else {
        stats.cap_hits.increment();
        return Err(io::Error::other("the core has max_workers_per_core workers"));
    };
    let name = thread_name(shared, &hired);
    shared
        .spawn_thread(name, shared.config.stack_size, move || run(hired))
        .inspect_err(|_| stats.thread_failures.increment())
}

fn thread_name(shared: &Shared, hired: &Hired) -> String {
    match &shared.config.naming {
        Naming::Fixed(name) => name.clone(),
        Naming::Made(_) => shared.names.take(),
        Naming::Kernel => {
            let (core, pool) = (hired.core(), &hired.core().pool);
            let (number, worker) = (pool.number, hired.index() as usize);
            match pool.kind {
                PoolKind::Normal => format!("cmwq/{number}:{worker}"),
                PoolKind::HighPriority => format!("cmwq/{number}:{worker}H"),
                PoolKind::Unbound => {
                    // Each core counts its own workers; those of a pool are told apart.
                    let worker = worker * pool.cores.len() + (core.index - pool.cores[0]);
                    format!("cmwq/u{number}:{worker}")
                }
            }
        }
    }
}

fn run(hired: Hired) {
    let (core, shared) = (hired.core(), hired.shared());
    // First of all, so that the memory that it touches is near.
    let cpus = shared.usable.changes();
    if !core.pool.shape_current_thread(shared) {
        core.stats.pin_failures.increment();
    }
    if core.cpu.is_some() {
        core.place_current_thread(shared);
    }
    let seat = hired.sit();
    seat.shared().pools.site.bring_thread(seat.core(), seat.worker());
    work(seat, cpus);
}

/// `cpus`: as of when the thread was placed.
fn work(seat: Seat, cpus: Changes) {
    // The park ends at the deadline of a timer, and standbys are woken for takeovers.
    sys::thread::set_timer_slack_ns(1);
    let shared = seat.shared().clone();
    let _entered = crate::context::enter(&shared, seat.core().index);
    let local = Local::new(seat);
    local.attach();
    // From here on it is known to whoever watches the CPUs.
    if shared.usable.changes() != cpus {
        local.core().place_current_thread(&shared);
    }
    crate::context::with_worker(&local, || {
        local.in_user_caught(|| shared.names.prepare(&shared.config.naming));
        let pool = &local.core().pool;
        if let Some((wanted, got)) = pool.refused_nice(&shared) {
            local.in_user_caught(|| pool.report_refused_nice(&shared, wanted, got));
        }
        local.hook(|hooks| hooks.on_start.as_ref());
        local.work(&mut NoMain);
        local.hook(|hooks| hooks.on_stop.as_ref());
    });
    local.detach();
}

impl Local {
    /// The calling thread is this worker from now on.
    pub(crate) fn attach(&self) {
        let tid = sys::thread::gettid();
        self.worker().occupy(tid);
        if let Some(watch) = self.core().crew.watch() {
            self.make_gate(watch, tid);
        }
        self.worker().epoch.enter(Phase::Runtime);
    }

    fn make_gate(&self, watch: &Watch, tid: i32) {
        match watch.make_gate(tid) {
            Ok(gate) => {
                self.worker().set_gate(Some(gate.clone()));
                self.gate.get_or_init(|| gate);
                watch.announce();
            }
            // Out of locked memory, descriptors or slots: this worker is left to the monitor.
            Err(_) => self.core().stats.ring_failures.increment(),
        }
    }

    /// The calling thread is this worker no more; it holds no core.
    pub(crate) fn detach(&self) {
        self.stop_searching(false);
        self.give_away();
        self.worker().vacate();
    }

    /// Calls a hook of the user's.
    pub(crate) fn hook(&self, pick: impl FnOnce(&Hooks) -> Option<&Hook>) {
        if let Some(hook) = pick(&self.shared().config.hooks) {
            // It looks again before it sleeps. To have another core look instead would wake that one,
            // whose hook would wake the next.
            self.stop_searching(false);
            self.in_user_caught(|| hook());
        }
    }
}

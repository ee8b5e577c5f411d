//! The thread that tells of stalls.

use super::{QueueNames, RescuerLook, WorkerLook};
use crate::contain::contain;
use crate::metrics::Counter;
use crate::runtime::Shared;
use crate::sync_types::{Mutex, lock};
use crate::sys::futex;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// What the monitor and the thread share.
#[derive(Default)]
pub(crate) struct Watchdog {
    /// Counts rings.
    bell: AtomicU32,
    /// To be told. Only those two take the lock, for a push and for taking it all.
    stalls: Mutex<Vec<Stall>>,
    pub(crate) reports: Counter,
}

struct Stall {
    /// The first core of the pool.
    core: usize,
    pending: usize,
    stalled_ns: u64,
}

impl Watchdog {
    /// A pool is stalled.
    pub(super) fn ring(&self, core: usize, pending: usize, stalled_ns: u64) {
        self.reports.increment();
        lock(&self.stalls).push(Stall { core, pending, stalled_ns });
        self.wake();
    }

    /// Wakes the thread: there is something to tell, or the runtime has stopped.
    pub(crate) fn wake(&self) {
        self.bell.fetch_add(1, Ordering::SeqCst);
        futex::wake_one(&self.bell);
    }
}

/// Starts the thread, unless the watchdog is off.
pub(crate) fn spawn(shared: &Arc<Shared>) -> io::Result<()> {
    if shared.config.watchdog_ns == 0 {
        return Ok(());
    }
    let thread = shared.clone();
    shared.spawn_thread("cmwq/watchdog".into(), 256 << 10, move || run(&thread))
}

fn run(shared: &Shared) {
    let watchdog = &shared.watchdog;
    loop {
        let rung = watchdog.bell.load(Ordering::SeqCst);
        if shared.has_stopped() {
            return;
        }
        let stalls = std::mem::take(&mut *lock(&watchdog.stalls));
        if stalls.is_empty() {
            futex::wait(&watchdog.bell, rung, None);
        }
        // A subscriber may do anything.
        stalls.iter().for_each(|stall| contain(|| stall.tell(shared)));
    }
}

impl Stall {
    fn tell(&self, shared: &Shared) {
        let pool = &shared.core(self.core).pool;
        let names = QueueNames::of(&shared.queues.all());
        let of_core = |&core: &usize| WorkerLook::of_core(shared, core, &names);
        let workers = Workers(pool.cores.iter().flat_map(of_core).collect());
        let rescuers = shared.rescuers.with_pool(self.core);
        let looks = rescuers.iter().map(|rescuer| RescuerLook::of(shared, rescuer));
        let rescuers = Rescuers(looks.collect());
        tracing::error!(
            target: "cmwq",
            %pool,
            pending = self.pending,
            stalled_ms = self.stalled_ns / 1_000_000,
            %workers,
            %rescuers,
            "a pool has work that waits and has started none for the time of the watchdog; its workers \
             are blocked or burn CPU, and no further one can be made: see max_workers_per_core, \
             RLIMIT_NPROC, pids.max"
        );
    }
}

/// One per line; those that wait for work are counted only.
struct Workers(Vec<WorkerLook>);

impl fmt::Display for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (busy, idle): (Vec<_>, Vec<_>) = self.0.iter().partition(|worker| worker.is_busy());
        write!(f, "{} busy, {} idle", busy.len(), idle.len())?;
        busy.iter().try_for_each(|worker| write!(f, "\n  {worker}"))
    }
}

/// Those that are with the pool, one per line.
struct Rescuers(Vec<RescuerLook>);

impl fmt::Display for Rescuers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.len())?;
        self.0.iter().try_for_each(|rescuer| write!(f, "\n  {rescuer}"))
    }
}

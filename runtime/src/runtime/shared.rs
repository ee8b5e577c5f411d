//! What all threads of a runtime share.

use super::callers::Callers;
use super::config::{Config, UnhandledPanic};
use super::home::Home;
use super::names::Names;
use crate::blocking::BlockingPool;
use crate::detect::{Detector, Monitor, Offences, Refusal};
use crate::inspect::Watchdog;
use crate::pool::{Core, Hotplug, Idle, Pools, Rescuers, Usable};
use crate::sys::affinity::CpuSet;
use crate::sys::{self, futex};
use crate::task::{self, Birth, Id, JoinHandle, Notified, OwnedTasks, Schedule};
use crate::topology::Topology;
use crate::workqueue::Queues;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering, fence};
use std::time::Duration;

pub(crate) struct Shared {
    pub(crate) cores: Box<[Box<Core>]>,
    /// The pools that are made at run time, with their cores.
    pub(crate) pools: Pools,
    /// Which of its CPUs may be used now.
    pub(crate) usable: Usable,
    pub(crate) hotplug: Hotplug,
    pub(crate) idle: Idle,
    pub(crate) owned: OwnedTasks,
    pub(crate) queues: Queues,
    pub(crate) rescuers: Rescuers,
    pub(crate) monitor: Monitor,
    pub(crate) watchdog: Watchdog,
    pub(crate) blocking: BlockingPool,
    pub(crate) callers: Callers,
    pub(crate) offences: Offences,
    pub(crate) names: Names,
    pub(crate) config: Config,
    /// Without `membarrier` each push needs a fence.
    fence_pushes: AtomicBool,
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) detector: Detector,
    /// The affinity of the thread that built the runtime.
    pub(crate) original: Original,
    pub(crate) clock: Arc<crate::time::Clock>,
    /// The process that built the runtime; a forked child has none of its threads.
    pub(crate) pid: u32,
    phase: AtomicU8,
    /// Threads that exist, and one more; also the word that a shutdown waits on.
    threads: AtomicU32,
    /// Where the next outside thread sends its tasks.
    next_core: AtomicUsize,
    pub(crate) panicked: AtomicBool,
}

/// What a thread inherits and user code should not.
#[derive(Clone)]
pub(crate) struct Original {
    pub(crate) cpus: Option<CpuSet>,
    pub(crate) slack_ns: u64,
    pub(crate) nice: i32,
}

impl Original {
    /// Of the calling thread.
    pub(crate) fn capture() -> Self {
        Self {
            cpus: sys::affinity::current().ok(),
            slack_ns: sys::thread::timer_slack_ns(),
            nice: sys::thread::nice(),
        }
    }

    /// Gives the calling thread the CPUs.
    pub(crate) fn confine(&self) {
        if let Some(cpus) = &self.cpus {
            // A cpuset may have shrunk meanwhile; the kernel's choice then stands.
            let _ = sys::affinity::set(0, cpus);
        }
    }

    /// Gives it to the calling thread.
    pub(crate) fn apply(&self) {
        self.confine();
        sys::thread::set_timer_slack_ns(self.slack_ns);
        if sys::thread::nice() != self.nice {
            // Refused only where a thread that was made less urgent may not go back.
            let _ = sys::thread::set_nice(0, self.nice);
        }
    }
}

/// Lists of owned tasks, in turn, for those that a core spawns: a list is locked by who spawns and by who
/// completes, and where thieves complete them the two would meet, and sleep, at one of them.
const SHARDS_PER_CORE: usize = 4;
/// The same for those that are spawned from outside, where the two are never the same thread.
const SHARDS_FOR_OUTSIDERS: usize = 8;

/// Values of the thread count: 1 stands for the finish that follows the last thread.
const NO_THREADS: u32 = 1;
const FINISHED: u32 = 0;
const FINISHING: u32 = u32::MAX;

const RUNNING: u8 = 0;
/// Every task is being aborted.
const CLOSING: u8 = 1;
/// Every task was aborted; the last one that completes stops the runtime.
const DRAINING: u8 = 2;
/// No task is alive; threads end.
const STOPPED: u8 = 3;

impl Shared {
    pub(super) fn new(parts: super::build::SharedParts) -> Self {
        let count = parts.cores.len();
        Self {
            cores: parts.cores,
            usable: Usable::new(&parts.site.allowed),
            hotplug: Hotplug::default(),
            pools: Pools::new(count, parts.site),
            idle: Idle::new(count),
            owned: OwnedTasks::new(count * SHARDS_PER_CORE + SHARDS_FOR_OUTSIDERS),
            queues: Queues::default(),
            rescuers: Rescuers::default(),
            monitor: Monitor::default(),
            watchdog: Watchdog::default(),
            blocking: BlockingPool::default(),
            callers: Callers::default(),
            offences: Offences::default(),
            names: Names::default(),
            config: parts.config,
            fence_pushes: AtomicBool::new(!sys::membarrier::register()),
            refusals: parts.refusals,
            detector: parts.detector,
            original: parts.original,
            clock: parts.clock,
            pid: sys::process::id(),
            phase: AtomicU8::new(RUNNING),
            threads: AtomicU32::new(NO_THREADS),
            next_core: AtomicUsize::new(0),
            panicked: AtomicBool::new(false),
        }
    }

    /// Any core: one of `cores`, or an extra one from there on.
    #[inline]
    pub(crate) fn core(&self, index: usize) -> &Core {
        match self.cores.get(index) {
            Some(core) => core,
            None => self.extra_core(index),
        }
    }

    #[cold]
    fn extra_core(&self, index: usize) -> &Core {
        let place = index.wrapping_sub(self.cores.len());
        self.pools.table.get(place).unwrap_or_else(|| panic!("there is no core {index}"))
    }

    /// How many cores there are, extra ones included.
    pub(crate) fn core_count(&self) -> usize {
        self.cores.len() + self.pools.table.len()
    }

    /// All cores, extra ones included; one that is made meanwhile may be missing.
    pub(crate) fn all_cores(&self) -> impl Iterator<Item = &Core> {
        (0..self.core_count()).map(|index| self.core(index))
    }

    /// The cores of high-priority and unbound pools.
    pub(crate) fn extra_cores(&self) -> impl Iterator<Item = &Core> {
        (0..self.pools.table.len()).filter_map(|place| self.pools.table.get(place))
    }

    /// Arms the sentinel of the CPU that the calling thread is on.
    pub(crate) fn arm_sentinel_here(&self) {
        let cpu = Some(sys::affinity::current_cpu());
        let core = self.cores.iter().find(|core| core.cpu == cpu);
        if let Some(sentinel) = core.and_then(|core| core.sentinel.as_ref()) {
            sentinel.arm();
        }
    }

    /// The machine, as it was when the runtime was built.
    pub(crate) fn topology(&self) -> &Topology {
        &self.pools.site.topology
    }

    pub(crate) fn detector(&self) -> Detector {
        self.detector
    }

    /// Does each push need a fence?
    #[inline]
    pub(crate) fn fences_pushes(&self) -> bool {
        self.fence_pushes.load(Ordering::Relaxed)
    }

    /// The barrier between a change of holder and the look at the former holder's queues. Should the
    /// kernel refuse it all of a sudden, pushes fence from now on; the one that is under way
    /// reaches the new holder when the former one surrenders.
    pub(crate) fn barrier(&self) {
        if !self.fences_pushes() && !sys::membarrier::private_expedited() {
            self.fence_pushes.store(true, Ordering::SeqCst);
        }
    }

    /// A core to serve somebody who has none: the next in turn.
    pub(crate) fn any_core(&self) -> usize {
        match self.cores.len() {
            1 => 0,
            count => self.next_core.fetch_add(1, Ordering::Relaxed) % count,
        }
    }

    /// A core for a task that is spawned from outside: one that is awake, so that nobody has to be
    /// woken, rather than the one whose CPU the spawner is using. If all sleep it is that one: most
    /// spawners wait then, and to wake another CPU takes longer. Rather one whose CPU is there.
    fn core_for_outsider(&self) -> usize {
        let count = self.cores.len();
        if count == 1 {
            return 0;
        }
        let own = match self.cores[0].cpu {
            Some(_) => {
                let cpu = Some(sys::affinity::current_cpu());
                self.cores.iter().position(|core| core.cpu == cpu).unwrap_or(0)
            }
            None => self.next_core.load(Ordering::Relaxed) % count,
        };
        let is_there = |&core: &usize| !self.cores[core].is_disassociated(self);
        let mut others = (own + 1..own + count).map(|core| core % count).filter(is_there);
        let awake = others.clone().find(|&core| !self.idle.is_parked(core));
        awake.unwrap_or_else(|| if is_there(&own) { own } else { others.next().unwrap_or(own) })
    }

    pub(crate) fn spawn<F>(
        self: &Arc<Self>,
        future: F,
        location: &'static Location<'static>,
    ) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let own_core = crate::context::with_local(|local| {
            local.filter(|local| local.runs_default_of(Arc::as_ptr(self))).map(|l| l.core().index)
        });
        let id = Id::next();
        let core = own_core.unwrap_or_else(|| {
            self.assert_not_forked();
            self.core_for_outsider()
        });
        let shard = self.shard_of(own_core, id.as_u64() as usize);
        let birth = Birth { id, location, core, shard };
        let home = Home::of(self);
        let (task, handle) = task::new(future, home, birth);
        if self.owned.insert(&task) {
            home.schedule(task);
        } else {
            // The drop of the future may leave the runtime.
            let _keep = self.clone();
            task::discard(task);
        }
        handle
    }

    /// A child that forked without exec has none of the runtime's threads: nothing would ever run.
    pub(crate) fn assert_not_forked(&self) {
        assert!(
            sys::process::id() == self.pid,
            "this process was forked from the one that built the cmwq runtime, and has none of its \
             threads; build a runtime after fork(), or exec"
        );
    }

    /// Queues a task from outside of its core.
    pub(crate) fn inject(&self, task: Notified) {
        let index = task.home_core();
        let core = &self.cores[index];
        core.inject.push(task);
        let parked = core.park.is_parked();
        core.park.unpark();
        if !parked {
            self.wake_thief(index);
        }
    }

    /// There is more work than one core needs at the moment: wakes a core that sleeps, if nobody
    /// looks for work already.
    #[inline]
    pub(crate) fn wake_thief(&self, near: usize) {
        if let Some(core) = self.idle.core_to_wake(near) {
            self.cores[core].park.unpark();
        }
    }

    /// Starts a thread of the runtime's own, which shutdown waits for.
    pub(crate) fn spawn_thread(
        self: &Arc<Self>,
        name: String,
        stack_size: usize,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let counted = self.threads.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| {
            (count != FINISHED && count != FINISHING).then(|| count + 1)
        });
        if counted.is_err() {
            return Err(io::Error::other("the runtime has shut down"));
        }
        let guard = ThreadGuard(self.clone());
        std::thread::Builder::new().name(name).stack_size(stack_size).spawn(move || {
            crate::context::set_owner(&guard.0);
            let _guard = guard;
            body();
        })?;
        Ok(())
    }

    pub(crate) fn has_stopped(&self) -> bool {
        self.phase.load(Ordering::SeqCst) == STOPPED
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.phase.load(Ordering::SeqCst) != RUNNING
    }

    /// Aborts every task and refuses new ones. Threads end when the last task is gone.
    pub(crate) fn close(&self) {
        let first =
            self.phase.compare_exchange(RUNNING, CLOSING, Ordering::SeqCst, Ordering::Relaxed);
        if first.is_err() {
            return;
        }
        self.blocking.close();
        for shard in 0..self.owned.shards() {
            while let Some(task) = self.owned.close(shard) {
                task.abort();
            }
        }
        self.queues.close();
        // A pool that is being made now is in the table after this; later ones are refused.
        self.pools.settle();
        // A runtime of one core that nobody is in block_on of: a standby drops the tasks. A core of an
        // unbound pool that is closed has none.
        for core in self.all_cores().filter(|core| !core.is_shut()) {
            core.stay_open();
            if core.needs_worker() && !core.crew.wake_standby() {
                self.monitor.request_worker(core);
            }
        }
        self.phase.store(DRAINING, Ordering::SeqCst);
        self.stop_if_empty();
    }

    /// The list of owned tasks of a core, or of outsiders, whose turn it is.
    fn shard_of(&self, core: Option<usize>, turn: usize) -> usize {
        match core {
            Some(core) => core * SHARDS_PER_CORE + turn % SHARDS_PER_CORE,
            None => self.cores.len() * SHARDS_PER_CORE + turn % SHARDS_FOR_OUTSIDERS,
        }
    }

    /// The list at which work items near a core are counted; extra cores have none of their own.
    fn shard_near(&self, core: usize) -> usize {
        self.shard_of(Some(core).filter(|&core| core < self.cores.len()), core)
    }

    /// A work item is to be queued, near a core: the runtime does not stop before
    /// [`work_is_gone`](Self::work_is_gone). `false` if it shuts down; the call that takes it back
    /// is owed all the same.
    pub(crate) fn hold_work(&self, core: usize) -> bool {
        self.owned.hold(self.shard_near(core));
        !self.is_closing()
    }

    /// What [`hold_work`](Self::hold_work) has counted is over. Not under a lock.
    pub(crate) fn work_is_gone(&self, core: usize) {
        self.owned.unhold(self.shard_near(core));
        self.task_is_gone();
    }

    /// A task has completed, of whichever queue.
    pub(crate) fn task_is_gone(&self) {
        if self.is_closing() {
            self.stop_if_empty();
        }
    }

    /// A task has panicked, of whichever queue.
    pub(crate) fn task_panicked(&self) {
        if self.config.unhandled_panic == UnhandledPanic::ShutdownRuntime {
            self.panicked.store(true, Ordering::SeqCst);
            self.callers.wake_all();
            self.close();
            self.all_cores().for_each(|core| core.crew.wake_all());
        }
    }

    fn stop_if_empty(&self) {
        // After the caller's own change, of the phase or of a count: of two callers, workers that
        // complete the last tasks of two shards or the one that closes, one sees both. (A worker
        // that did not see the closing changed its count before the sweep locked that shard.)
        fence(Ordering::SeqCst);
        // Not before the sweep is over: a shard that is still open may take a task.
        if self.phase.load(Ordering::SeqCst) != DRAINING
            || self.owned.alive() > 0
            || self.queues.alive() > 0
        {
            return;
        }
        let stops =
            self.phase.compare_exchange(DRAINING, STOPPED, Ordering::SeqCst, Ordering::Relaxed);
        if stops.is_err() {
            return;
        }
        for core in self.all_cores() {
            core.crew.wake_all();
            core.park.unpark();
            core.park.io().unpark();
            if let Some(sentinel) = &core.sentinel {
                sentinel.stop();
            }
        }
        self.monitor.kick();
        self.watchdog.wake();
        self.hotplug.ring();
        self.rescuers.stop();
        self.finish_if_deserted();
    }

    /// The last thread of a stopped runtime has ended: closes drivers and wheels, if there was no monitor
    /// to do it, and lets those go on who wait for the end.
    fn finish_if_deserted(&self) {
        let deserted = self.has_stopped()
            && self
                .threads
                .compare_exchange(NO_THREADS, FINISHING, Ordering::SeqCst, Ordering::Relaxed)
                .is_ok();
        if deserted {
            self.all_cores().for_each(Core::close);
            self.queues.clear();
            self.threads.store(FINISHED, Ordering::SeqCst);
            futex::wake_all(&self.threads);
        }
    }

    /// Waits until all threads have ended; `false` if that took longer.
    pub(crate) fn join(&self, timeout: Option<Duration>) -> bool {
        let deadline = timeout.map(|timeout| {
            crate::time::now_ns().saturating_add(timeout.as_nanos().min(u64::MAX.into()) as u64)
        });
        loop {
            let left = self.threads.load(Ordering::SeqCst);
            if left == FINISHED {
                return true;
            }
            match deadline {
                None => {
                    futex::wait(&self.threads, left, None);
                }
                Some(deadline) if crate::time::now_ns() >= deadline => return false,
                Some(deadline) => {
                    futex::wait_until(&self.threads, left, deadline);
                }
            }
        }
    }
}

/// Counts a thread until it has ended, or was never made.
struct ThreadGuard(Arc<Shared>);

impl Drop for ThreadGuard {
    fn drop(&mut self) {
        self.0.threads.fetch_sub(1, Ordering::SeqCst);
        self.0.finish_if_deserted();
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // See `Home`. Only a bug of ours, such as a panic in the monitor, gets here.
        if self.owned.alive() > 0 {
            eprintln!("cmwq: a runtime went although tasks of it were alive");
            std::process::abort();
        }
    }
}

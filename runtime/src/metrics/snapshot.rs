//! The public view of the counters.

use super::CoreStats;
use crate::runtime::Shared;
use crate::worker::Flag;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a runtime is doing and has done; made by
/// [`Handle::metrics`](crate::runtime::Handle::metrics). Each method reads the value of that moment.
///
/// tokio's stable names mean what they mean there; *worker* in them is a core here. The others are
/// ours.
///
/// # Examples
///
/// ```
/// #[cmwq::main]
/// async fn main() {
///     let metrics = cmwq::runtime::Handle::current().metrics();
///     println!("detector {}, {} takeovers", metrics.detector(), metrics.takeovers_count());
///     for (detector, reason) in metrics.detector_refusals() {
///         println!("{detector} was refused: {reason}");
///     }
/// }
/// ```
#[derive(Clone)]
pub struct RuntimeMetrics {
    shared: Arc<Shared>,
}

impl RuntimeMetrics {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    fn stats(&self, core: usize) -> &CoreStats {
        &self.shared.core(core).stats
    }

    fn sum(&self, of: impl Fn(&CoreStats) -> u64) -> u64 {
        self.shared.all_cores().map(|core| of(&core.stats)).sum()
    }

    /// Cores of the runtime: how many tasks it polls at once while nothing blocks.
    pub fn num_workers(&self) -> usize {
        self.shared.cores.len()
    }

    /// Tasks that have not completed.
    pub fn num_alive_tasks(&self) -> usize {
        self.shared.owned.alive()
    }

    /// Cores whose inject list holds tasks woken from outside.
    ///
    /// tokio counts tasks; the lists here are lock-free and know only whether they are empty.
    pub fn global_queue_depth(&self) -> usize {
        self.shared.cores.iter().filter(|core| !core.inject.is_empty()).count()
    }

    /// How long the core's holder was awake.
    ///
    /// # Panics
    ///
    /// If there is no such core.
    pub fn worker_total_busy_duration(&self, core: usize) -> Duration {
        Duration::from_nanos(self.stats(core).busy_ns.get())
    }

    /// How often the core's holder went to sleep.
    ///
    /// # Panics
    ///
    /// If there is no such core.
    pub fn worker_park_count(&self, core: usize) -> u64 {
        self.stats(core).parks.get()
    }

    /// The detector in use: `perf`, `bpf`, `idle`, `monitor` or `off`.
    pub fn detector(&self) -> &'static str {
        self.shared.detector().name()
    }

    /// Detectors that `Auto` would have preferred, and why it could not have them.
    pub fn detector_refusals(&self) -> Vec<(&'static str, String)> {
        self.shared.refusals.iter().map(|r| (r.detector.name(), r.reason.clone())).collect()
    }

    /// Are the workers pinned to CPUs?
    pub fn is_pinned(&self) -> bool {
        self.shared.cores.iter().any(|core| core.cpu.is_some())
    }

    /// Cores whose CPU has gone away, so that their workers run on others until it comes back: it went
    /// offline, or a cpuset or affinity took it from the process.
    pub fn disassociated_cores(&self) -> Vec<usize> {
        let is_away = |core: &usize| self.shared.cores[*core].is_disassociated(&self.shared);
        (0..self.num_workers()).filter(is_away).collect()
    }

    /// Of the CPUs that the process could use when the runtime was built, those that it can use now, as
    /// far as the runtime has noticed. It does not look while it is neither pinned nor has an unbound
    /// queue.
    pub fn usable_cpus(&self) -> Vec<usize> {
        self.shared.usable.set().iter().collect()
    }

    /// Why this runtime is not told at once of CPUs that go away or come back. `None` if it is, or if
    /// it does not matter: it is not pinned and has no unbound queue.
    ///
    /// Then it finds out within a tenth of a second or so while it works. That is also the rule for a
    /// changed affinity or cpuset, which the kernel tells nobody of. An idle runtime does not look.
    pub fn hotplug_refusal(&self) -> Option<String> {
        self.shared.hotplug.refusal().map(str::to_owned)
    }

    /// Is `membarrier` in use? Where the kernel refuses it each push costs a fence instead.
    pub fn uses_membarrier(&self) -> bool {
        !self.shared.fences_pushes()
    }

    /// How often a standby took a core over, because a detector saw a task block or burn.
    pub fn takeovers_count(&self) -> u64 {
        self.sum(|s| s.takeovers.get())
    }

    /// How often the detector in use was the first to see a task block: `perf`, `bpf` or `idle`. A
    /// standby then takes the core over, unless the task has gone on before that.
    pub fn detector_verdicts_count(&self) -> u64 {
        self.sum(|s| s.detector_verdicts.get())
    }

    /// How often the monitor was the first to see a task block or burn. Beside another detector it is
    /// the safety net: it finds what burns, and what that one missed or has not seen yet.
    pub fn monitor_verdicts_count(&self) -> u64 {
        self.sum(|s| s.monitor_verdicts.get())
    }

    /// How often a worker that came back from a task that had blocked, or was new, was the first to see
    /// that the next one blocked too.
    pub fn worker_verdicts_count(&self) -> u64 {
        self.sum(|s| s.worker_verdicts.get())
    }

    /// How often a worker gave its core away before a blocking call of the runtime's own
    /// (`block_in_place`, nested `block_on`).
    pub fn handovers_count(&self) -> u64 {
        self.sum(|s| s.handovers.get())
    }

    /// From the verdict of a detector to the standby in charge: (upper bound, count) per bucket, for
    /// one core.
    ///
    /// # Panics
    ///
    /// If there is no such core.
    pub fn takeover_latency(&self, core: usize) -> Vec<(Duration, u64)> {
        self.stats(core).takeover_latency.buckets()
    }

    /// Workers that are inside a task after their core was taken over: blocked, or burning CPU.
    pub fn blocked_workers(&self) -> usize {
        let lost = |core: &crate::pool::Core| {
            core.crew.iter().filter(|worker| worker.flags.has(Flag::Lost)).count()
        };
        self.shared.all_cores().map(lost).sum()
    }

    /// Worker threads of a core.
    ///
    /// # Panics
    ///
    /// If there is no such core.
    pub fn workers_per_core(&self, core: usize) -> usize {
        self.shared.cores[core].crew.threads()
    }

    /// The most worker threads that a core may have.
    pub fn max_workers_per_core(&self) -> usize {
        self.shared.cores[0].crew.cap()
    }

    /// The nice value of the workers of high-priority pools, of those that started last: -20 where
    /// CAP_SYS_NICE or RLIMIT_NICE permits it, otherwise the lowest that the process may have; 0 while
    /// there is no such pool. Where it is not below that of the other workers, a high-priority task
    /// runs before others that wait and preempts none that runs.
    pub fn high_priority_nice(&self) -> i32 {
        self.shared.pools.high_nice()
    }

    /// Unbound pools in use.
    pub fn num_unbound_pools(&self) -> usize {
        self.shared.pools.count_unbound().0
    }

    /// Threads that run, or wait for, closures of `spawn_blocking`.
    pub fn num_blocking_threads(&self) -> usize {
        self.shared.blocking.threads()
    }

    /// How often a poll used more than `cpu_intensive_threshold` of CPU time.
    pub fn cpu_intensive_count(&self) -> u64 {
        self.sum(|s| s.cpu_intensive.get())
    }

    /// How often a worker thread could not be made.
    pub fn thread_creation_failures(&self) -> u64 {
        self.sum(|s| s.thread_failures.get())
    }

    /// How often a detector could not do its work on a core and left it to the monitor: a worker
    /// could not be pinned or got no switch ring, or somebody changed the sentinel's affinity.
    pub fn detector_failures(&self) -> u64 {
        self.sum(|s| s.sentinel_failures.get() + s.ring_failures.get() + s.pin_failures.get())
    }

    /// How often a pool was reported that had work and started none for the time of
    /// [`Builder::watchdog`](crate::runtime::Builder::watchdog).
    pub fn stall_reports_count(&self) -> u64 {
        self.shared.watchdog.reports.get()
    }

    /// How often a pool called for rescuers: 10 ms after work began to wait there while all of its
    /// workers were inside tasks and none could be made, and every 100 ms from then on. The
    /// [`reclaim`](crate::workqueue::Builder::reclaim) queues with work in the pool go on; whatever
    /// else waits there waits until a worker returns.
    pub fn maydays_count(&self) -> u64 {
        self.sum(|s| s.maydays.get())
    }

    /// Rescuers that are with a pool.
    pub fn busy_rescuers(&self) -> usize {
        self.shared.rescuers.busy()
    }

    /// How often one more worker was wanted at the cap.
    pub fn cap_hits(&self) -> u64 {
        self.sum(|s| s.cap_hits.get())
    }
}

impl fmt::Debug for RuntimeMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeMetrics")
            .field("workers", &self.num_workers())
            .field("alive_tasks", &self.num_alive_tasks())
            .field("detector", &self.detector())
            .field("takeovers", &self.takeovers_count())
            .field("blocked_workers", &self.blocked_workers())
            .finish_non_exhaustive()
    }
}

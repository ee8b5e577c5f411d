//! What a queue counts for those who look at it: the columns of the kernel's `wq_monitor`.
//!
//! Each pool_workqueue counts for itself, so that CPUs do not share counters. What one has counted
//! that is replaced goes to the queue, under the lock under which it is taken from the queue's table.
//!
//! What has to do with takeover is counted when the poll is over, by the worker itself, from the marks
//! that it finds: the takeover has no time for it.
//!
//! # CPU time
//!
//! The kernel adds a tick to whatever runs at the tick. Here there is no tick, and the CPU clock of a
//! thread costs a system call, twice for each poll. So it is measured, exactly, while
//! [`measure_cpu_time`] is on, and not at all otherwise.

use super::Workqueue;
use super::pwq::PoolWorkqueue;
use super::queue::Common;
use crate::metrics::Counter;
use crate::sys;
use crate::worker::{Flag, Local};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[derive(Debug, Default)]
pub(crate) struct PwqStats {
    /// Items that were activated.
    pub(crate) started: Counter,
    /// CPU time of its items.
    pub(crate) cpu_ns: Counter,
    /// Polls that used more CPU time than the threshold.
    pub(crate) cpu_intensive: Counter,
    /// Items that were raised because urgent ones wait for them.
    pub(crate) boosted: Counter,
    /// Polls whose core another worker took over.
    pub(crate) cm_wakeups: Counter,
    /// Items whose worker was brought back to the CPUs of its pool for them.
    pub(crate) repatriated: Counter,
    /// Times that its pool called for rescuers while it had work there.
    pub(crate) mayday: Arc<Counter>,
    /// Polls of its items by the rescuer.
    pub(crate) rescued: Arc<Counter>,
}

impl PwqStats {
    fn counters(&self) -> [&Counter; 8] {
        let Self { started, cpu_ns, cpu_intensive, boosted, cm_wakeups, .. } = self;
        let Self { repatriated, mayday, rescued, .. } = self;
        [started, cpu_ns, cpu_intensive, boosted, cm_wakeups, repatriated, mayday, rescued]
    }

    /// Adds what another has counted, which counts no more.
    pub(super) fn absorb(&self, other: &Self) {
        for (own, other) in self.counters().into_iter().zip(other.counters()) {
            own.add(other.get());
        }
    }
}

/// What a queue is doing and has done; made by [`Workqueue::stats`]. The columns are those of the
/// kernel's `wq_monitor.py`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Items that were started: futures that were activated, and executions of work items that were.
    pub total: u64,
    /// Items that are queued and not done, inactive ones included.
    pub in_flight: usize,
    /// CPU time that items have used in polls that began while [`measure_cpu_time`] was on.
    pub cpu_time: Duration,
    /// Polls that used more CPU time than `cpu_intensive_threshold`, and lost their core for it.
    pub cpu_intensive: u64,
    /// Polls that blocked, so that another worker went on with the core: the concurrency management
    /// wakeups of the kernel. Counted when the poll ends. On a queue that is `cpu_intensive()` the
    /// core is handed over before each poll; those do not count.
    pub cm_wakeups: u64,
    /// How often a worker of an unbound pool woke up outside of its group of CPUs, and was brought
    /// back, to run an item of the queue.
    pub repatriated: u64,
    /// How often an item was raised because something of high priority waits for it, or, by a flush
    /// of the queue, all that a pool had of it.
    pub boosted: u64,
    /// How often a pool that had work of the queue called for its rescuer.
    pub mayday: u64,
    /// Polls and calls of items by the rescuer.
    pub rescued: u64,
}

impl Workqueue {
    /// What the queue is doing and has done. Each number is that of its moment; it costs a lock per
    /// pool.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cmwq::main]
    /// # async fn main() -> Result<(), cmwq::workqueue::BuildError> {
    /// let queue = cmwq::Workqueue::builder().build()?;
    /// queue.spawn(async {}).await.unwrap();
    /// assert_eq!(queue.stats().total, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn stats(&self) -> Stats {
        let mut in_flight = 0;
        let sum = PwqStats::default();
        self.queue.for_each_stats(|stats, items| {
            sum.absorb(stats);
            in_flight += items;
        });
        Stats {
            total: sum.started.get(),
            in_flight,
            cpu_time: Duration::from_nanos(sum.cpu_ns.get()),
            cpu_intensive: sum.cpu_intensive.get(),
            cm_wakeups: sum.cm_wakeups.get(),
            repatriated: sum.repatriated.get(),
            boosted: sum.boosted.get(),
            mayday: sum.mayday.get(),
            rescued: sum.rescued.get(),
        }
    }
}

static MEASURES_CPU: AtomicBool = AtomicBool::new(false);

/// Begins or ends to measure the CPU time of the items of all workqueues, for
/// [`Stats::cpu_time`]. Off at the start of the process; while it is on, each poll of an item reads the
/// thread's CPU clock twice, some 0.5 us.
pub fn measure_cpu_time(on: bool) {
    MEASURES_CPU.store(on, Ordering::Relaxed);
}

/// The thread's CPU time at the start of an execution, if it is to be measured.
pub(super) fn cpu_time() -> Option<u64> {
    if MEASURES_CPU.load(Ordering::Relaxed) { sys::thread::own_cpu_time_ns() } else { None }
}

/// An execution is over, on this thread.
pub(super) fn executed(pwq: &PoolWorkqueue, local: Option<&Local>, began: Option<u64>) {
    let stats = &pwq.stats;
    if let Some(began) = began
        && let Some(now) = sys::thread::own_cpu_time_ns()
    {
        stats.cpu_ns.add(now.saturating_sub(began));
    }
    let Some(flags) = local.map(|local| &local.worker().flags) else { return };
    if flags.take(Flag::Repatriated) {
        stats.repatriated.increment();
    }
    if flags.has(Flag::CpuIntensive) {
        stats.cpu_intensive.increment();
    } else if flags.has(Flag::Lost) && !pwq.common.flags.cpu_intensive {
        stats.cm_wakeups.increment();
    }
}

impl Common {
    /// Takes over what a pool_workqueue has counted that was replaced.
    pub(super) fn inherit_stats(&self, pwq: &PoolWorkqueue) {
        self.past.absorb(&pwq.stats);
    }
}

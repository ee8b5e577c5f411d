//! The text of [`dump`]: what there is and what it does, in the manner of the kernel's `wq_dump.py`.
//!
//! No task runs under any lock that is taken here, so it works beside tasks that are blocked for good.

use super::Scope;
use super::pwq::PoolWorkqueue;
use super::queue::{Flags, Queue};
use crate::inspect::{QueueNames, RescuerLook, WorkerLook};
use crate::pool::{PoolKind, WorkerPool};
use crate::runtime::{Handle, Shared};
use std::fmt::{self, Write};
use std::sync::Arc;

/// The state of all pools and workqueues of a runtime, as text; made by [`dump`].
///
/// It has three parts: the affinity scopes with their pods of CPUs; the pools with their workers, what
/// each runs, since when, and in which system call it is blocked; the queues with their limits,
/// rescuers and pool_workqueues. The text is for people and may change.
#[derive(Clone, Debug)]
pub struct Dump(String);

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the pools and workqueues of the runtime that this thread is in are doing. It works beside
/// blocked tasks; what it says of two workers may be of two moments.
///
/// # Panics
///
/// Outside of a runtime; see
/// [`Handle::dump_workqueues`](crate::runtime::Handle::dump_workqueues).
///
/// # Examples
///
/// ```
/// # #[cmwq::main]
/// # async fn main() -> Result<(), cmwq::workqueue::BuildError> {
/// let log = cmwq::Workqueue::builder().name("log").ordered().build()?;
/// let text = cmwq::workqueue::dump().to_string();
/// assert!(text.contains("log: unbound, ordered"));
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn dump() -> Dump {
    Handle::current().dump_workqueues()
}

impl Handle {
    /// What the pools and workqueues of this runtime are doing; see
    /// [`workqueue::dump`](crate::workqueue::dump).
    pub fn dump_workqueues(&self) -> Dump {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = write_all(&mut text, &self.shared);
        Dump(text)
    }
}

fn write_all(text: &mut String, shared: &Shared) -> fmt::Result {
    let queues = shared.queues.all();
    writeln!(text, "Affinity scopes\n===============")?;
    let scopes =
        [Scope::Cpu, Scope::Smt, Scope::CacheShard, Scope::Cache, Scope::Numa, Scope::System];
    for scope in scopes {
        let pods = shared.topology().pools(scope, &shared.pools.site.allowed);
        write!(text, "{:<11} {} pods:", format!("{scope:?}"), pods.len())?;
        pods.iter().try_for_each(|cpus| write!(text, " [{cpus}]"))?;
        writeln!(text)?;
    }

    writeln!(text, "\nWorker pools\n============")?;
    let names = QueueNames::of(&queues);
    for core in shared.all_cores().filter(|core| core.pool.cores[0] == core.index) {
        write_pool(text, shared, &core.pool, &names)?;
    }

    writeln!(text, "\nWorkqueues\n==========")?;
    queues.iter().try_for_each(|queue| write_queue(text, queue))
}

fn write_pool(
    text: &mut String,
    shared: &Shared,
    pool: &WorkerPool,
    names: &QueueNames,
) -> fmt::Result {
    let workers: Vec<_> =
        pool.cores.iter().flat_map(|&core| WorkerLook::of_core(shared, core, names)).collect();
    let idle = workers.iter().filter(|worker| !worker.is_busy()).count();
    if pool.is_released() && workers.is_empty() {
        return Ok(());
    }
    write!(text, "{pool}: ")?;
    match (pool.kind, pool.attrs()) {
        (PoolKind::Unbound, Some(attrs)) => {
            write!(text, "unbound, CPUs {}, nice {}", attrs.cpus, attrs.nice)?;
            if let Some((wanted, got)) = pool.refused_nice(shared) {
                write!(text, " (its threads were refused {wanted} and have {got})")?;
            }
        }
        (kind, _) => {
            let core = shared.core(pool.cores[0]);
            let away = if core.is_disassociated(shared) { ", which is away" } else { "" };
            match core.cpu {
                Some(cpu) => write!(text, "bound to CPU {cpu}{away}")?,
                None => write!(text, "of core {}, not pinned", pool.number)?,
            }
            if kind == PoolKind::HighPriority {
                write!(text, ", high priority, nice {}", shared.pools.high_nice())?;
                if let Some((wanted, _)) = pool.refused_nice(shared) {
                    write!(text, " ({wanted} was refused)")?;
                }
            }
        }
    }
    let released = if pool.is_released() { ", released" } else { "" };
    let (cores, waiting) = (pool.cores.len(), pool.worklist.len());
    writeln!(
        text,
        ", {cores} polls at once, {} workers ({idle} idle), {waiting} items wait{released}",
        workers.len()
    )?;
    workers.iter().try_for_each(|worker| writeln!(text, "  {worker}"))
}

fn write_queue(text: &mut String, queue: &Arc<Queue>) -> fmt::Result {
    let limit = |limit: Option<usize>| limit.map_or("none".into(), |limit| limit.to_string());
    let (limits, is_frozen, is_draining) = queue.settings_for_dump();
    write!(text, "{}: ", queue.common.name)?;
    write_flags(text, queue.common.flags)?;
    write!(text, ", max_active {}", limit(limits.max))?;
    if queue.common.flags.unbound {
        write!(text, ", min_active {}", limit(limits.min))?;
    }
    let states = [(is_frozen, ", frozen"), (is_draining, ", draining or destroyed")];
    states.iter().filter(|(is, _)| *is).try_for_each(|(_, state)| text.write_str(state))?;
    if !queue.common.flags.ordered {
        queue
            .node_limits()
            .iter()
            .try_for_each(|(node, taken, max)| write!(text, ", node {node}: {taken} of {max}"))?;
    }
    writeln!(text)?;
    let common = &queue.common;
    if let Some(rescuer) = &common.rescuer {
        writeln!(text, "  {}", RescuerLook::of(&common.shared, rescuer.rescuer()))?;
    }
    queue.pwqs().iter().try_for_each(|pwq| write_pwq(text, pwq))
}

fn write_flags(text: &mut String, flags: Flags) -> fmt::Result {
    text.write_str(if flags.unbound { "unbound" } else { "bound" })?;
    let others = [
        (flags.ordered, "ordered"),
        (flags.high_priority, "high priority"),
        (flags.cpu_intensive, "CPU intensive"),
        (flags.reclaim, "reclaim"),
        (flags.freezable, "freezable"),
    ];
    others.iter().filter(|(is, _)| *is).try_for_each(|(_, flag)| write!(text, ", {flag}"))
}

fn write_pwq(text: &mut String, pwq: &PoolWorkqueue) -> fmt::Result {
    let (in_flight, inactive) = pwq.load();
    write!(text, "  on {}: {in_flight} in flight, {inactive} of them inactive", pwq.pool())?;
    if pwq.common.flags.reclaim {
        let (mayday, rescued) = (pwq.stats.mayday.get(), pwq.stats.rescued.get());
        write!(text, ", {mayday} calls for the rescuer, {rescued} polls by it")?;
    }
    writeln!(text)
}

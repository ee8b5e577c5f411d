//! From settings to a running runtime.

use super::builder::{Builder, Pin};
use super::config::{Config, Naming};
use super::error::BuildError;
use super::shared::{Original, Shared};
use super::{Handle, Runtime};
use crate::detect::{self, Detector, Refusal, Sentinel};
use crate::inspect;
use crate::pool::{Core, Parts, PoolKind, Site, WorkerPool, Works};
use crate::sys;
use crate::sys::affinity::CpuSet;
use crate::time::Clock;
use crate::topology::{self, Topology};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What `Shared::new` is given.
pub(super) struct SharedParts {
    pub(super) cores: Box<[Box<Core>]>,
    pub(super) config: Config,
    pub(super) refusals: Vec<Refusal>,
    pub(super) detector: Detector,
    pub(super) original: Original,
    pub(super) clock: Arc<Clock>,
    pub(super) site: Site,
}

/// The default of `max_workers_per_core`.
const MAX_WORKERS: usize = 256;
/// Fewer do not make a pool: a holder and a standby.
const MIN_WORKERS: usize = 2;
/// The index of a worker has 16 bits in a verdict; more threads than this help nobody.
const WORKERS_LIMIT: usize = 1 << 12;

/// The most cores: Linux knows no more CPUs. A task has 16 bits for its core, extra ones included, and
/// for its list of owned tasks, of which each core has several.
const CORES_LIMIT: usize = 1 << 13;

/// The smallest stack. Ours alone overflow one of 32 KiB in a debug build; the rest is for a task that
/// prints or panics.
const MIN_STACK: usize = 128 << 10;

/// Names of threads that are made up ahead.
const SPARE_NAMES: usize = 4;

/// The pinned runtimes that live in this process.
static PINNED: AtomicUsize = AtomicUsize::new(0);

/// Counts one of them.
pub(super) struct PinClaim(());

impl PinClaim {
    /// Of a runtime that is pinned whatever there is.
    fn take() -> Self {
        PINNED.fetch_add(1, Ordering::AcqRel);
        Self(())
    }

    /// Of one that is pinned if it is the only one.
    fn take_if_first() -> Option<Self> {
        let first = PINNED.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed);
        first.is_ok().then(|| Self(()))
    }
}

impl Drop for PinClaim {
    fn drop(&mut self) {
        PINNED.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The cores of a runtime and where they are.
struct Layout {
    /// The CPU of each core, where pinned.
    cpus: Vec<Option<usize>>,
    allowed: CpuSet,
    claim: Option<PinClaim>,
}

impl Layout {
    fn is_pinned(&self) -> bool {
        self.cpus.iter().any(Option::is_some)
    }
}

pub(super) fn build(builder: &Builder) -> Result<Runtime, BuildError> {
    check(builder)?;
    let layout = layout(builder)?;
    let power_efficient = power_efficient(builder)?;
    let (wanted, asked_by) = wanted_detector(builder)?;
    let selection = detect::select(wanted, layout.is_pinned())
        .map_err(|refusal| BuildError::detector(&refusal, asked_by))?;
    let clock = Arc::new(clock(builder));
    let topology = Topology::read(Path::new("/"));
    let site = Site {
        topology,
        allowed: layout.allowed.clone(),
        timer_granularity: builder.timer_granularity,
        cap: max_workers(builder, layout.cpus.len())?,
        detector: selection.detector,
        hook: selection.hook.clone(),
        clock: clock.clone(),
    };
    site.prepare(layout.cpus.len())
        .map_err(|error| BuildError::os("make the bells of the bpf detector", error))?;
    let cores = (0..layout.cpus.len())
        .map(|index| core(builder, &layout, &site, index))
        .collect::<Result<_, BuildError>>()?;
    let shared = Arc::new(Shared::new(SharedParts {
        cores,
        config: builder.config(power_efficient),
        refusals: selection.refusals,
        detector: selection.detector,
        original: Original::capture(),
        clock,
        site,
    }));
    let runtime = Runtime::from_parts(Handle { shared: shared.clone() }, layout.claim);
    // From here on an error drops the runtime, which stops what has started.
    start(&shared)?;
    announce(&shared);
    Ok(runtime)
}

/// Are the values possible, each by itself?
fn check(builder: &Builder) -> Result<(), BuildError> {
    if let Naming::Fixed(name) = &builder.naming
        && name.contains('\0')
    {
        return Err(BuildError::config(format!(
            "thread_name({name:?}): the name of a thread has no NUL in it"
        )));
    }
    if let Some(cores) = builder.cores.filter(|&cores| cores > CORES_LIMIT) {
        return Err(BuildError::config(format!(
            "worker_threads({cores}): a runtime has at most {CORES_LIMIT} cores; blocked tasks bring \
             further threads by themselves"
        )));
    }
    if builder.stack_size < MIN_STACK {
        return Err(BuildError::config(format!(
            "thread_stack_size({}): the threads of a runtime need at least {MIN_STACK} bytes",
            builder.stack_size
        )));
    }
    Ok(())
}

fn wanted_detector(builder: &Builder) -> Result<(Detector, &'static str), BuildError> {
    let name = std::env::var_os("CMWQ_DETECTOR").filter(|name| !name.is_empty());
    let Some(name) = name else { return Ok((builder.detector, "Builder::detector")) };
    let detector = name
        .to_string_lossy()
        .parse()
        .map_err(|error| BuildError::config(format!("CMWQ_DETECTOR: {error}")))?;
    Ok((detector, "CMWQ_DETECTOR"))
}

/// What the builder says, or else the environment.
fn power_efficient(builder: &Builder) -> Result<bool, BuildError> {
    if let Some(power_efficient) = builder.power_efficient {
        return Ok(power_efficient);
    }
    let Some(value) = std::env::var_os("CMWQ_POWER_EFFICIENT") else { return Ok(false) };
    match value.as_encoded_bytes() {
        b"1" => Ok(true),
        b"0" | b"" => Ok(false),
        _ => Err(BuildError::config(format!(
            "CMWQ_POWER_EFFICIENT is {value:?}; it is 1 (power-efficient workqueues are unbound) or 0"
        ))),
    }
}

fn layout(builder: &Builder) -> Result<Layout, BuildError> {
    let allowed = topology::allowed_cpus();
    if builder.current_thread {
        if builder.cpus.is_some() || builder.cores.is_some_and(|cores| cores != 1) {
            return Err(BuildError::config(
                "new_current_thread() with worker_threads or cpus: it has one core, which is the \
                 thread in block_on; use new_multi_thread()",
            ));
        }
        return Ok(Layout { cpus: vec![None], allowed, claim: None });
    }
    let chosen = chosen_cpus(builder, &allowed)?;
    let count = builder.cores.unwrap_or_else(|| match &builder.cpus {
        Some(cpus) => cpus.len(),
        None => std::thread::available_parallelism().map_or(1, Into::into),
    });
    let claim = match builder.pin {
        Pin::Never => None,
        Pin::Auto if builder.cpus.is_none() && !suits_pinning(count, &allowed) => None,
        Pin::Auto => PinClaim::take_if_first(),
        Pin::Always => {
            let cpus = chosen.iter().cycle().take(count).map(|&cpu| Some(cpu)).collect();
            return Ok(Layout { cpus, allowed, claim: Some(PinClaim::take()) });
        }
    };
    let cpus = (0..count).map(|core| claim.as_ref().map(|_| chosen[core % chosen.len()])).collect();
    Ok(Layout { cpus, allowed, claim })
}

fn chosen_cpus(builder: &Builder, allowed: &CpuSet) -> Result<Vec<usize>, BuildError> {
    let Some(cpus) = &builder.cpus else { return Ok(allowed.iter().collect()) };
    if builder.pin == Pin::Never {
        return Err(BuildError::config(
            "cpus contradicts pin(Pin::Never): they are the CPUs to pin to; leave one of them out",
        ));
    }
    if let Some(cpu) = cpus.iter().find(|&&cpu| !allowed.contains(cpu)) {
        return Err(BuildError::config(format!(
            "cpus: CPU {cpu} is not among those that this process may use ({allowed})"
        )));
    }
    let distinct: CpuSet = cpus.iter().copied().collect();
    if cpus.is_empty() || distinct.len() != cpus.len() {
        return Err(BuildError::config("cpus: the list must name at least one CPU, and each once"));
    }
    if let Some(cores) = builder.cores.filter(|&cores| cores != cpus.len()) {
        return Err(BuildError::config(format!(
            "worker_threads({cores}) contradicts cpus with {} CPUs; leave one of them out",
            cpus.len()
        )));
    }
    Ok(cpus.clone())
}

/// Pinned workers leave a CPU idle that another process uses, so they must fill what we may use.
fn suits_pinning(cores: usize, allowed: &CpuSet) -> bool {
    let quota = sys::limits::cgroup_cpu_quota();
    cores == allowed.len() && quota.is_none_or(|quota| quota >= cores as f64)
}

#[cfg(feature = "test-util")]
fn clock(builder: &Builder) -> Clock {
    let clock = Clock::new();
    if builder.start_paused {
        clock.pause();
    }
    clock
}

#[cfg(not(feature = "test-util"))]
fn clock(_builder: &Builder) -> Clock {
    Clock::new()
}

fn max_workers(builder: &Builder, cores: usize) -> Result<usize, BuildError> {
    match builder.max_workers_per_core {
        Some(workers) if !(MIN_WORKERS..=WORKERS_LIMIT).contains(&workers) => {
            Err(BuildError::config(format!(
                "max_workers_per_core({workers}): it takes {MIN_WORKERS} (a holder and a standby) \
                 to {WORKERS_LIMIT}"
            )))
        }
        Some(workers) => Ok(workers),
        None => {
            let limits = [sys::limits::nproc(), sys::limits::cgroup_pids_max()];
            let lowest = limits.into_iter().flatten().min().unwrap_or(u64::MAX) as usize;
            let blocking = builder.max_blocking_threads.map(|threads| threads.div_ceil(cores));
            let asked = blocking.map_or(MAX_WORKERS, |extra| extra.saturating_add(MIN_WORKERS));
            Ok((lowest / cores).min(asked).clamp(MIN_WORKERS, MAX_WORKERS))
        }
    }
}

/// Makes a core on its node.
fn core(
    builder: &Builder,
    layout: &Layout,
    site: &Site,
    index: usize,
) -> Result<Box<Core>, BuildError> {
    let make = || core_here(builder, layout, site, index);
    match layout.cpus[index] {
        Some(cpu) if site.topology.nodes().count() > 1 => {
            sys::affinity::run_on(&CpuSet::single(cpu), make)
        }
        _ => make(),
    }
}

fn core_here(
    builder: &Builder,
    layout: &Layout,
    site: &Site,
    index: usize,
) -> Result<Box<Core>, BuildError> {
    let cpu = layout.cpus[index];
    let Works { driver, park, timers, watch } =
        site.works().map_err(|error| BuildError::os("make a core's I/O driver", error))?;
    let sentinel = (site.detector == Detector::Idle).then(Arc::<Sentinel>::default);
    let core = Box::new(Core::new(Parts {
        index,
        is_default: true,
        bound_to: Some(index),
        cpu,
        wide: wide(layout, &site.topology, index),
        neighbours: neighbours(layout, &site.topology, index),
        cap: site.cap,
        open: !builder.current_thread,
        pool: Arc::new(WorkerPool::bound(PoolKind::Normal, cpu.unwrap_or(index), index)),
        driver,
        park,
        timers,
        sentinel,
        watch,
    }));
    site.bring(&core);
    Ok(core)
}

/// The allowed CPUs of the core's node.
fn wide(layout: &Layout, topology: &Topology, index: usize) -> CpuSet {
    layout.cpus[index].map_or_else(CpuSet::new, |cpu| {
        layout.allowed.intersection(&topology.node_cpus(topology.node_of(cpu)))
    })
}

/// The other cores, nearest first; in turn where the workers are not pinned.
fn neighbours(layout: &Layout, topology: &Topology, index: usize) -> Box<[usize]> {
    let count = layout.cpus.len();
    let in_turn = (1..count).map(|step| (index + step) % count);
    let Some(own) = layout.cpus[index] else { return in_turn.collect() };
    let cpus: Vec<usize> = layout.cpus.iter().flatten().copied().collect();
    let groups = topology.steal_order(own, &cpus);
    let rank = |core: usize| {
        let cpu = layout.cpus[core];
        groups.iter().position(|group| cpu.is_some_and(|cpu| group.contains(&cpu)))
    };
    let mut order: Vec<usize> = in_turn.collect();
    // Stable: within a group each core begins with the one after itself. Our own CPU is in no group
    // and comes first: a core that shares it.
    order.sort_by_key(|&core| rank(core).map_or(0, |group| group + 1));
    order.into()
}

fn start(shared: &Arc<Shared>) -> Result<(), BuildError> {
    let refused = |error| BuildError::os("start its threads", error);
    // For the first threads of each core, and some in reserve: from here on each thread that starts
    // makes up the name of a later one.
    for _ in 0..2 * shared.cores.len() + SPARE_NAMES {
        shared.names.prepare(&shared.config.naming);
    }
    detect::spawn_monitor(shared).map_err(refused)?;
    if shared.cores.iter().any(|core| core.cpu.is_some()) {
        shared.start_hotplug();
    }
    // Without its thread stalls are counted, and nobody tells of them.
    let _ = inspect::spawn_watchdog(shared);
    for core in 0..shared.cores.len() {
        if !shared.config.current_thread {
            shared.staff(core).map_err(refused)?;
        } else if crate::worker::spawn(shared, core).is_err() {
            // Without a standby it works, and takeover waits for the manager to make one.
            shared.monitor.request_worker(&shared.cores[core]);
        }
        if shared.cores[core].sentinel.is_some() {
            detect::spawn_sentinel(shared, core).map_err(refused)?;
        }
    }
    Ok(())
}

/// Says once which detector is in use, and why a better one is not.
fn announce(shared: &Shared) {
    tracing::debug!(
        target: "cmwq",
        cores = shared.cores.len(),
        pinned = shared.cores.iter().any(|core| core.cpu.is_some()),
        detector = shared.detector.name(),
        membarrier = !shared.fences_pushes(),
        "runtime started"
    );
    for refusal in &shared.refusals {
        tracing::info!(
            target: "cmwq",
            detector = refusal.detector.name(),
            reason = %refusal.reason,
            "detector refused"
        );
    }
}

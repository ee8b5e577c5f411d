//! What a core is built from, once the runtime runs: where the machine's CPUs are, and the settings.

use super::{Core, CorePark, Parts, PoolAttrs, Watch, WorkerPool};
use crate::detect::{Detector, Sentinel};
use crate::sys::affinity::CpuSet;
use crate::sys::bpf::Hook;
use crate::time::{Clock, Timers};
use crate::topology::Topology;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Read once, when the runtime is built.
pub(crate) struct Site {
    pub(crate) topology: Topology,
    /// The CPUs that the process could use then; never empty.
    pub(crate) allowed: CpuSet,
    pub(crate) timer_granularity: Duration,
    /// Of workers per core.
    pub(crate) cap: usize,
    pub(crate) detector: Detector,
    /// With the bpf detector: the program that rings.
    pub(crate) hook: Option<Arc<Hook>>,
    pub(crate) clock: Arc<Clock>,
}

/// The half of a core that needs the operating system.
pub(crate) struct Works {
    pub(crate) driver: cmwq_io::driver::Driver,
    pub(crate) park: Arc<CorePark>,
    pub(crate) timers: Arc<Timers>,
    pub(crate) watch: Option<Watch>,
}

impl Site {
    /// Makes driver, wheel and what the detector needs.
    pub(crate) fn works(&self) -> io::Result<Works> {
        let (driver, io) = cmwq_io::driver::Driver::new()?;
        let park = Arc::new(CorePark::new(io));
        let unpark = park.clone();
        let timers = Timers::new(
            self.clock.clone(),
            self.timer_granularity,
            Box::new(move || unpark.unpark()),
        );
        Ok(Works { driver, park, timers, watch: self.watch()? })
    }

    /// Makes what so many cores will need of the detector at once, which is faster than one by one.
    pub(crate) fn prepare(&self, cores: usize) -> io::Result<()> {
        match &self.hook {
            // Dropped, they are at hand.
            Some(hook) => hook.bells(cores).map(drop),
            None => Ok(()),
        }
    }

    /// With a detector that has a standby watch.
    fn watch(&self) -> io::Result<Option<Watch>> {
        if !matches!(self.detector, Detector::Perf | Detector::Bpf) {
            return Ok(None);
        }
        let bell = match &self.hook {
            Some(hook) => hook.bells(1)?.pop(),
            None => None,
        };
        Watch::new(bell).map(Some)
    }

    /// A core on the CPU of `normal`, whose sentinel it shares.
    pub(super) fn high_priority(
        &self,
        normal: &Core,
        index: usize,
        pool: Arc<WorkerPool>,
    ) -> io::Result<Box<Core>> {
        let (cpu, wide) = (normal.cpu, normal.wide.clone());
        let (bound_to, sentinel) = (Some(normal.index), normal.sentinel.clone());
        self.extra(Extra { index, bound_to, cpu, wide, sentinel, open: true, pool })
    }

    /// A core of an unbound pool.
    pub(super) fn unbound(&self, index: usize, pool: Arc<WorkerPool>) -> io::Result<Box<Core>> {
        let (wide, sentinel) = (CpuSet::new(), None);
        self.extra(Extra { index, bound_to: None, cpu: None, wide, sentinel, open: false, pool })
    }

    fn extra(&self, extra: Extra) -> io::Result<Box<Core>> {
        let Works { driver, park, timers, watch } = self.works()?;
        let core = Box::new(Core::new(Parts {
            index: extra.index,
            cpu: extra.cpu,
            wide: extra.wide,
            neighbours: [].into(),
            cap: self.cap,
            is_default: false,
            bound_to: extra.bound_to,
            open: extra.open,
            pool: extra.pool,
            driver,
            park,
            timers,
            sentinel: extra.sentinel,
            watch,
        }));
        self.bring(&core);
        Ok(core)
    }

    /// What the pool of these attributes is really like.
    pub(super) fn effective(&self, attrs: &PoolAttrs) -> PoolAttrs {
        let usable = attrs.cpus.intersection(&self.allowed);
        let cpus = if usable.is_empty() { self.allowed.clone() } else { usable };
        let roam = attrs.roam.intersection(&self.allowed).iter().chain(cpus.iter()).collect();
        PoolAttrs { cpus, roam, nice: attrs.nice.clamp(-20, 19) }
    }

    /// Above the number of every CPU that the process could use.
    pub(super) fn cpu_limit(&self) -> usize {
        self.allowed.iter().last().map_or(1, |cpu| cpu + 1)
    }
}

/// What extra cores differ in.
struct Extra {
    index: usize,
    bound_to: Option<usize>,
    cpu: Option<usize>,
    wide: CpuSet,
    sentinel: Option<Arc<Sentinel>>,
    open: bool,
    pool: Arc<WorkerPool>,
}

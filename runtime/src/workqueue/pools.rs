//! Which pools serve a queue.

use super::attrs::Attrs;
use super::pwq::PoolHold;
use crate::runtime::Shared;
use crate::sys::affinity::CpuSet;
use crate::topology::{Scope, Topology, allowed_cpus};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// One pool of an unbound queue.
pub(super) struct Pod {
    pub(super) cpus: CpuSet,
    pub(super) node: usize,
    pub(super) pool: PoolHold,
}

/// The bound pool of a core.
pub(super) fn bound(shared: &Arc<Shared>, core: usize, _high: bool) -> io::Result<PoolHold> {
    Ok(Box::new(shared.cores[core].pool.clone()))
}

/// The machine that the runtime is on.
pub(super) fn topology(_shared: &Arc<Shared>) -> Topology {
    Topology::read(Path::new("/"))
}

/// The CPUs that unbound queues may use.
pub(super) fn usable(shared: &Arc<Shared>) -> CpuSet {
    shared.original.cpus.clone().unwrap_or_else(allowed_cpus)
}

/// The CPUs of a queue: those that it asks for and may use; if there are none, all that it may use.
pub(super) fn effective(shared: &Arc<Shared>, attrs: &Attrs) -> CpuSet {
    let usable = usable(shared);
    let asked = attrs.cpus.as_ref().map(|cpus| cpus.intersection(&usable));
    asked.filter(|cpus| !cpus.is_empty()).unwrap_or(usable)
}

/// The pools of an unbound queue, one for each instance of its scope; one for all of an ordered one.
pub(super) fn unbound(
    shared: &Arc<Shared>,
    topology: &Topology,
    attrs: &Attrs,
    ordered: bool,
) -> io::Result<Vec<Pod>> {
    let cpus = effective(shared, attrs);
    let scope = if ordered { Scope::System } else { attrs.scope };
    let pods = topology.pools(scope, &cpus).into_iter();
    pods.map(|cpus| {
        let first = cpus.iter().next().unwrap_or(0);
        let core = shared.cores.iter().position(|core| core.cpu == Some(first));
        let core = core.unwrap_or(first % shared.cores.len());
        let pool = bound(shared, core, false)?;
        Ok(Pod { node: topology.node_of(first), cpus, pool })
    })
    .collect()
}

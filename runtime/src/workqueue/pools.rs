//! Which pools serve a queue.

use super::attrs::Attrs;
use super::pwq::PoolHold;
use crate::pool::PoolAttrs;
use crate::runtime::Shared;
use crate::sys::affinity::CpuSet;
use crate::topology::{Scope, Topology, allowed_cpus};
use std::io;
use std::sync::Arc;

/// One pool of an unbound queue.
pub(super) struct Pod {
    pub(super) cpus: CpuSet,
    pub(super) node: usize,
    pub(super) pool: PoolHold,
}

/// The bound pool of a core.
pub(super) fn bound(shared: &Arc<Shared>, core: usize, high: bool) -> io::Result<PoolHold> {
    Ok(Box::new(shared.bound_pool(core, high)?))
}

/// The unbound pool of these attributes.
pub(super) fn of_attrs(shared: &Arc<Shared>, attrs: &PoolAttrs) -> io::Result<PoolHold> {
    Ok(Box::new(shared.unbound_pool(attrs)?))
}

/// The CPUs that unbound queues may use.
pub(super) fn usable(shared: &Arc<Shared>) -> CpuSet {
    shared.original.cpus.clone().unwrap_or_else(allowed_cpus)
}

/// The CPUs of a queue.
pub(super) fn effective(shared: &Arc<Shared>, attrs: &Attrs) -> CpuSet {
    chosen(shared.topology(), &usable(shared), attrs)
}

/// Those that it asks for and may use; if there are none, all that it may use but isolated ones.
fn chosen(topology: &Topology, usable: &CpuSet, attrs: &Attrs) -> CpuSet {
    let asked = attrs.cpus.as_ref().map(|cpus| cpus.intersection(usable));
    asked.filter(|cpus| !cpus.is_empty()).unwrap_or_else(|| topology.housekeeping(usable))
}

/// The pools of an unbound queue, one for each instance of its scope; one for all of an ordered one.
pub(super) fn unbound(shared: &Arc<Shared>, attrs: &Attrs, ordered: bool) -> io::Result<Vec<Pod>> {
    let topology = shared.topology();
    let scope = if ordered { Scope::System } else { attrs.scope };
    let all = effective(shared, attrs);
    let pods = topology.pools(scope, &all).into_iter();
    pods.map(|cpus| {
        let node = cpus.iter().next().map_or(0, |first| topology.node_of(first));
        let wanted = if attrs.strict {
            PoolAttrs::strict(cpus.clone(), attrs.nice)
        } else {
            PoolAttrs { cpus: cpus.clone(), roam: all.clone(), nice: attrs.nice }
        };
        Ok(Pod { cpus, node, pool: of_attrs(shared, &wanted)? })
    })
    .collect()
}

#[cfg(all(test, not(cmwq_loom)))]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn isolated_cpus_are_left_out_unless_asked_for() {
        let root = tempfile::tempdir().unwrap();
        let system = root.path().join("sys/devices/system/cpu");
        fs::create_dir_all(&system).unwrap();
        fs::write(system.join("online"), "0-3\n").unwrap();
        fs::write(system.join("isolated"), "2-3\n").unwrap();
        let topology = Topology::read(root.path());
        let usable: CpuSet = (0..4).collect();
        let chosen = |attrs| chosen(&topology, &usable, &attrs);
        assert_eq!(chosen(Attrs::new()), [0, 1].into_iter().collect());
        assert_eq!(chosen(Attrs::new().cpus([1, 2])), [1, 2].into_iter().collect());
        assert_eq!(chosen(Attrs::new().cpus([9])), [0, 1].into_iter().collect(), "it has none");
    }
}

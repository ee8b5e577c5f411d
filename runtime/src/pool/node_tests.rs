//! On which NUMA nodes the structures of pools are, in the virtual machine of `tests/guest/run`.

use super::pool_tests::eventually;
use super::{Core, PoolAttrs};
use crate::runtime::{Builder, Detector, Pin};
use crate::sys;
use crate::sys::affinity::{self, CpuSet};
use crate::worker::Worker;

/// The nodes of the first and the last byte.
fn ends_of<T>(thing: &T) -> [Option<usize>; 2] {
    let start = std::ptr::from_ref(thing).cast::<u8>();
    [start, start.wrapping_add(size_of::<T>() - 1)].map(sys::numa::node_of)
}

/// Workers whose thread is at work, and so has brought them to their node.
fn at_work(core: &Core) -> impl Iterator<Item = &Worker> {
    core.crew.iter().filter(|worker| worker.tid() != 0)
}

/// Waits until a holder and a standby are at work, and looks where all that is.
fn assert_on(core: &Core, node: usize) {
    eventually("its threads have begun", || at_work(core).count() >= 2);
    let nodes: Vec<_> = ends_of(core).into_iter().chain(at_work(core).flat_map(ends_of)).collect();
    assert!(nodes.iter().all(|&on| on == Some(node)), "core {}: {nodes:?}", core.index);
}

#[test]
fn structures_are_on_the_node_of_their_cpus() {
    if std::env::var_os("CMWQ_GUEST").is_none() {
        let name = "structures_are_on_the_node_of_their_cpus";
        return eprintln!("SKIPPED {name}: runs in tests/guest/run");
    }
    // Made from a thread on node 0, where all of it would be otherwise.
    affinity::set(0, &CpuSet::single(0)).unwrap();
    affinity::set(0, &CpuSet::from_iter(0..4)).unwrap();
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.pin(Pin::Always).detector(Detector::Monitor).build().unwrap();
    affinity::set(0, &CpuSet::single(0)).unwrap();
    let shared = &runtime.handle().shared;
    for core in &shared.cores {
        assert_on(core, shared.topology().node_of(core.cpu.unwrap()));
    }
    let high = shared.bound_pool(3, true).unwrap();
    assert_on(shared.core(high.cores[0]), 1);
    for (node, cpus) in [(1, 2..4), (0, 0..2)] {
        let pool = shared.unbound_pool(&PoolAttrs::strict(cpus.collect(), 0)).unwrap();
        for &core in &pool.cores {
            // The first has threads already, the others get them when work waits.
            if !shared.core(core).reopen() {
                shared.staff(core).unwrap();
            }
            assert_on(shared.core(core), node);
        }
    }
}

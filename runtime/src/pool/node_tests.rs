//! On which NUMA nodes the structures of pools are, in the virtual machine of `tests/guest/run`.

use super::pool_tests::eventually;
use super::{Core, PoolAttrs};
use crate::runtime::{Builder, Detector, Pin};
use crate::sys;
use crate::sys::affinity::{self, CpuSet};

/// The nodes of a core, from its first to its last byte, and of the workers that it has.
fn nodes_of(core: &Core) -> Vec<Option<usize>> {
    let node_of = |address: *const u8| sys::numa::node_of(address);
    let start = std::ptr::from_ref(core).cast::<u8>();
    let own = [node_of(start), node_of(start.wrapping_add(size_of::<Core>() - 1))];
    let workers = core.crew.iter().flat_map(|worker| {
        [node_of(std::ptr::from_ref(worker).cast()), node_of(worker.ring.slots().as_ptr().cast())]
    });
    own.into_iter().chain(workers).collect()
}

/// Waits until a holder and a standby are at work, and looks where all that is.
fn assert_on(core: &Core, node: usize) {
    let at_work = || core.crew.iter().filter(|worker| worker.tid() != 0).count() >= 2;
    eventually("its threads have begun", at_work);
    let nodes = nodes_of(core);
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

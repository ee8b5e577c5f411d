//! Memory on the node of the CPUs that use it.
//!
//! What is touched first on a node is there, so cores are made by a thread that may use only the
//! pool's CPUs, and a worker is made by its thread, which has taken the pool's CPUs before. That is
//! enough for fresh memory only. Allocators give memory out again that was touched elsewhere; the C
//! library does so with stacks too, and the top page of one is written by the thread's creator. So
//! on a machine with several nodes what matters is moved after it was made: a core and a worker, which
//! have their pages for themselves, and the upper part of its stack. Where the kernel refuses that (filters
//! of containers do), the first touch has to do.
//!
//! A pool whose CPUs are on several nodes has no node.

use super::{Core, Site, WorkerPool};
use crate::sys;
use crate::sys::affinity::CpuSet;
use crate::worker::Worker;

/// What a recycled stack may keep, and more: the C library keeps 16 KiB.
const STACK_BELOW: usize = 32 << 10;
/// What is above the first frames of ours: those of `std`, and the thread's own data.
const STACK_ABOVE: usize = 8 << 10;

impl Site {
    /// The node of these CPUs, if that makes a difference.
    fn node(&self, cpus: &CpuSet) -> Option<usize> {
        let matters = self.topology.nodes().count() > 1;
        self.topology.common_node(cpus).filter(|_| matters)
    }

    fn node_of_pool(&self, core: &Core, pool: &WorkerPool) -> Option<usize> {
        match core.cpu {
            Some(cpu) => self.node(&CpuSet::single(cpu)),
            None => self.node(&pool.attrs()?.cpus),
        }
    }

    /// Moves a core that was just made to its node.
    pub(crate) fn bring(&self, core: &Core) {
        if let Some(node) = self.node_of_pool(core, &core.pool) {
            bring(node, core);
            bring(node, &*core.timers);
            bring(node, &*core.park);
        }
    }

    /// Moves the worker of the calling thread, which has the pool's CPUs, and the stack that it is on.
    pub(crate) fn bring_thread(&self, core: &Core, worker: &Worker) {
        let Some(node) = self.node_of_pool(core, &core.pool) else { return };
        bring(node, worker);
        let here = 0_u8;
        let low = (&raw const here).wrapping_sub(STACK_BELOW);
        // Refused by filters; pages that are not there are passed over.
        let _ = sys::numa::move_to(node, low, STACK_BELOW + STACK_ABOVE);
    }
}

fn bring<T: ?Sized>(node: usize, thing: &T) {
    // See above for refusals.
    let _ = sys::numa::move_to(node, std::ptr::from_ref(thing).cast(), size_of_val(thing));
}

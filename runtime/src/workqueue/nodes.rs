//! The limit of an unbound queue, shared out over the NUMA nodes.
//!
//! `max_active` of an unbound queue holds for the whole system, but one counter for all CPUs would
//! be a bottleneck, so each node gets a part: in proportion to its CPUs, and at least `min_active`.
//! The parts may add up to more than the whole, as in the kernel. pool_workqueues of one node take
//! turns when a slot becomes free.
//!
//! The lock of a node is taken before those of its pool_workqueues.

use super::pwq::PoolWorkqueue;
use super::slots::{DEFAULT_WORK, Slots};
use crate::sync_types::{Mutex, MutexGuard, lock};
use crate::sys::affinity::CpuSet;
use crate::topology::Topology;
use std::collections::VecDeque;
use std::sync::Arc;

/// The slots of one node, and who waits for one.
pub(crate) struct Node {
    /// The kernel's number of it.
    pub(super) id: usize,
    state: Mutex<NodeState>,
}

pub(super) struct NodeState {
    pub(super) slots: Slots,
    /// pool_workqueues with inactive items, in turn.
    pub(super) waiting: VecDeque<Arc<PoolWorkqueue>>,
}

impl Node {
    pub(super) fn new(id: usize) -> Self {
        let state = NodeState { slots: Slots::new(None), waiting: VecDeque::new() };
        Self { id, state: Mutex::new(state) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, NodeState> {
        lock(&self.state)
    }

    #[cfg(all(test, not(cmwq_loom)))]
    pub(super) fn is_locked(&self) -> bool {
        crate::sync_types::try_lock(&self.state).is_none()
    }
}

/// The smallest `min_active` that is not asked for, as in the kernel.
const MIN_ACTIVE: usize = 8;

/// The limit of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) max: Option<usize>,
    pub(super) min: Option<usize>,
}

impl Limits {
    /// A node's part of `max`.
    fn part(self, max: usize, node_cpus: usize, cpus: usize) -> usize {
        let min = self.min.unwrap_or(MIN_ACTIVE).min(max);
        // A limit may be as large as `usize` goes.
        let part = (max as u128 * node_cpus as u128).div_ceil(cpus.max(1) as u128);
        usize::try_from(part).unwrap_or(max).clamp(min, max)
    }

    /// Shares the limit out over nodes, by the CPUs that the queue may use now.
    pub(super) fn share_out(self, nodes: &[Arc<Node>], topology: &Topology, cpus: &CpuSet) {
        for node in nodes {
            let own = topology.node_cpus(node.id).intersection(cpus).len();
            let max = self.max.map(|max| self.part(max, own, cpus.len()));
            let default_work = self.part(DEFAULT_WORK, own, cpus.len());
            node.lock().slots.set_max(max, default_work);
        }
    }
}

#[cfg(all(test, not(cmwq_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_node_gets_its_part_but_not_less_than_the_minimum() {
        let limits = |max, min| Limits { max: Some(max), min };
        let part = |max, min, own, cpus| limits(max, min).part(max, own, cpus);
        assert_eq!(part(100, None, 1, 4), 25);
        assert_eq!(part(101, None, 1, 4), 26, "rounded up");
        assert_eq!(part(16, None, 1, 4), 8, "the default minimum");
        assert_eq!(part(4, None, 1, 4), 4, "which is not more than the limit");
        assert_eq!(part(16, Some(2), 1, 4), 4);
        assert_eq!(part(16, Some(2), 0, 4), 2, "a node without CPUs of the queue");
    }

    #[test]
    fn a_part_of_the_largest_limit_does_not_overflow() {
        let part = |max, own, cpus| Limits { max: Some(max), min: None }.part(max, own, cpus);
        const HALF: usize = 1 << (usize::BITS - 1);
        assert_eq!(part(usize::MAX, 4, 4), usize::MAX);
        assert_eq!(part(usize::MAX, 1, 2), usize::MAX / 2 + 1, "rounded up");
        assert_eq!(part(HALF, 2, 2), HALF);
        assert_eq!(part(HALF, 2, 4), HALF / 2);
    }
}

//! Affinity scopes: how CPUs are grouped into pools.

use std::collections::BTreeMap;

use super::{Cpu, Topology};
use crate::sys::affinity::CpuSet;

/// Which CPUs belong together, as `workqueue.default_affinity_scope` of the kernel names them, from
/// the smallest groups to the largest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Scope {
    /// Each CPU alone.
    Cpu,
    /// The SMT siblings of a core.
    Smt,
    /// Parts of the CPUs that share a last-level cache: at most 8 cores, of about the same size.
    /// Siblings stay together.
    #[default]
    CacheShard,
    /// The CPUs of a NUMA node that share a last-level cache.
    Cache,
    /// The CPUs of a NUMA node.
    Numa,
    /// All.
    System,
}

impl Topology {
    /// Divides `allowed` by `scope`: the CPU sets of the pools of a queue. Each CPU is in exactly one
    /// set, no set is empty, and they come in the order of their lowest CPU.
    ///
    /// A CPU that is offline is placed as the module's essay says, not left out.
    pub fn pools(&self, scope: Scope, allowed: &CpuSet) -> Vec<CpuSet> {
        let mut pools = Vec::<CpuSet>::new();
        let mut index = BTreeMap::new();
        for cpu in allowed.iter() {
            let at = *index.entry(self.group(scope, cpu)).or_insert(pools.len());
            if at == pools.len() {
                pools.push(CpuSet::new());
            }
            pools[at].insert(cpu);
        }
        pools
    }

    /// The set of [`pools`](Self::pools) that serves `cpu`: the allowed CPUs of its group, or all of
    /// `allowed` if none of the group is allowed.
    ///
    /// The second case is the kernel's for bound CPUs that are not in the mask of the queue. Where
    /// the node is to be kept, ask [`nearest_node_with`](Self::nearest_node_with) first.
    #[allow(dead_code, reason = "asked where a CPU comes or goes, which is yet to come")]
    pub fn pool_of(&self, scope: Scope, cpu: usize, allowed: &CpuSet) -> CpuSet {
        let group = self.group(scope, cpu);
        let pool: CpuSet =
            allowed.iter().filter(|&other| self.group(scope, other) == group).collect();
        if pool.is_empty() { allowed.clone() } else { pool }
    }

    /// What the group of `cpu` is called: its lowest CPU, or the number of the node.
    fn group(&self, scope: Scope, cpu: usize) -> usize {
        let Cpu { core, shard, llc, node, .. } = self.cpu(cpu);
        match scope {
            Scope::Cpu => cpu,
            Scope::Smt => core,
            Scope::CacheShard => shard,
            Scope::Cache => llc,
            Scope::Numa => node,
            Scope::System => 0,
        }
    }
}

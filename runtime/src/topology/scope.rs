//! Affinity scopes: how CPUs are grouped into pools.

use std::collections::BTreeMap;

use super::{Cpu, Topology};
use crate::sys::affinity::CpuSet;

/// The most cores in one [`Scope::CacheShard`], as in the kernel.
const SHARD_CORES: usize = 8;

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
    CacheShard,
    /// The CPUs that share a last-level cache.
    #[default]
    Cache,
    /// The CPUs of a NUMA node.
    Numa,
    /// All.
    System,
}

impl Topology {
    /// Divides `cpus` by `scope`. Each CPU is in exactly one group, no group is empty, and they come
    /// in the order of their lowest CPU.
    pub fn partition(&self, scope: Scope, cpus: &CpuSet) -> Vec<CpuSet> {
        match scope {
            Scope::Cpu => cpus.iter().map(CpuSet::single).collect(),
            Scope::Smt => self.group(cpus, |cpu| cpu.core),
            Scope::CacheShard => {
                let caches = self.group(cpus, |cpu| cpu.llc);
                let mut shards: Vec<CpuSet> =
                    caches.iter().flat_map(|cache| self.shards(cache)).collect();
                shards.sort_by_key(|shard| shard.iter().next());
                shards
            }
            Scope::Cache => self.group(cpus, |cpu| cpu.llc),
            Scope::Numa => self.group(cpus, |cpu| cpu.node),
            Scope::System => self.group(cpus, |_| 0),
        }
    }

    fn group(&self, cpus: &CpuSet, key: impl Fn(Cpu) -> usize) -> Vec<CpuSet> {
        let mut groups = Vec::<CpuSet>::new();
        let mut index = BTreeMap::new();
        for cpu in cpus.iter() {
            let at = *index.entry(key(self.cpu(cpu))).or_insert(groups.len());
            if at == groups.len() {
                groups.push(CpuSet::new());
            }
            groups[at].insert(cpu);
        }
        groups
    }

    /// Divides the CPUs of one cache into as few shards as possible, then evenly.
    fn shards(&self, cache: &CpuSet) -> Vec<CpuSet> {
        let cores = self.group(cache, |cpu| cpu.core);
        let count = cores.len().div_ceil(SHARD_CORES);
        (0..count)
            .map(|shard| {
                let part = shard * cores.len() / count..(shard + 1) * cores.len() / count;
                cores[part].iter().flat_map(CpuSet::iter).collect()
            })
            .collect()
    }
}

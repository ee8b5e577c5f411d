//! Which CPUs share what.

use super::{Cpu, Topology};
use crate::sys::affinity::CpuSet;

impl Topology {
    /// The online CPUs, of which the process may be allowed only a part: see [`allowed_cpus`].
    pub fn online(&self) -> CpuSet {
        self.cpus.keys().copied().collect()
    }

    /// The CPUs of the physical core that `cpu` belongs to, itself included.
    pub fn siblings(&self, cpu: usize) -> CpuSet {
        self.like(cpu, |cpu| cpu.core)
    }

    /// The CPUs that share their last-level cache with `cpu`, itself included.
    pub fn llc_cpus(&self, cpu: usize) -> CpuSet {
        self.like(cpu, |cpu| cpu.llc)
    }

    /// The CPUs in the same package (socket) as `cpu`, itself included.
    pub fn package_cpus(&self, cpu: usize) -> CpuSet {
        self.like(cpu, |cpu| cpu.package)
    }

    /// The kernel's numbers of the online NUMA nodes, at least one, lowest first.
    pub fn nodes(&self) -> impl Iterator<Item = usize> + '_ {
        self.nodes.iter().map(|node| node.id)
    }

    /// The node that all of `cpus` are on; `None` if there is more than one, or no CPU.
    pub fn common_node(&self, cpus: &CpuSet) -> Option<usize> {
        let mut nodes = cpus.iter().map(|cpu| self.node_of(cpu));
        let first = nodes.next()?;
        nodes.all(|node| node == first).then_some(first)
    }

    /// The nearest node to `node` that has CPUs in `allowed`: itself, else the one at the lowest
    /// distance, and of several the one with the lowest number. `None` if `allowed` is empty.
    ///
    /// For what belongs to a node of memory only, or to one whose CPUs are offline or not allowed.
    pub fn nearest_node_with(&self, node: usize, allowed: &CpuSet) -> Option<usize> {
        let nodes = allowed.iter().map(|cpu| self.node_of(cpu));
        nodes.min_by_key(|&other| (other != node, self.distance(node, other), other))
    }

    /// The CPUs that the administrator has taken out of load balancing, by `isolcpus=` or by an
    /// isolated cpuset partition.
    pub fn isolated(&self) -> &CpuSet {
        &self.isolated
    }

    /// `allowed` without the isolated CPUs: where unbound work goes unless it asks for others.
    ///
    /// If all of them are isolated, `allowed` itself: somebody has put this process there on
    /// purpose.
    pub fn housekeeping(&self, allowed: &CpuSet) -> CpuSet {
        let rest: CpuSet = allowed.iter().filter(|&cpu| !self.isolated.contains(cpu)).collect();
        if rest.is_empty() { allowed.clone() } else { rest }
    }

    /// The CPUs for which `what` is the same as for `cpu`.
    fn like(&self, cpu: usize, what: impl Fn(Cpu) -> usize) -> CpuSet {
        let group = what(self.cpu(cpu));
        let mut set: CpuSet = self
            .cpus
            .iter()
            .filter(|(_, info)| what(**info) == group)
            .map(|(&cpu, _)| cpu)
            .collect();
        set.insert(cpu);
        set
    }
}

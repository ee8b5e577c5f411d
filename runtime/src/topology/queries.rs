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

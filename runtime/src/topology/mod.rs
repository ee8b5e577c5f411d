//! Which CPUs there are, and how near they are to each other.
//!
//! The scheduler asks four questions: on which CPUs may this process run ([`allowed_cpus`]), from
//! which core should an idle one steal first ([`Topology::steal_order`]), which CPUs share a pool
//! ([`Topology::pools`] by [`Scope`]), and which node serves one without CPUs of its own
//! ([`Topology::nearest_node_with`]). The answers come from sysfs, read once:
//!
//! | what | file below `/sys/devices/system` |
//! |---|---|
//! | online CPUs | `cpu/online` |
//! | SMT siblings | `cpu/cpuN/topology/core_cpus_list`, before Linux 5.3 `thread_siblings_list` |
//! | package | `cpu/cpuN/topology/physical_package_id` |
//! | last-level cache | `cpu/cpuN/cache/index*/{level,type,shared_cpu_list}`, the highest level |
//! | NUMA nodes | `node/online`, `node/nodeN/{cpulist,distance}` |
//! | isolated CPUs | `cpu/isolated` (`isolcpus=`), `/sys/fs/cgroup/cpuset.cpus.isolated` |
//!
//! Where a list is missing, the hexadecimal mask beside it is read instead: the caches of POWER have
//! had no list before Linux 5.14. The root folder is a parameter, so that a tree of files describes
//! any machine to the tests; `tests/fixtures/topology` has some real ones.
//!
//! # Groups do not depend on who asks
//!
//! Each CPU is in one group of every scope, and the groups nest: a core in a shard, a shard in a
//! cache, a cache in a node. What a queue is allowed is cut out of the groups afterwards, so that two
//! queues with different masks agree on which CPUs belong together, as in the kernel. A cache that
//! spans nodes (sub-NUMA clustering) is cut at their borders, as the kernel does it: a task that was
//! queued from a node must not leave it because of the default scope.
//!
//! # What is missing is assumed
//!
//! A container may hide `/sys`, a virtual machine may have no caches, an offline CPU has no
//! `topology` folder. Reading never fails: a CPU without siblings is a core of its own; without
//! cache information the CPUs of one package and node share one; without packages and nodes there is
//! one of each. A CPU that sysfs does not list at all is taken as a core of its own in the first
//! CPU's cache and node. A wrong guess costs some speed and nothing else: nothing here is used to
//! decide whether something may run.
//!
//! # State
//!
//! None that changes. A [`Topology`] is a snapshot, which a runtime keeps: it uses no CPU that it did
//! not have from the beginning, and where a CPU is does not change while it is offline. Cores, caches and packages are named by their lowest CPU, nodes by the
//! kernel's number: sysfs has ids for all of them, but the ids of cores repeat in each package, and
//! those of caches are missing on older kernels.
//!
//! # Rejected
//!
//! - hwloc: a C library for what ten small files say.
//! - CPUID: reports the machine below the hypervisor or nothing, and is one architecture's.
//! - The distances as weights for stealing: the order is all that a thief needs.

#[cfg_attr(not(test), expect(dead_code, reason = "what only tests ask so far"))]
mod queries;
mod scope;
mod shard;
mod steal;
mod sysfs;

pub use scope::Scope;

use std::collections::BTreeMap;
use std::path::Path;

use crate::sys::affinity::{self, CpuSet};

/// A snapshot of the machine: its CPUs and what they share.
#[derive(Clone, Debug)]
pub struct Topology {
    cpus: BTreeMap<usize, Cpu>,
    nodes: Vec<Node>,
    /// What `Topology::isolated` says; some may be offline.
    isolated: CpuSet,
}

/// What one CPU shares with others; each group is named by its lowest CPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Cpu {
    core: usize,
    /// Part of the cache; see `shard`.
    shard: usize,
    llc: usize,
    package: usize,
    /// The kernel's number of the NUMA node.
    node: usize,
}

/// One NUMA node, with or without CPUs.
#[derive(Clone, Debug)]
struct Node {
    id: usize,
    /// To each node, in the order of `Topology::nodes`; empty if unknown.
    distances: Vec<u32>,
}

impl Topology {
    /// Reads the topology of the machine whose `/` is `root`.
    ///
    /// Never fails; what cannot be read is assumed as the module's essay says. Some milliseconds on
    /// a large machine.
    pub fn read(root: &Path) -> Topology {
        sysfs::read(root)
    }

    /// The kernel's number of the NUMA node that `cpu` is on.
    pub fn node_of(&self, cpu: usize) -> usize {
        self.cpu(cpu).node
    }

    /// The online CPUs of a NUMA node; empty for a node of memory only and for an unknown one.
    pub fn node_cpus(&self, node: usize) -> CpuSet {
        self.cpus.iter().filter(|(_, info)| info.node == node).map(|(&cpu, _)| cpu).collect()
    }

    /// How far memory of node `to` is from CPUs of node `from`: 10 within a node, more beyond
    /// (20: twice the latency). Where the machine does not say, 10 and 20.
    pub fn distance(&self, from: usize, to: usize) -> u32 {
        let index = |id| self.nodes.iter().position(|node| node.id == id);
        let known = index(from)
            .zip(index(to))
            .and_then(|(from, to)| self.nodes[from].distances.get(to).copied());
        known.unwrap_or(if from == to { 10 } else { 20 })
    }

    fn cpu(&self, cpu: usize) -> Cpu {
        let unknown = || {
            let first = self.cpus.values().next().copied();
            let first =
                first.unwrap_or(Cpu { core: cpu, shard: cpu, llc: cpu, package: cpu, node: 0 });
            Cpu { core: cpu, ..first }
        };
        self.cpus.get(&cpu).copied().unwrap_or_else(unknown)
    }
}

/// The CPUs that the calling thread may run on; never empty.
///
/// Unlike `std::thread::available_parallelism` it says which, and leaves the cgroup quota out. Where
/// the kernel refuses to say, the first CPUs are assumed, as many as `available_parallelism` says.
/// Call it before the thread is pinned.
pub fn allowed_cpus() -> CpuSet {
    let guess = || (0..std::thread::available_parallelism().map_or(1, |n| n.get())).collect();
    affinity::current().ok().filter(|cpus| !cpus.is_empty()).unwrap_or_else(guess)
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod machines;
#[cfg(test)]
mod tests;

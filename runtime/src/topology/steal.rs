//! From whom an idle core steals first.

use super::Topology;

impl Topology {
    /// The CPUs of `among` without `cpu`, in groups from the nearest to the farthest: the same
    /// last-level cache, the same NUMA node, then the other nodes, those at one distance together.
    /// A group that would be empty is left out.
    ///
    /// Within a group each CPU begins with its next higher neighbour, so that thieves on different
    /// CPUs do not all go to the same victim.
    pub fn steal_order(&self, cpu: usize, among: &[usize]) -> Vec<Vec<usize>> {
        let own = self.cpu(cpu);
        let rank = |other: usize| {
            let info = self.cpu(other);
            if info.llc == own.llc {
                (0, 0)
            } else if info.node == own.node {
                (1, 0)
            } else {
                (2, self.distance(own.node, info.node))
            }
        };
        let mut others: Vec<usize> = among.iter().copied().filter(|&other| other != cpu).collect();
        // `false` sorts first: the higher numbers, then from the start again.
        others.sort_by_key(|&other| (rank(other), other < cpu, other));
        others.dedup();
        others.chunk_by(|&a, &b| rank(a) == rank(b)).map(<[usize]>::to_vec).collect()
    }
}

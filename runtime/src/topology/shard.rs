//! Cuts the CPUs of a large cache into shards.
//!
//! One pool for all CPUs of a cache is one lock for all of them, and there are caches with 70 cores.
//! The kernel's answer is [`Scope::CacheShard`](super::scope::Scope): at most 8 cores to a shard,
//! siblings together, the sizes within a cache at most one core apart, the larger ones first. (The
//! kernel's documentation says "at most 8" while its code takes the number of shards that brings the
//! average closest to 8, up to 11 cores in one; here it is at most 8.)

use std::collections::{BTreeMap, BTreeSet};

use super::Cpu;

/// The most cores in a shard, the kernel's `workqueue.cache_shard_size`.
const CORES: usize = 8;

/// Fills in the shard of each CPU from its core and its cache.
pub(super) fn assign(cpus: &mut BTreeMap<usize, Cpu>) {
    let mut caches = BTreeMap::<usize, BTreeSet<usize>>::new();
    for cpu in cpus.values() {
        caches.entry(cpu.llc).or_default().insert(cpu.core);
    }
    let mut shard_of = BTreeMap::new();
    for cores in caches.values() {
        let cores: Vec<usize> = cores.iter().copied().collect();
        let count = cores.len().div_ceil(CORES);
        let mut rest = cores.as_slice();
        for shards_left in (1..=count).rev() {
            let shard;
            (shard, rest) = rest.split_at(rest.len().div_ceil(shards_left));
            shard_of.extend(shard.iter().map(|&core| (core, shard[0])));
        }
    }
    for cpu in cpus.values_mut() {
        cpu.shard = shard_of[&cpu.core];
    }
}

//! Reads the files that the essay of the module lists.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use super::{Cpu, Node, Topology, allowed_cpus, shard};
use crate::sys::affinity::CpuSet;

pub(super) fn read(root: &Path) -> Topology {
    let system = root.join("sys/devices/system");
    let online = online(&system.join("cpu")).unwrap_or_else(allowed_cpus);
    let (nodes, node_of) = nodes(&system.join("node"));
    let first_node = nodes[0].id;

    let mut cpus = BTreeMap::new();
    // The lowest CPU of each package, and of each package and node: what has no cache
    // information shares one with those.
    let (mut packages, mut caches) = (BTreeMap::new(), BTreeMap::new());
    for cpu in online.iter() {
        let folder = system.join(format!("cpu/cpu{cpu}"));
        let lowest = |set: CpuSet| set.intersection(&online).iter().next();

        let node = node_of.get(&cpu).copied().unwrap_or(first_node);
        let id: i64 = number(&folder.join("topology/physical_package_id")).unwrap_or(-1);
        let package = *packages.entry(id).or_insert(cpu);
        let shared = *caches.entry((id, node)).or_insert(cpu);

        let topology = folder.join("topology");
        let core = list_or_mask(&topology, "core_cpus_list", "core_cpus")
            .or_else(|| list_or_mask(&topology, "thread_siblings_list", "thread_siblings"));
        let cache = last_level_cache(&folder.join("cache")).map(|cache| {
            let here = |other: &usize| node_of.get(other).copied().unwrap_or(first_node) == node;
            cache.iter().filter(here).collect()
        });
        let core = core.and_then(lowest).unwrap_or(cpu);
        let llc = cache.and_then(lowest).unwrap_or(shared);
        cpus.insert(cpu, Cpu { core, shard: core, llc, package, node });
    }
    shard::assign(&mut cpus);
    Topology { cpus, nodes, isolated: isolated(root) }
}

/// What either of two files names: `isolcpus=` at boot, and the isolated partitions of cpusets. The
/// latter is seen in the root group only, so not from inside most containers.
fn isolated(root: &Path) -> CpuSet {
    let files = ["sys/devices/system/cpu/isolated", "sys/fs/cgroup/cpuset.cpus.isolated"];
    let sets: Vec<CpuSet> = files.iter().filter_map(|file| list(&root.join(file))).collect();
    sets.iter().flat_map(CpuSet::iter).collect()
}

/// The online CPUs, from the list or else from the folders; `None` if there are none.
fn online(folder: &Path) -> Option<CpuSet> {
    let folders = || numbered(folder, "cpu").into_iter().collect();
    let cpus: CpuSet = list(&folder.join("online")).unwrap_or_else(folders);
    (!cpus.is_empty()).then_some(cpus)
}

/// The CPUs that share the cache of the highest level.
fn last_level_cache(folder: &Path) -> Option<CpuSet> {
    let caches = numbered(folder, "index").into_iter().filter_map(|index| {
        let cache = folder.join(format!("index{index}"));
        let instructions = text(&cache.join("type")).is_some_and(|kind| kind == "Instruction");
        let level: u32 = number(&cache.join("level"))?;
        let cpus = list_or_mask(&cache, "shared_cpu_list", "shared_cpu_map")?;
        (!instructions && !cpus.is_empty()).then_some((level, cpus))
    });
    caches.max_by_key(|(level, _)| *level).map(|(_, cpus)| cpus)
}

/// The nodes, at least one, and the node of each CPU.
fn nodes(folder: &Path) -> (Vec<Node>, BTreeMap<usize, usize>) {
    let ids: Vec<usize> = match list(&folder.join("online")) {
        Some(online) => online.iter().collect(),
        None => numbered(folder, "node"),
    };
    let mut node_of = BTreeMap::new();
    let count = ids.len();
    let mut nodes: Vec<Node> = ids
        .into_iter()
        .map(|id| {
            let folder = folder.join(format!("node{id}"));
            let cpus = list_or_mask(&folder, "cpulist", "cpumap").unwrap_or_default();
            node_of.extend(cpus.iter().map(|cpu| (cpu, id)));
            let row = text(&folder.join("distance")).unwrap_or_default();
            let distances: Result<Vec<u32>, _> = row.split_whitespace().map(str::parse).collect();
            // A row is about the online nodes; of another length, it cannot be told which they are.
            let distances = distances.ok().filter(|row| row.len() == count).unwrap_or_default();
            Node { id, distances }
        })
        .collect();
    if nodes.is_empty() {
        nodes.push(Node { id: 0, distances: Vec::new() });
    }
    (nodes, node_of)
}

/// The numbers N of the entries `prefixN` of a folder, lowest first.
fn numbered(folder: &Path, prefix: &str) -> Vec<usize> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut numbers: Vec<usize> = entries
        .filter_map(|entry| entry.file_name().to_str()?.strip_prefix(prefix)?.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers
}

/// Without white space at the ends, and without the NUL that Linux 5.15 has behind the newline of
/// some lists.
fn text(file: &Path) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    Some(text.trim_matches(|c: char| c.is_whitespace() || c == '\0').to_owned())
}

fn number<T: FromStr>(file: &Path) -> Option<T> {
    text(file)?.parse().ok()
}

fn list(file: &Path) -> Option<CpuSet> {
    CpuSet::from_list(&text(file)?).ok()
}

fn list_or_mask(folder: &Path, list_file: &str, mask_file: &str) -> Option<CpuSet> {
    list(&folder.join(list_file)).or_else(|| mask(&text(&folder.join(mask_file))?))
}

/// Reads words of 32 bits in hexadecimal with commas between them, the highest first.
fn mask(text: &str) -> Option<CpuSet> {
    let mut cpus = CpuSet::new();
    for (index, word) in text.rsplit(',').enumerate() {
        let word = u32::from_str_radix(word, 16).ok()?;
        let bits = (0..32).filter(|bit| word & (1 << bit) != 0);
        bits.for_each(|bit| cpus.insert(index * 32 + bit));
    }
    Some(cpus)
}

//! Reads the files that the essay of the module lists.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use super::{Cpu, Node, Topology, allowed_cpus};
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

        let core = list(&folder.join("topology/core_cpus_list"))
            .or_else(|| list(&folder.join("topology/thread_siblings_list")));
        cpus.insert(
            cpu,
            Cpu {
                core: core.and_then(lowest).unwrap_or(cpu),
                llc: last_level_cache(&folder.join("cache")).and_then(lowest).unwrap_or(shared),
                package,
                node,
            },
        );
    }
    Topology { cpus, nodes }
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
        let cpus = list(&cache.join("shared_cpu_list")).filter(|cpus| !cpus.is_empty())?;
        (!instructions).then_some((level, cpus))
    });
    caches.max_by_key(|(level, _)| *level).map(|(_, cpus)| cpus)
}

/// The nodes, at least one, and the node of each CPU.
fn nodes(folder: &Path) -> (Vec<Node>, BTreeMap<usize, usize>) {
    let ids = match list(&folder.join("online")) {
        Some(online) => online.iter().collect(),
        None => numbered(folder, "node"),
    };
    let mut node_of = BTreeMap::new();
    let mut nodes: Vec<Node> = ids
        .into_iter()
        .map(|id| {
            let folder = folder.join(format!("node{id}"));
            let cpus = list(&folder.join("cpulist")).unwrap_or_default();
            node_of.extend(cpus.iter().map(|cpu| (cpu, id)));
            let row = text(&folder.join("distance")).unwrap_or_default();
            let distances: Result<Vec<u32>, _> = row.split_whitespace().map(str::parse).collect();
            Node { id, distances: distances.unwrap_or_default() }
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

fn text(file: &Path) -> Option<String> {
    Some(fs::read_to_string(file).ok()?.trim().to_owned())
}

fn number<T: FromStr>(file: &Path) -> Option<T> {
    text(file)?.parse().ok()
}

fn list(file: &Path) -> Option<CpuSet> {
    CpuSet::from_list(&text(file)?).ok()
}

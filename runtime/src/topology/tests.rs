use super::fixture::{Machine, server};
use super::scope::Scope;
use super::*;

fn set(list: &str) -> CpuSet {
    CpuSet::from_list(list).unwrap()
}

fn lists(groups: &[CpuSet]) -> Vec<String> {
    groups.iter().map(CpuSet::to_string).collect()
}

fn pools(topology: &Topology, scope: Scope, cpus: &str) -> Vec<String> {
    lists(&topology.pools(scope, &set(cpus)))
}

#[test]
fn reads_a_server() {
    let server = server();
    assert_eq!(server.online(), set("0-15"));
    assert_eq!(server.siblings(13), set("5,13"));
    assert_eq!(server.llc_cpus(5), set("4-5,12-13"));
    assert_eq!(server.package_cpus(5), set("4-7,12-15"));
    assert_eq!((server.node_of(3), server.node_of(4)), (0, 1));
    assert_eq!(server.node_cpus(1), set("4-7,12-15"));
    assert_eq!(server.nodes().collect::<Vec<_>>(), [0, 1]);
    assert_eq!((server.distance(0, 0), server.distance(0, 1), server.distance(0, 9)), (10, 21, 20));
}

#[test]
fn pools_of_every_scope() {
    let server = server();
    let all = "0-15";
    assert_eq!(pools(&server, Scope::Cpu, all).len(), 16);
    assert_eq!(pools(&server, Scope::Smt, all).len(), 8);
    assert_eq!(pools(&server, Scope::Smt, "0-1,8"), ["0,8", "1"]);
    let caches = ["0-1,8-9", "2-3,10-11", "4-5,12-13", "6-7,14-15"];
    assert_eq!(pools(&server, Scope::Cache, all), caches);
    assert_eq!(pools(&server, Scope::CacheShard, all), caches);
    assert_eq!(pools(&server, Scope::Numa, all), ["0-3,8-11", "4-7,12-15"]);
    assert_eq!(pools(&server, Scope::Numa, "5-6"), ["5-6"]);
    assert_eq!(pools(&server, Scope::System, "1,15"), ["1,15"]);
    for scope in [Scope::Cpu, Scope::CacheShard, Scope::System] {
        assert!(server.pools(scope, &CpuSet::new()).is_empty());
    }
}

#[test]
fn the_pool_of_a_cpu() {
    let server = server();
    let allowed = set("0-3,12");
    assert_eq!(server.pool_of(Scope::Cache, 9, &allowed), set("0-1"));
    assert_eq!(server.pool_of(Scope::Numa, 9, &allowed), set("0-3"));
    assert_eq!(server.pool_of(Scope::Cpu, 12, &allowed), set("12"));
    // None of its own: all of them.
    assert_eq!(server.pool_of(Scope::Cache, 7, &allowed), allowed);
    assert_eq!(server.common_node(&set("0-3")), Some(0));
    assert_eq!(server.common_node(&allowed), None);
    assert_eq!(server.common_node(&CpuSet::new()), None);
}

#[test]
fn a_cache_ends_at_the_border_of_a_node() {
    let machine = Machine::new();
    machine.file("cpu/online", "0-3").file("node/online", "0-1");
    for cpu in 0..4 {
        machine.cpu(cpu, 0, &cpu.to_string(), "0-3");
    }
    let topology = machine.node(0, "0-1", "10 11").node(1, "2-3", "11 10").read();
    assert_eq!(pools(&topology, Scope::Cache, "0-3"), ["0-1", "2-3"]);
    assert_eq!(pools(&topology, Scope::CacheShard, "0-3"), ["0-1", "2-3"]);
}

#[test]
fn isolated_cpus() {
    let machine = Machine::new();
    machine.file("cpu/online", "0-7").file("cpu/isolated", "6-7");
    let topology = machine.file("../../fs/cgroup/cpuset.cpus.isolated", "4").read();
    assert_eq!(topology.isolated(), &set("4,6-7"));
    assert_eq!(topology.housekeeping(&set("0-7")), set("0-3,5"));
    // Put there on purpose.
    assert_eq!(topology.housekeeping(&set("6-7")), set("6-7"));
}

#[test]
fn masks_where_lists_are_missing() {
    let machine = Machine::new();
    machine.file("cpu/online", "0-1,40").file("node/online", "0-1");
    machine.file("node/node0/cpumap", "00000000,00000003");
    machine.file("node/node1/cpumap", "00000100,00000000");
    for cpu in [0, 1, 40] {
        let core = ["3", "00000100,00000000"][cpu / 40];
        machine.file(&format!("cpu/cpu{cpu}/topology/thread_siblings"), core);
    }
    let topology = machine.read();
    assert_eq!(pools(&topology, Scope::Smt, "0-1,40"), ["0-1", "40"]);
    assert_eq!(topology.node_of(40), 1);
}

#[test]
fn shards_are_even_and_keep_siblings() {
    // One cache, 9 cores of two threads with neighbouring numbers.
    let machine = Machine::new();
    machine.file("cpu/online", "0-17");
    for cpu in 0..18 {
        let first = cpu / 2 * 2;
        machine.cpu(cpu, 0, &format!("{first}-{}", first + 1), "0-17");
    }
    let topology = machine.read();
    assert_eq!(pools(&topology, Scope::CacheShard, "0-17"), ["0-9", "10-17"]);
    // The same shards for every mask.
    assert_eq!(pools(&topology, Scope::CacheShard, "0-15"), ["0-9", "10-15"]);
    assert_eq!(pools(&topology, Scope::CacheShard, "0,2,4-17"), ["0,2,4-9", "10-17"]);
}

#[test]
fn steals_from_the_nearest() {
    let server = server();
    let all: Vec<usize> = (0..16).collect();
    assert_eq!(
        server.steal_order(9, &all),
        [vec![0, 1, 8], vec![10, 11, 2, 3], vec![12, 13, 14, 15, 4, 5, 6, 7]]
    );
    assert_eq!(server.steal_order(0, &[0, 4, 6]), [vec![4, 6]]);
    assert_eq!(server.steal_order(0, &[0]), Vec::<Vec<usize>>::new());
}

#[test]
fn far_nodes_come_by_distance() {
    let machine = Machine::new();
    machine.file("cpu/online", "0-3").file("node/online", "0,2,4,6");
    for (index, node) in [0, 2, 4, 6].into_iter().enumerate() {
        machine.cpu(index, index as i32, &index.to_string(), &index.to_string());
        let row = ["10 30 20 30", "30 10 30 20", "20 30 10 30", "30 20 30 10"][index];
        machine.node(node, &index.to_string(), row);
    }
    let topology = machine.read();
    assert_eq!(topology.steal_order(0, &[0, 1, 2, 3]), [vec![2], vec![1, 3]]);
    assert_eq!(topology.nearest_node_with(0, &set("0-3")), Some(0));
    assert_eq!(topology.nearest_node_with(0, &set("1-3")), Some(4));
    assert_eq!(topology.nearest_node_with(0, &set("1,3")), Some(2));
    assert_eq!(topology.nearest_node_with(0, &CpuSet::new()), None);
}

#[test]
fn a_node_of_memory_only() {
    let machine = Machine::new();
    machine.file("cpu/online", "0-1").file("node/online", "0-1");
    machine.node(0, "0-1", "10 40").node(1, "", "40 10");
    let topology = machine.read();
    assert_eq!(pools(&topology, Scope::Numa, "0-1"), ["0-1"]);
    assert!(topology.node_cpus(1).is_empty());
}

#[test]
fn without_sys() {
    let topology = Machine::new().read();
    assert_eq!(topology.online(), allowed_cpus());
    assert_eq!(topology.nodes().collect::<Vec<_>>(), [0]);
    let cpus = allowed_cpus();
    assert_eq!(topology.pools(Scope::Smt, &cpus).len(), cpus.len());
    for scope in [Scope::Cache, Scope::Numa, Scope::System] {
        assert_eq!(topology.pools(scope, &cpus), std::slice::from_ref(&cpus));
    }
    // A CPU that nobody announced is near all others.
    assert_eq!(topology.siblings(4000), CpuSet::single(4000));
    assert_eq!(topology.pools(Scope::Cache, &set("4000-4001")), [set("4000-4001")]);
}

#[test]
fn without_caches_packages_count() {
    let machine = Machine::new();
    for cpu in 0..4 {
        machine.file(&format!("cpu/cpu{cpu}/topology/thread_siblings_list"), &cpu.to_string());
        let package = (cpu / 2).to_string();
        machine.file(&format!("cpu/cpu{cpu}/topology/physical_package_id"), &package);
    }
    // These are not CPUs.
    machine.file("cpu/cpufreq/policy0", "").file("cpu/cpuidle/current_driver", "none");
    let topology = machine.read();
    assert_eq!(topology.online(), set("0-3"));
    assert_eq!(pools(&topology, Scope::Cache, "0-3"), ["0-1", "2-3"]);
    assert_eq!(pools(&topology, Scope::Numa, "0-3"), ["0-3"]);
}

#[test]
fn lists_that_end_with_nul() {
    let machine = Machine::new();
    machine.file("cpu/online", "0-3").file("node/online", "0-1\n\0");
    let topology = machine.node(0, "0-1\n\0", "10 20").node(1, "2-3\n\0", "20 10").read();
    assert_eq!(pools(&topology, Scope::Numa, "0-3"), ["0-1", "2-3"]);
}

#[test]
fn damaged_files_are_like_missing_ones() {
    let machine = Machine::new();
    machine.file("cpu/online", "0-1").file("node/online", "zero");
    machine.cpu(0, -1, "nobody", "9-8").cpu(1, -1, "", "");
    // Siblings that are offline.
    machine.cpu(0, -1, "64", "64").node(0, "0-1", "ten");
    let topology = machine.read();
    assert_eq!(pools(&topology, Scope::Smt, "0-1"), ["0", "1"]);
    assert_eq!(topology.distance(0, 0), 10);
    assert_eq!(topology.nodes().collect::<Vec<_>>(), [0]);
}

#[test]
fn this_machine() {
    let topology = Topology::read(Path::new("/"));
    let allowed = allowed_cpus();
    assert!(!allowed.is_empty());
    assert_eq!(topology.online().intersection(&allowed), allowed);
    for cpu in allowed.iter() {
        assert!(topology.siblings(cpu).contains(cpu));
        assert!(topology.llc_cpus(cpu).contains(cpu));
        assert!(topology.node_cpus(topology.node_of(cpu)).contains(cpu));
        let among: Vec<usize> = allowed.iter().collect();
        assert_eq!(topology.steal_order(cpu, &among).concat().len(), allowed.len() - 1);
    }
    for scope in [Scope::Cpu, Scope::Smt, Scope::CacheShard, Scope::Cache, Scope::Numa] {
        let groups = topology.pools(scope, &allowed);
        assert_eq!(groups.iter().map(CpuSet::len).sum::<usize>(), allowed.len());
    }
}

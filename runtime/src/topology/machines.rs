//! Real machines; `tests/fixtures/topology/README.md` says which.

use super::fixture::Machine;
use super::scope::Scope;
use super::*;

const SCOPES: [Scope; 6] =
    [Scope::Cpu, Scope::Smt, Scope::CacheShard, Scope::Cache, Scope::Numa, Scope::System];

fn set(list: &str) -> CpuSet {
    CpuSet::from_list(list).unwrap()
}

/// The pools of all online CPUs, as lists.
fn pools(machine: &Topology, scope: Scope) -> Vec<String> {
    machine.pools(scope, &machine.online()).iter().map(CpuSet::to_string).collect()
}

/// How many pools there are of each scope, in the order of `SCOPES`.
fn counts(machine: &Topology) -> [usize; 6] {
    SCOPES.map(|scope| pools(machine, scope).len())
}

/// The groups in which `cpu` steals from all others, as lists.
fn victims(machine: &Topology, cpu: usize) -> Vec<String> {
    let all: Vec<usize> = machine.online().iter().collect();
    let order = machine.steal_order(cpu, &all);
    order.iter().map(|group| group.iter().copied().collect::<CpuSet>().to_string()).collect()
}

#[test]
fn epyc() {
    let Some(files) = Machine::real("epyc-7451") else { return };
    let machine = files.read();
    assert_eq!(machine.online(), set("0-95"));
    assert_eq!(counts(&machine), [96, 48, 16, 16, 8, 1]);
    assert_eq!(machine.siblings(52), set("4,52"));
    assert_eq!(machine.llc_cpus(4), set("3-5,51-53"));
    assert_eq!(machine.node_cpus(0), set("0-5,48-53"));
    assert_eq!(machine.package_cpus(30), set("24-47,72-95"));
    assert_eq!(pools(&machine, Scope::CacheShard), pools(&machine, Scope::Cache));
    assert_eq!(victims(&machine, 0), ["1-2,48-50", "3-5,51-53", "6-47,54-95"]);

    // A container with parts of two nodes.
    let allowed = set("4-7,52-55");
    let parts: Vec<_> = machine.pools(Scope::Cache, &allowed).iter().map(CpuSet::len).collect();
    assert_eq!(parts, [4, 4]);
    assert_eq!(machine.pool_of(Scope::Numa, 0, &allowed), set("4-5,52-53"));
    assert_eq!(machine.pool_of(Scope::Numa, 95, &allowed), allowed);
    assert_eq!(machine.nearest_node_with(1, &allowed), Some(1));

    let isolated = files.file("cpu/isolated", "42-47,90-95").read();
    assert_eq!(isolated.housekeeping(&isolated.online()), set("0-41,48-89"));
    assert_eq!(isolated.online(), machine.online());
}

#[test]
fn kunpeng() {
    let Some(files) = Machine::real("kunpeng-920") else { return };
    let machine = files.read();
    assert_eq!(counts(&machine), [128, 128, 16, 4, 4, 1]);
    assert_eq!(pools(&machine, Scope::CacheShard)[..5], ["0-7", "8-15", "16-23", "24-31", "32-39"]);
    assert_eq!(victims(&machine, 40), ["32-39,41-63", "0-31", "64-95", "96-127"]);
    assert_eq!((machine.distance(1, 2), machine.distance(2, 3)), (25, 16));
    assert_eq!(machine.nearest_node_with(3, &set("0-63")), Some(1));
    assert_eq!(machine.nearest_node_with(0, &set("64-127")), Some(2));
    assert_eq!(machine.nearest_node_with(0, &set("0-127")), Some(0));
}

#[test]
fn power9() {
    let Some(files) = Machine::real("power9-gpus") else { return };
    let machine = files.read();
    assert_eq!(machine.online(), set("0-15,88-103"));
    assert_eq!(machine.nodes().collect::<Vec<_>>(), [0, 8, 250, 251, 252, 253, 254, 255]);
    assert_eq!(counts(&machine), [32, 8, 4, 4, 2, 1]);
    assert_eq!(machine.siblings(90), set("88-91"));
    assert_eq!(pools(&machine, Scope::Cache), ["0-7", "8-15", "88-95", "96-103"]);
    // The node's list says 0-87.
    assert_eq!(machine.node_cpus(0), set("0-15"));
    assert_eq!(victims(&machine, 100), ["96-99,101-103", "88-95", "0-15"]);

    // Memory only.
    assert_eq!(machine.node_cpus(252), CpuSet::new());
    assert_eq!(machine.distance(8, 252), 80);
    assert_eq!(machine.nearest_node_with(252, &machine.online()), Some(0));
    assert_eq!(machine.nearest_node_with(252, &set("91")), Some(8));
    assert_eq!(machine.nearest_node_with(8, &set("0-15")), Some(0));
}

#[test]
fn offline_cpus() {
    let Some(files) = Machine::real("xeon-offline") else { return };
    let machine = files.read();
    assert_eq!(machine.online(), set("4-20"));
    assert_eq!(machine.nodes().collect::<Vec<_>>(), [1]);
    assert_eq!(machine.llc_cpus(5), set("5,7,9,11,13,15,17,19"));
    assert_eq!(machine.package_cpus(5), machine.llc_cpus(5));
    // Its node is not online; there is one.
    assert_eq!((machine.node_of(4), machine.node_of(5)), (1, 1));
    assert_eq!(machine.distance(1, 1), 10);
    assert_eq!(counts(&machine), [17, 17, 3, 2, 1, 1]);
    assert_eq!(
        pools(&machine, Scope::CacheShard),
        ["4,6,8,10,12", "5,7,9,11,13,15,17,19", "14,16,18,20"]
    );
    assert_eq!(victims(&machine, 20), ["4,6,8,10,12,14,16,18", "5,7,9,11,13,15,17,19"]);
    // An offline CPU asks: it has a place, and no other CPU's pool is lost.
    assert_eq!(machine.pool_of(Scope::Numa, 0, &set("5-6")), set("5-6"));
    assert_eq!(machine.pools(Scope::Smt, &set("0,5")), [set("0"), set("5")]);
}

#[test]
fn hybrid() {
    let Some(files) = Machine::real("lakefield") else { return };
    let machine = files.read();
    // The E cores share an L2, all cores the L3, which is the one that counts.
    assert_eq!(counts(&machine), [5, 5, 1, 1, 1, 1]);
    assert_eq!(victims(&machine, 4), ["0-3"]);

    let Some(files) = Machine::real("arm-big-little") else { return };
    let machine = files.read();
    assert_eq!(machine.package_cpus(3), set("3-6"));
    assert_eq!(machine.nodes().collect::<Vec<_>>(), [0]);
    assert_eq!(counts(&machine), [8, 8, 1, 1, 1, 1]);
    assert_eq!(victims(&machine, 7), ["0-6"]);
}

#[test]
fn without_caches() {
    let Some(files) = Machine::real("milkv-pioneer") else { return };
    let machine = files.read();
    assert_eq!(counts(&machine), [64, 64, 8, 4, 4, 1]);
    assert_eq!(machine.node_cpus(0), set("0-7,16-23"));
    assert_eq!(pools(&machine, Scope::Cache), pools(&machine, Scope::Numa));
    assert_eq!(pools(&machine, Scope::CacheShard)[..3], ["0-7", "8-15", "16-23"]);
    assert_eq!(victims(&machine, 17), ["0-7,16,18-23", "8-15,24-63"]);
}

/// The virtual machine of `tests/guest/run`: files of a real kernel instead of a listing.
#[test]
fn the_guest() {
    if std::env::var_os("CMWQ_GUEST").is_none() {
        eprintln!("SKIPPED the_guest: runs in tests/guest/run");
        return;
    }
    let machine = Topology::read(Path::new("/"));
    assert_eq!(machine.nodes().collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(counts(&machine), [4, 4, 2, 2, 2, 1]);
    for scope in [Scope::CacheShard, Scope::Cache, Scope::Numa] {
        assert_eq!(pools(&machine, scope), ["0-1", "2-3"]);
    }
    assert_eq!(victims(&machine, 3), ["2", "0-1"]);
    assert_eq!((machine.distance(0, 1), machine.distance(2, 0)), (21, 40));
    // Memory only.
    assert_eq!(machine.node_cpus(2), CpuSet::new());
    assert_eq!(machine.nearest_node_with(2, &allowed_cpus()), Some(1));
    assert_eq!(machine.nearest_node_with(2, &set("0")), Some(0));
}

/// What holds on each of them, for several masks.
#[test]
fn every_machine() {
    let names = [
        "epyc-7451",
        "kunpeng-920",
        "power9-gpus",
        "xeon-offline",
        "lakefield",
        "arm-big-little",
        "milkv-pioneer",
    ];
    for name in names {
        let Some(files) = Machine::real(name) else { return };
        let machine = files.read();
        let online = machine.online();
        let third = online.iter().step_by(3).collect();
        let upper = online.iter().skip(online.len() / 2).collect();
        for allowed in [&online, &third, &upper] {
            pools_divide(name, &machine, allowed);
            shards_are_even(name, &machine, allowed);
        }
        for cpu in online.iter() {
            steals_once_from_each(name, &machine, cpu);
        }
    }
}

fn pools_divide(name: &str, machine: &Topology, allowed: &CpuSet) {
    let by_scope = SCOPES.map(|scope| machine.pools(scope, allowed));
    for (scope, pools) in SCOPES.iter().zip(&by_scope) {
        let mut seen = CpuSet::new();
        for pool in pools {
            assert!(!pool.is_empty());
            for cpu in pool.iter() {
                assert!(!seen.contains(cpu), "{name} {scope:?}: CPU {cpu} is in two pools");
                seen.insert(cpu);
                assert_eq!(&machine.pool_of(*scope, cpu, allowed), pool, "{name} {scope:?} {cpu}");
            }
        }
        assert_eq!(&seen, allowed, "{name} {scope:?}");
        assert!(pools.is_sorted_by_key(|pool| pool.iter().next()), "{name} {scope:?}");
    }
    for (smaller, larger) in by_scope.iter().zip(&by_scope[1..]) {
        for pool in smaller {
            let holders = larger.iter().filter(|larger| larger.intersection(pool) == *pool);
            assert_eq!(holders.count(), 1, "{name}: {pool} is cut");
        }
    }
    for pool in &by_scope[4] {
        assert!(machine.common_node(pool).is_some(), "{name}: {pool}");
    }
}

fn shards_are_even(name: &str, machine: &Topology, allowed: &CpuSet) {
    let cores = |pool: &CpuSet| machine.pools(Scope::Smt, pool).len();
    for cache in machine.pools(Scope::Cache, &machine.online()) {
        let shards = machine.pools(Scope::CacheShard, &cache);
        let sizes: Vec<usize> = shards.iter().map(cores).collect();
        let (most, least) = (sizes.iter().max().unwrap(), sizes.iter().min().unwrap());
        assert!(*most <= 8 && most - least <= 1, "{name}: {sizes:?}");
        assert_eq!(shards.len(), cores(&cache).div_ceil(8), "{name}");
        // A mask cuts parts off and moves no border.
        for part in machine.pools(Scope::CacheShard, &cache.intersection(allowed)) {
            assert!(
                shards.iter().any(|shard| shard.intersection(allowed) == part),
                "{name}: {part}"
            );
        }
    }
}

fn steals_once_from_each(name: &str, machine: &Topology, cpu: usize) {
    let all: Vec<usize> = machine.online().iter().collect();
    let order = machine.steal_order(cpu, &all).concat();
    let others: CpuSet = all.iter().copied().filter(|&other| other != cpu).collect();
    assert_eq!(order.iter().copied().collect::<CpuSet>(), others, "{name} {cpu}");
    assert_eq!(order.len(), others.len(), "{name} {cpu}: a CPU comes twice");
    let near = |what: &CpuSet| order.iter().take_while(|&&other| what.contains(other)).count();
    assert_eq!(near(&machine.llc_cpus(cpu)), machine.llc_cpus(cpu).len() - 1, "{name} {cpu}");
    let node = machine.node_cpus(machine.node_of(cpu));
    assert_eq!(near(&node), node.len() - 1, "{name} {cpu}");
}

//! Machines made of files, for tests.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::Topology;
use crate::sys::affinity::CpuSet;

/// A tree of files below a temporary folder.
pub(super) struct Machine(TempDir);

impl Machine {
    pub(super) fn new() -> Machine {
        Machine(tempfile::tempdir().unwrap())
    }

    /// A real machine from `tests/fixtures/topology`, whose README says what it is. `None` where
    /// there are none: they are not in the published package.
    pub(super) fn real(name: &str) -> Option<Machine> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/topology");
        if !folder.exists() {
            eprintln!("SKIPPED {name}: no {}", folder.display());
            return None;
        }
        let machine = Machine::new();
        let listing = fs::read_to_string(folder.join(name).with_extension("txt")).unwrap();
        for line in listing.lines() {
            let (path, content) = line.split_once('\t').unwrap();
            let Some((before, rest)) = path.split_once('{') else {
                machine.file(path, content);
                continue;
            };
            let (cpus, after) = rest.split_once('}').unwrap();
            for cpu in CpuSet::from_list(cpus).unwrap().iter() {
                machine.file(&format!("{before}{cpu}{after}"), content);
            }
        }
        Some(machine)
    }

    /// Writes a file below `/sys/devices/system`.
    pub(super) fn file(&self, path: &str, content: &str) -> &Machine {
        let path = self.0.path().join("sys/devices/system").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{content}\n")).unwrap();
        self
    }

    /// Describes one CPU as the kernel does: its siblings and its caches, the last one shared by
    /// `llc`.
    pub(super) fn cpu(&self, cpu: usize, package: i32, siblings: &str, llc: &str) -> &Machine {
        let at = |file: &str| format!("cpu/cpu{cpu}/{file}");
        self.file(&at("topology/core_cpus_list"), siblings)
            .file(&at("topology/physical_package_id"), &package.to_string());
        for (index, level, kind, shared) in [
            (0, "1", "Data", siblings),
            (1, "1", "Instruction", siblings),
            (2, "2", "Unified", siblings),
            (3, "3", "Unified", llc),
        ] {
            self.file(&at(&format!("cache/index{index}/level")), level)
                .file(&at(&format!("cache/index{index}/type")), kind)
                .file(&at(&format!("cache/index{index}/shared_cpu_list")), shared);
        }
        self
    }

    pub(super) fn node(&self, node: usize, cpus: &str, distances: &str) -> &Machine {
        self.file(&format!("node/node{node}/cpulist"), cpus)
            .file(&format!("node/node{node}/distance"), distances)
    }

    pub(super) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn read(&self) -> Topology {
        Topology::read(self.root())
    }
}

/// Two packages of one node each; per package two caches of two cores with two threads; the second
/// threads have the upper numbers, as on most servers:
///
/// ```text
/// node 0: cache 0: 0+8 1+9     cache 1: 2+10 3+11
/// node 1: cache 2: 4+12 5+13   cache 3: 6+14 7+15
/// ```
pub(super) fn server() -> Topology {
    let machine = Machine::new();
    machine.file("cpu/online", "0-15").file("node/online", "0-1");
    for cpu in 0..16 {
        let core = cpu % 8;
        let first = core / 2 * 2;
        let siblings = format!("{core},{}", core + 8);
        let llc = format!("{first}-{},{}-{}", first + 1, first + 8, first + 9);
        machine.cpu(cpu, (core / 4) as i32, &siblings, &llc);
    }
    machine.node(0, "0-3,8-11", "10 21").node(1, "4-7,12-15", "21 10");
    machine.read()
}

//! The NUMA nodes of the machine, as sysfs tells them: what the tests of placement compare with.

use crate::{confine, skip};
use std::collections::BTreeMap;
use std::fs;
use std::thread;

/// Whether this process runs in the virtual machine of `tests/guest/run`: 2 nodes of 2 CPUs each
/// and one of memory only. Its root, and nobody else there.
pub fn in_guest() -> bool {
    std::env::var_os("CMWQ_GUEST").is_some()
}

/// A node, and those of its CPUs that this process may use.
#[derive(Clone, Debug)]
pub struct Node {
    /// The kernel's number of it.
    pub id: usize,
    /// Lowest first.
    pub cpus: Vec<usize>,
}

/// Those that have a CPU that this process may use, by number.
///
/// # Panics
/// Where there is no `/sys` or no affinity to read.
pub fn with_cpus() -> Vec<Node> {
    let allowed = confine::allowed().expect("an affinity");
    let entries = fs::read_dir("/sys/devices/system/node").expect("/sys is mounted").flatten();
    let node = |entry: fs::DirEntry| {
        let id = entry.file_name().to_str()?.strip_prefix("node")?.parse().ok()?;
        let cpus = list_of(&fs::read_to_string(entry.path().join("cpulist")).ok()?);
        Some(Node { id, cpus: cpus.into_iter().filter(|cpu| allowed.contains(cpu)).collect() })
    };
    let mut nodes: Vec<Node> = entries.filter_map(node).collect();
    nodes.retain(|node| !node.cpus.is_empty());
    nodes.sort_by_key(|node| node.id);
    nodes
}

/// Two nodes with two CPUs or more, or `None`, said aloud, where there are not so many.
///
/// # Panics
/// In the guest, which has them.
pub fn two(test: &str) -> Option<[Node; 2]> {
    let mut nodes = with_cpus().into_iter().filter(|node| node.cpus.len() >= 2);
    let two = nodes.next().zip(nodes.next()).map(|(a, b)| [a, b]);
    if two.is_none() {
        assert!(!in_guest(), "the guest has two nodes: {:?}", with_cpus());
        skip(test, "needs two NUMA nodes with two CPUs each, as in tests/guest/run");
    }
    two
}

/// The CPU that the calling thread is on, and those that it may be on.
///
/// # Panics
/// Where the kernel refuses to say.
pub fn place() -> (usize, Vec<usize>) {
    (rustix::thread::sched_getcpu(), confine::allowed().expect("an affinity"))
}

/// The node whose memory something is in.
///
/// # Panics
/// Where the kernel does not say.
pub fn of_memory<T: ?Sized>(thing: &T) -> usize {
    let page = std::ptr::from_ref(thing).cast::<u8>().map_addr(|address| address & !0xfff);
    let (pages, mut status) = ([page], [i32::MIN]);
    // SAFETY: the kernel reads one address and writes one number; without nodes it moves nothing.
    let rc = unsafe {
        let (pages, status) = (pages.as_ptr(), status.as_mut_ptr());
        libc::syscall(libc::SYS_move_pages, 0, 1, pages, std::ptr::null::<i32>(), status, 0)
    };
    assert_eq!(rc, 0, "move_pages: {}", std::io::Error::last_os_error());
    usize::try_from(status[0]).unwrap_or_else(|_| panic!("no node: error {}", -status[0]))
}

/// The threads of this process whose name begins so, and the CPUs that each may be on.
///
/// # Panics
/// Without `/proc`.
pub fn threads(prefix: &str) -> BTreeMap<i32, Vec<usize>> {
    let process = procfs::process::Process::myself().expect("/proc is mounted");
    let tasks = process.tasks().expect("a process has threads").flatten();
    // One that ends meanwhile is none.
    let place = |task: procfs::process::Task| {
        let cpus = confine::allowed_to(rustix::thread::Pid::from_raw(task.tid)).ok()?;
        task.stat().ok()?.comm.starts_with(prefix).then_some((task.tid, cpus))
    };
    tasks.filter_map(place).collect()
}

/// Takes a CPU of the guest offline until dropped.
pub struct Offline(usize);

impl Offline {
    /// Returns after the CPU is gone.
    ///
    /// # Panics
    /// Outside of the guest, and when the kernel refuses.
    pub fn take(cpu: usize) -> Offline {
        assert!(in_guest(), "only a machine of our own loses CPUs");
        set_online(cpu, "0").unwrap_or_else(|e| panic!("CPU {cpu} does not go offline: {e}"));
        Offline(cpu)
    }
}

impl Drop for Offline {
    fn drop(&mut self) {
        let result = set_online(self.0, "1");
        if !thread::panicking() {
            result.unwrap_or_else(|e| panic!("CPU {} does not come back: {e}", self.0));
        }
    }
}

fn set_online(cpu: usize, value: &str) -> std::io::Result<()> {
    fs::write(format!("/sys/devices/system/cpu/cpu{cpu}/online"), value)
}

/// Reads `0-3,8`.
fn list_of(text: &str) -> Vec<usize> {
    let number = |text: &str| text.parse::<usize>().expect("a number in a list of CPUs");
    let parts = text.trim().split(',').filter(|part| !part.is_empty());
    parts
        .flat_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            number(first)..=number(last)
        })
        .collect()
}

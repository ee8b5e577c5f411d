//! Sets of CPUs, and which of them a thread may run on.
//!
//! A [`CpuSet`] has no upper size. The fixed set of libc and `rustix` ends at 1024 CPUs, and on a
//! larger machine `sched_getaffinity` then fails with `EINVAL` for every process; here the buffer
//! grows until the kernel is content.

use std::fmt;
use std::io;

/// CPU numbers at or above this are refused; the kernel's own limit is 8192. A set takes as much memory
/// as its highest number asks for.
pub const MAX_CPUS: usize = 1 << 16;

/// A number that no CPU has: [`MAX_CPUS`] or more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoSuchCpu(usize);

impl NoSuchCpu {
    /// The first such number, if there is one.
    pub fn among(cpus: impl IntoIterator<Item = usize>) -> Option<Self> {
        cpus.into_iter().find(|&cpu| cpu >= MAX_CPUS).map(Self)
    }
}

impl fmt::Display for NoSuchCpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CPU {}: numbers of CPUs are below {MAX_CPUS}", self.0)
    }
}

/// A set of CPU numbers.
// Words as the kernel wants them, without zero words at the end, so that equal sets compare equal.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct CpuSet(Vec<u64>);

impl CpuSet {
    /// The empty set.
    pub const fn new() -> Self {
        CpuSet(Vec::new())
    }

    /// The set of one CPU.
    pub fn single(cpu: usize) -> Self {
        Self::from_iter([cpu])
    }

    /// Is `cpu` in the set?
    pub fn contains(&self, cpu: usize) -> bool {
        self.0.get(cpu / 64).is_some_and(|word| word & (1 << (cpu % 64)) != 0)
    }

    /// Adds `cpu`, a number below [`MAX_CPUS`].
    pub fn insert(&mut self, cpu: usize) {
        if self.0.len() <= cpu / 64 {
            self.0.resize(cpu / 64 + 1, 0);
        }
        self.0[cpu / 64] |= 1 << (cpu % 64);
    }

    /// How many CPUs are in the set.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Is the set empty?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The CPUs, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(i, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros() as usize;
                rest &= rest.checked_sub(1)?;
                Some(i * 64 + bit)
            })
        })
    }

    /// The CPUs that are in both sets.
    pub fn intersection(&self, other: &CpuSet) -> CpuSet {
        let mut both = CpuSet(self.0.iter().zip(&other.0).map(|(a, b)| a & b).collect());
        both.trim();
        both
    }

    /// Reads the list format of sysfs and cpusets, such as `0-3,8`. White space at the ends is
    /// ignored; an empty text is the empty set.
    ///
    /// # Errors
    ///
    /// If a part is neither a number nor a range of numbers, or a number is 65,536 or more.
    pub fn from_list(list: &str) -> Result<CpuSet, ParseError> {
        let list = list.trim();
        let mut set = CpuSet::new();
        if list.is_empty() {
            return Ok(set);
        }
        for part in list.split(',') {
            let error = || ParseError { list: list.to_owned(), part: part.to_owned() };
            let number = |text: &str| -> Result<usize, ParseError> {
                let digits = text.bytes().all(|b| b.is_ascii_digit());
                let cpu = text.parse().ok().filter(|&cpu| digits && cpu < MAX_CPUS);
                cpu.ok_or_else(error)
            };
            let (first, last) = match part.split_once('-') {
                Some((first, last)) => (number(first)?, number(last)?),
                None => (number(part)?, number(part)?),
            };
            if first > last {
                return Err(error());
            }
            (first..=last).for_each(|cpu| set.insert(cpu));
        }
        Ok(set)
    }

    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }
}

impl FromIterator<usize> for CpuSet {
    fn from_iter<I: IntoIterator<Item = usize>>(cpus: I) -> Self {
        let mut set = CpuSet::new();
        cpus.into_iter().for_each(|cpu| set.insert(cpu));
        set
    }
}

/// The list format, such as `0-3,8`, as [`CpuSet::from_list`] reads it.
impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cpus = self.iter().peekable();
        let mut comma = "";
        while let Some(first) = cpus.next() {
            let mut last = first;
            while let Some(next) = cpus.next_if_eq(&(last + 1)) {
                last = next;
            }
            write!(f, "{comma}{first}")?;
            if last > first {
                write!(f, "-{last}")?;
            }
            comma = ",";
        }
        Ok(())
    }
}

/// A text that is not a list of CPUs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseError {
    list: String,
    part: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot read {:?} as a list of CPUs: {:?} is neither a CPU number below {MAX_CPUS} \
             nor a rising range of them; write it like \"0-3,8\"",
            self.list, self.part
        )
    }
}

impl std::error::Error for ParseError {}

/// The CPUs that the calling thread may run on.
///
/// # Errors
///
/// `EPERM` where a filter refuses `sched_getaffinity`.
pub fn current() -> io::Result<CpuSet> {
    get(0)
}

/// The CPUs that thread `tid` (0: the calling thread) may run on, without those that are offline.
///
/// # Errors
///
/// `ESRCH` if there is no such thread.
pub fn get(tid: i32) -> io::Result<CpuSet> {
    let mut set = CpuSet::new();
    read(tid, &mut set).map(|()| set)
}

/// As [`get`], into a set whose memory is used again: the second call allocates nothing.
///
/// # Errors
///
/// As [`get`]; the set is then empty.
pub fn read(tid: i32, set: &mut CpuSet) -> io::Result<()> {
    let words = &mut set.0;
    // 1024 CPUs at first; the kernel says EINVAL while the buffer is smaller than its own set.
    let mut len = words.capacity().max(16);
    loop {
        words.clear();
        words.resize(len, 0);
        let bytes = size_of_val(words.as_slice());
        // SAFETY: the kernel writes at most `bytes` bytes to a buffer of that size.
        let rc =
            unsafe { libc::syscall(libc::SYS_sched_getaffinity, tid, bytes, words.as_mut_ptr()) };
        if rc >= 0 {
            // Bytes behind the `rc` written ones are still zero.
            set.trim();
            return Ok(());
        }
        let error = io::Error::last_os_error();
        words.clear();
        if error.raw_os_error() != Some(libc::EINVAL) || len * 64 >= MAX_CPUS {
            return Err(error);
        }
        len *= 2;
    }
}

/// Does thread `tid` share its only CPU with the calling thread?
///
/// Then it is not running, whatever it did before, and both its last switch and its next are full
/// barriers. `false` too where the kernel does not tell. Allocates nothing.
pub fn shares_only_cpu(tid: i32, cpu: usize) -> bool {
    // Room for 8192 CPUs, the kernel's own limit.
    let mut words = [0u64; 128];
    let bytes = size_of_val(&words);
    if tid == 0 || current_cpu() != cpu {
        return false;
    }
    // SAFETY: the kernel writes at most `bytes` bytes to a buffer of that size.
    let rc = unsafe { libc::syscall(libc::SYS_sched_getaffinity, tid, bytes, words.as_mut_ptr()) };
    // What lies behind the `rc` written bytes is still zero.
    let only = |(index, word): (usize, &u64)| match index == cpu / 64 {
        true => *word == 1 << (cpu % 64),
        false => *word == 0,
    };
    rc > 0 && words.iter().enumerate().all(only)
}

/// Restricts thread `tid` (0: the calling thread) to `set`.
///
/// CPUs that do not exist or that the cpuset forbids are left out by the kernel. Threads and child
/// processes that the thread makes later inherit the restriction.
///
/// # Errors
///
/// `EINVAL` if no CPU of the set may be used; `ESRCH` if there is no such thread; `EPERM` if it
/// belongs to somebody else or a filter refuses.
pub fn set(tid: i32, set: &CpuSet) -> io::Result<()> {
    let bytes = size_of_val(set.0.as_slice());
    // SAFETY: the kernel reads `bytes` bytes from a buffer of that size.
    let rc = unsafe { libc::syscall(libc::SYS_sched_setaffinity, tid, bytes, set.0.as_ptr()) };
    if rc == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Runs `f` on a thread that may use only `cpus`, and waits for it: memory that `f` touches first is
/// then on their node. Where the thread or its affinity is refused, `f` runs all the same.
pub fn run_on<R: Send>(cpus: &CpuSet, f: impl FnOnce() -> R + Send) -> R {
    // In a cell, since a refused thread takes its closure with it.
    let mut f = Some(f);
    let started = std::thread::scope(|scope| {
        let f = &mut f;
        let body = move || {
            let _ = set(0, cpus);
            f.take().map(|f| f())
        };
        let thread =
            std::thread::Builder::new().name("cmwq/maker".into()).spawn_scoped(scope, body);
        thread.ok().map(|thread| match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    });
    match started.flatten() {
        Some(result) => result,
        None => f.take().expect("it has not run")(),
    }
}

/// The CPU that the calling thread runs on; out of date at once unless it is pinned.
///
/// glibc reads it from memory that the kernel keeps up to date, without a system call.
pub fn current_cpu() -> usize {
    // SAFETY: takes no pointers.
    let cpu = unsafe { libc::sched_getcpu() };
    // Fails only on kernels without getcpu, which are older than the oldest that is supported.
    usize::try_from(cpu).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(text: &str) -> CpuSet {
        CpuSet::from_list(text).unwrap()
    }

    #[test]
    fn lists_go_both_ways() {
        for text in ["", "0", "0-1", "0-3,8", "1,3,5", "63-64", "0,2000-2047"] {
            assert_eq!(list(text).to_string(), text);
        }
        assert_eq!(list("0-3,8\n"), CpuSet::from_iter([8, 3, 2, 1, 0]));
        assert_eq!(list("1,0").to_string(), "0-1");
    }

    #[test]
    fn bad_lists_say_what_is_wrong() {
        for text in ["x", "1-", "-1", "3-1", "1,,2", "65536", "+1", "1-2-3", "99999999999999999999"]
        {
            assert!(CpuSet::from_list(text).is_err(), "{text}");
        }
        let message = CpuSet::from_list("0,a-b").unwrap_err().to_string();
        assert!(message.contains("\"0,a-b\"") && message.contains("\"a-b\""), "{message}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_set_is_a_set_of_numbers(
            a in prop::collection::btree_set(0..300_usize, 0..40),
            b in prop::collection::btree_set(0..300_usize, 0..40),
            other in 0..400_usize,
        ) {
            let (set, second) = (CpuSet::from_iter(a.clone()), CpuSet::from_iter(b.clone()));
            prop_assert!(set.iter().eq(a.iter().copied()));
            prop_assert_eq!(set.len(), a.len());
            prop_assert_eq!(set.is_empty(), a.is_empty());
            prop_assert_eq!(set.contains(other), a.contains(&other));
            let both: CpuSet = a.intersection(&b).copied().collect();
            prop_assert_eq!(set.intersection(&second), both);
            prop_assert_eq!(list(&set.to_string()), set);
        }

        /// In any order, overlapping or not.
        #[test]
        fn a_list_is_the_union_of_its_ranges(
            ranges in prop::collection::vec((0..2_000_usize, 0..70_usize), 1..20),
        ) {
            let part = |&(first, more): &(usize, usize)| match more {
                0 => first.to_string(),
                _ => format!("{first}-{}", first + more),
            };
            let text = ranges.iter().map(part).collect::<Vec<_>>().join(",");
            let cpus: CpuSet = ranges.iter().flat_map(|&(first, more)| first..=first + more).collect();
            prop_assert_eq!(list(&text), cpus);
        }

        /// A text is refused, or means the same after a round trip.
        #[test]
        fn no_text_is_misread(text in "[0-9,\\- +x\n]{0,12}") {
            if let Ok(set) = CpuSet::from_list(&text) {
                prop_assert_eq!(list(&set.to_string()), set);
            }
        }
    }

    #[test]
    fn set_operations() {
        let set = list("0,70");
        assert_eq!(set.len(), 2);
        assert!(set.contains(70) && !set.contains(71) && !set.contains(1 << 20));
        assert_eq!(set.intersection(&list("1-100")), CpuSet::single(70));
        assert!(set.intersection(&list("1-2")).is_empty());
        assert_eq!(set.intersection(&list("1-2")), CpuSet::new());
    }

    #[test]
    fn a_closure_runs_on_other_cpus() {
        let first = current().unwrap().iter().next().unwrap();
        let before = current().unwrap();
        let seen = run_on(&CpuSet::single(first), || current().unwrap());
        assert_eq!(seen, CpuSet::single(first));
        assert_eq!(current().unwrap(), before, "the caller's own is as it was");
        assert_eq!(run_on(&CpuSet::new(), || 7), 7, "refused, and yet it runs");
    }

    #[test]
    fn affinity_of_a_thread() {
        std::thread::spawn(|| {
            let all = current().unwrap();
            let first = all.iter().next().unwrap();
            set(0, &CpuSet::single(first)).unwrap();
            assert_eq!(current().unwrap(), CpuSet::single(first));
            assert_eq!(current_cpu(), first);
            // CPUs that do not exist are left out.
            let mut more = all.clone();
            more.insert(5000);
            set(0, &more).unwrap();
            assert_eq!(get(crate::sys::thread::gettid()).unwrap(), all);
            let mut again = CpuSet::single(7000);
            read(0, &mut again).unwrap();
            assert_eq!(again, all, "what the set held before is gone");
            assert_eq!(set(0, &CpuSet::new()).unwrap_err().raw_os_error(), Some(libc::EINVAL));
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_thread_shares_its_only_cpu_while_both_are_confined_to_it() {
        let Some(cpu) = current().unwrap().iter().next() else { return };
        let (send, receive) = std::sync::mpsc::channel();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                send.send(crate::sys::thread::gettid()).unwrap();
                let _ = stopped.recv();
            });
            let tid = receive.recv().unwrap();
            let all = current().unwrap();
            scope.spawn(move || {
                set(0, &CpuSet::single(cpu)).unwrap();
                assert_eq!(shares_only_cpu(tid, cpu), all.len() == 1);
                set(tid, &CpuSet::single(cpu)).unwrap();
                assert!(shares_only_cpu(tid, cpu));
                assert!(!shares_only_cpu(tid, cpu + 1) && !shares_only_cpu(0, cpu));
                drop(stop);
            });
        });
    }
}

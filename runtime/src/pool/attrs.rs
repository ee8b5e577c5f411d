//! What makes one unbound pool different from another.

use super::bits::AtomicBits;
use crate::sync_types::{Mutex, lock};
use crate::sys;
use crate::sys::affinity::CpuSet;

/// The attributes of an unbound pool. Pools with equal attributes are one pool.
///
/// `strict` does not tell pools apart. In the kernel the workers of a pool that is not strict are put
/// back to their pod of CPUs when they are woken and may be moved out of it later; that takes the
/// scheduler's `wake_cpu`, for which user space has only `sched_setaffinity`, two system calls for
/// each wake. And less is gained by it: the pool keeps as many unblocked workers as its pod has CPUs,
/// so that its CPUs do not idle while its work waits. So all pools are confined.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct PoolAttrs {
    /// Where its threads may run.
    pub(crate) cpus: CpuSet,
    /// What is added to the nice value of the thread that built the runtime; where that is refused,
    /// the lowest that the process may have.
    pub(crate) nice: i32,
    pub(crate) strict: bool,
}

/// The attributes of a pool, whose place another one may get later.
///
/// The lock is held for a copy. `covers` is the CPU set once more, for the sentinels, which take no
/// lock.
pub(super) struct Current {
    attrs: Mutex<PoolAttrs>,
    covers: AtomicBits,
}

impl Current {
    /// `cpu_limit` is above every CPU number that any attributes may name.
    pub(super) fn new(attrs: PoolAttrs, cpu_limit: usize) -> Self {
        let covers = AtomicBits::new(cpu_limit);
        attrs.cpus.iter().for_each(|cpu| covers.insert(cpu));
        Self { attrs: Mutex::new(attrs), covers }
    }

    pub(super) fn get(&self) -> PoolAttrs {
        lock(&self.attrs).clone()
    }

    /// Gives the calling thread the pool's CPUs.
    pub(super) fn confine(&self) {
        // Refused when a cpuset no longer has them: the kernel's choice is as good.
        let _ = sys::affinity::set(0, &lock(&self.attrs).cpus);
    }

    /// While the pool has no threads.
    pub(super) fn set(&self, attrs: PoolAttrs) {
        let mut current = lock(&self.attrs);
        for cpu in current.cpus.iter() {
            self.covers.remove(cpu);
        }
        attrs.cpus.iter().for_each(|cpu| self.covers.insert(cpu));
        *current = attrs;
    }

    /// May its threads run on this CPU?
    pub(super) fn covers(&self, cpu: usize) -> bool {
        self.covers.contains(cpu)
    }
}

/// Gives the calling thread a nice value, or the nearest that it may have. Returns which.
pub(crate) fn apply_nice(nice: i32) -> i32 {
    let before = sys::thread::nice();
    if before != nice && sys::thread::set_nice(0, nice).is_err() {
        let nearest = nice.max(sys::limits::lowest_nice());
        // Everybody may make himself less urgent, which nobody has asked for.
        if nearest < before {
            // Refused by a filter: it stays what it was.
            let _ = sys::thread::set_nice(0, nearest);
        }
    }
    sys::thread::nice()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_nice_value_makes_a_thread_no_less_urgent() {
        let thread = std::thread::spawn(|| {
            // By system call it is for this thread only. Who is not root may do nothing in any case.
            // SAFETY: takes no pointers.
            let _ = unsafe { libc::syscall(libc::SYS_setresuid, 65534, 65534, 65534) };
            let before = sys::thread::nice();
            let least = sys::limits::lowest_nice().min(before);
            assert_eq!(apply_nice(-20), least.max(-20));
            assert_eq!(apply_nice(19), 19);
        });
        thread.join().expect("no panic");
    }
}

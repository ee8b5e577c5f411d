//! Which of the runtime's CPUs may be used now.
//!
//! # Threads keep to it
//!
//! A worker's thread gives itself its CPUs when it starts, and one that was unpinned when it comes
//! back; the thread that watches the CPUs ([`super::hotplug`]) does it for all of them after a change.
//! No lock makes that one step, since a worker must not wait for a thread that is being preempted. So
//! the thread that watches writes the set, counts the change, and then gives each thread that it knows
//! its CPUs; and a worker makes itself known, reads the count, reads the set, takes its CPUs, and
//! begins anew if the count is another one now. Either the one knows the worker when it comes round, or
//! the worker sees that the count has changed; and whoever of them is the last has read the new set.

use super::bits::AtomicBits;
use crate::sync_types::atomic::{AtomicU32, Ordering, fence};
use crate::sys::affinity::CpuSet;

pub(crate) struct Usable {
    cpus: AtomicBits,
    /// Above all of them.
    limit: usize,
    changes: AtomicU32,
    /// While above zero, threads are being moved.
    moving: AtomicU32,
}

/// The changes so far.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Changes(u32);

impl Usable {
    /// All of `cpus`, the only ones that are ever in the set.
    pub(crate) fn new(cpus: &CpuSet) -> Self {
        let limit = cpus.iter().last().map_or(0, |cpu| cpu + 1);
        let (changes, moving) = (AtomicU32::new(0), AtomicU32::new(0));
        let usable = Self { cpus: AtomicBits::new(limit), limit, changes, moving };
        cpus.iter().for_each(|cpu| usable.cpus.insert(cpu));
        usable
    }

    pub(crate) fn contains(&self, cpu: usize) -> bool {
        cpu < self.limit && self.cpus.contains(cpu)
    }

    /// May be empty: then the process was moved to CPUs that the runtime does not know.
    pub(crate) fn set(&self) -> CpuSet {
        self.cpus.iter().collect()
    }

    /// Those of `cpus` that may be used; if there are none, all that may be used.
    pub(crate) fn of(&self, cpus: &CpuSet) -> CpuSet {
        let usable = self.set();
        let own = cpus.intersection(&usable);
        if own.is_empty() { usable } else { own }
    }

    /// By one thread only, which afterwards sees to all threads that it knows.
    pub(crate) fn change(&self, cpu: usize, is_usable: bool) {
        if is_usable {
            self.cpus.insert(cpu);
        } else {
            self.cpus.remove(cpu);
        }
    }

    /// The changes are complete.
    pub(crate) fn count_change(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        // Then the looks at who is known.
        fence(Ordering::SeqCst);
    }

    /// Runs `f`, which gives threads other CPUs. A running one has them before it is there.
    pub(crate) fn move_threads(&self, f: impl FnOnce()) {
        self.moving.fetch_add(1, Ordering::SeqCst);
        f();
        self.moving.fetch_sub(1, Ordering::SeqCst);
    }

    pub(crate) fn are_threads_moving(&self) -> bool {
        self.moving.load(Ordering::SeqCst) != 0
    }

    /// For a thread that has made itself known before: first this, then a look at the set.
    pub(crate) fn changes(&self) -> Changes {
        fence(Ordering::SeqCst);
        Changes(self.changes.load(Ordering::SeqCst))
    }

    /// Calls `place`, which looks at the set and acts on it, until the set has not changed meanwhile.
    /// The caller has made itself known.
    pub(crate) fn settle(&self, mut place: impl FnMut()) {
        loop {
            let before = self.changes();
            place();
            if self.changes() == before {
                return;
            }
        }
    }
}

#[cfg(all(test, not(cmwq_loom)))]
mod tests {
    use super::*;

    #[test]
    fn cpus_go_and_come_back() {
        let cpus = |list| CpuSet::from_list(list).unwrap();
        let usable = Usable::new(&cpus("1,3-4,70"));
        assert_eq!(usable.set(), cpus("1,3-4,70"));
        assert!(usable.contains(70) && !usable.contains(2) && !usable.contains(1000));
        usable.change(70, false);
        usable.change(3, false);
        assert_eq!(usable.of(&cpus("3-4,70")), cpus("4"));
        assert_eq!(usable.of(&cpus("70")), cpus("1,4"), "none is left of these");
        usable.change(70, true);
        assert_eq!(usable.of(&cpus("70")), cpus("70"));
    }

    #[test]
    fn a_change_meanwhile_is_acted_on() {
        let usable = Usable::new(&CpuSet::single(0));
        let mut rounds = 0;
        usable.settle(|| {
            rounds += 1;
            if rounds < 3 {
                usable.count_change();
            }
        });
        assert_eq!(rounds, 3);
    }
}

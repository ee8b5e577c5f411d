//! What makes one unbound pool different from another.
//!
//! # Strict or not
//!
//! The workers of a strict pool may use the CPUs of its group and no others. Those of one that is not
//! strict may use all CPUs of the queue, and are *put back* into the group when they are woken: the
//! scheduler may move them out of it later, to a CPU that is idle. The kernel does that by the
//! `wake_cpu` of the thread. A program has no such hint, so the thread looks where it woke up, which
//! takes no system call, and only one that is elsewhere confines itself for a moment, which moves it.
//!
//! Strictness is nothing else than this mask, and the mask is what pools are told apart by. So where a
//! group has all CPUs of the queue, as with the scope `system`, strict and other queues share pools.
//!
//! # Places that are used again
//!
//! A place of a pool that nobody uses gets other attributes. A thread that was made for the former
//! pool may come late, so each one looks when it takes charge whether what it has taken is still true.

use super::bits::AtomicBits;
use super::nice::{GotNice, apply_nice};
use crate::runtime::Shared;
use crate::sync_types::{Mutex, lock};
use crate::sys;
use crate::sys::affinity::CpuSet;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// The attributes of an unbound pool. Pools with equal attributes are one pool.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct PoolAttrs {
    /// Its group: as many workers run as it has CPUs, and they begin there when they are woken.
    pub(crate) cpus: CpuSet,
    /// Where the scheduler may move them. Has the group in it; equal to it if the pool is strict.
    pub(crate) roam: CpuSet,
    /// What is added to the nice value of the thread that built the runtime; where that is refused,
    /// the lowest that the process may have.
    pub(crate) nice: i32,
}

impl PoolAttrs {
    /// Confined to these CPUs.
    pub(crate) fn strict(cpus: CpuSet, nice: i32) -> Self {
        Self { roam: cpus.clone(), cpus, nice }
    }

    /// The nice value of the pool's threads, as far as they may have it.
    pub(super) fn nice_of_threads(&self, shared: &Shared) -> i32 {
        (shared.original.nice + self.nice).clamp(-20, 19)
    }
}

/// The attributes of a pool, whose place another one may get later.
///
/// The lock is held for a copy. `covers` is the group once more, for the sentinels, which take no
/// lock.
pub(super) struct Current {
    attrs: Mutex<PoolAttrs>,
    covers: AtomicBits,
    /// Counts the attributes that the place has had.
    version: AtomicU64,
    nice: GotNice,
}

thread_local! {
    /// The version that the calling thread, a worker of an unbound pool, has taken.
    static TAKEN: Cell<u64> = const { Cell::new(0) };
}

impl Current {
    /// `cpu_limit` is above every CPU number that any attributes may name.
    pub(super) fn new(attrs: PoolAttrs, cpu_limit: usize) -> Self {
        let covers = AtomicBits::new(cpu_limit);
        attrs.cpus.iter().for_each(|cpu| covers.insert(cpu));
        Self {
            attrs: Mutex::new(attrs),
            covers,
            version: AtomicU64::new(1),
            nice: GotNice::default(),
        }
    }

    pub(super) fn get(&self) -> PoolAttrs {
        lock(&self.attrs).clone()
    }

    /// Makes the calling thread one of the pool: its nice value, and its group, where it touches its
    /// stack first. `false` if it may not use those CPUs.
    pub(super) fn take(&self, shared: &Shared) -> bool {
        let (attrs, version) = {
            let attrs = lock(&self.attrs);
            (attrs.clone(), self.version.load(Ordering::Relaxed))
        };
        TAKEN.set(version);
        let nice = apply_nice(attrs.nice_of_threads(shared));
        let current = lock(&self.attrs);
        // Otherwise it is no answer to what is asked for now.
        if self.version.load(Ordering::Relaxed) == version {
            self.nice.note(nice);
        }
        drop(current);
        settle(shared, &attrs)
    }

    /// The calling thread, a worker of the pool that was woken, goes back to the group. Returns
    /// whether it was elsewhere.
    #[inline]
    pub(super) fn put_back(&self, shared: &Shared) -> bool {
        // Acquire: a core is opened for new attributes after they were set.
        if self.version.load(Ordering::Acquire) != TAKEN.get() {
            self.take(shared);
            return false;
        }
        let is_elsewhere = !self.covers(sys::affinity::current_cpu()) && self.has_cpus(shared);
        is_elsewhere && settle(shared, &self.get())
    }

    /// Moves the calling thread, which is no worker of the pool, to where those are.
    pub(super) fn confine(&self, shared: &Shared) {
        settle(shared, &self.get());
    }

    /// The nice values that its threads were to have and have, if they were refused the former.
    pub(super) fn refused_nice(&self, shared: &Shared) -> Option<(i32, i32)> {
        let wanted = self.get().nice_of_threads(shared);
        self.nice.instead_of(wanted).map(|got| (wanted, got))
    }

    /// While the pool has no threads.
    pub(super) fn set(&self, attrs: PoolAttrs) {
        let mut current = lock(&self.attrs);
        for cpu in current.cpus.iter() {
            self.covers.remove(cpu);
        }
        attrs.cpus.iter().for_each(|cpu| self.covers.insert(cpu));
        *current = attrs;
        self.nice.forget();
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Is a CPU of its group there? Otherwise its threads are as well anywhere.
    fn has_cpus(&self, shared: &Shared) -> bool {
        self.covers.iter().any(|cpu| shared.usable.contains(cpu))
    }

    /// Is this CPU in its group?
    pub(super) fn covers(&self, cpu: usize) -> bool {
        self.covers.contains(cpu)
    }
}

/// Moves the calling thread into the group, and lets it be moved where it may, as far as those CPUs
/// are there. `false` if it may not use them.
fn settle(shared: &Shared, attrs: &PoolAttrs) -> bool {
    let mut settled = true;
    shared.usable.settle(|| {
        let (group, roam) = (shared.usable.of(&attrs.cpus), shared.usable.of(&attrs.roam));
        // Refused when they have just gone away: then the kernel's choice is as good.
        settled = group.is_empty() || sys::affinity::set(0, &group).is_ok();
        if roam != group {
            let _ = sys::affinity::set(0, &roam);
        }
    });
    settled
}

#[cfg(all(test, not(cmwq_loom)))]
mod tests {
    use super::*;
    use crate::runtime::Builder;
    use crate::sys::affinity;

    /// In a thread that stands for a worker; two CPUs of the process. Says so if it has but one.
    fn in_thread(test: &str, f: impl FnOnce(&Shared, usize, usize) + Send) {
        let all = affinity::current().unwrap();
        let mut cpus = all.iter();
        let (Some(first), Some(second)) = (cpus.next(), cpus.next()) else {
            return eprintln!("SKIPPED {test}: needs two CPUs");
        };
        let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let shared = &runtime.handle().shared;
        std::thread::scope(|scope| scope.spawn(|| f(shared, first, second)).join().unwrap());
    }

    fn only(cpu: usize) -> CpuSet {
        CpuSet::single(cpu)
    }

    #[test]
    fn a_worker_that_is_not_strict_is_put_back_and_may_be_moved() {
        in_thread("a_worker_that_is_not_strict_is_put_back_and_may_be_moved", |shared, a, b| {
            let roam = CpuSet::from_iter([a, b]);
            let attrs = PoolAttrs { cpus: only(a), roam: roam.clone(), nice: 0 };
            let current = Current::new(attrs, a.max(b) + 1);
            assert!(current.take(shared));
            assert_eq!(affinity::current().unwrap(), roam);
            // The scheduler may move it in between, though hardly each time.
            let returns = (0..20).filter(|_| {
                affinity::set(0, &only(b)).unwrap();
                affinity::set(0, &roam).unwrap();
                let was_elsewhere = current.put_back(shared);
                assert_eq!(affinity::current().unwrap(), roam);
                was_elsewhere && affinity::current_cpu() == a
            });
            assert!(returns.count() >= 10);
        });
    }

    #[test]
    fn a_strict_one_is_confined() {
        in_thread("a_strict_one_is_confined", |shared, a, b| {
            let current = Current::new(PoolAttrs::strict(only(a), 0), a.max(b) + 1);
            assert!(current.take(shared));
            assert_eq!(affinity::current().unwrap(), only(a));
            // As an item might do that pins the thread it runs on.
            affinity::set(0, &only(b)).unwrap();
            assert!(current.put_back(shared));
            assert_eq!(affinity::current().unwrap(), only(a));
            assert!(!current.put_back(shared));
        });
    }

    #[test]
    fn a_thread_that_has_taken_former_attributes_takes_the_new_ones() {
        in_thread("a_thread_that_has_taken_former_attributes", |shared, a, b| {
            let current = Current::new(PoolAttrs::strict(only(a), 0), a.max(b) + 1);
            assert!(current.take(shared));
            current.set(PoolAttrs { cpus: only(a), roam: CpuSet::from_iter([a, b]), nice: 1 });
            assert!(!current.put_back(shared));
            assert_eq!(affinity::current().unwrap().len(), 2);
            assert_eq!(sys::thread::nice(), (shared.original.nice + 1).min(19));
        });
    }
}

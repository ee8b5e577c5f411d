//! CPUs that go away and come back while the runtime runs.
//!
//! A CPU of the runtime is *usable* while it is online and the process may use it (affinity, cpuset).
//! A thread of the runtime's own watches that ([`CpuWatch`]) and sees to what follows:
//!
//! | | its CPU goes away | and comes back |
//! |---|---|---|
//! | a bound pool | *disassociated*: its workers may run on all usable CPUs. What waits in it goes on, what is queued for the CPU is taken | its workers are bound again, the same threads: idle ones are kept meanwhile |
//! | the sentinel of the CPU | sleeps; blocks of that core are left to the monitor | pinned, and armed at the next unpark |
//! | an unbound pool | its workers keep to those of its CPUs that are left, or else to all usable ones | they get their own again |
//! | the limit of an unbound queue | shared out over the nodes by the CPUs that are left | shared out again |
//!
//! Concurrency stays managed: one holder for each pool. (In the kernel it is not while the CPU is away.)
//!
//! CPUs that the process could not use when the runtime was built are never used.
//!
//! # Who notices
//!
//! The kernel sends an event for a CPU that goes offline or comes online, which ends the sleep of the
//! thread. Nobody tells of a changed affinity or cpuset, and some containers get no events: so the
//! monitor, as long as it is awake, looks ten times a second at its own affinity, which leaves offline
//! CPUs out, and rings. An idle runtime looks at nothing. Then it is the first work that finds out, and
//! until then nothing is lost: the kernel moves threads whose CPUs are gone.
//!
//! The monitor only rings. What has to be done takes locks and system calls that wait for other CPUs.
//!
//! # State
//!
//! What is usable is in [`Usable`](super::Usable), and whether a pool is disassociated follows from it;
//! there is no flag that could contradict it, also in cores that are made meanwhile. The thread alone
//! changes it.
//!
//! The thread is made with a pinned runtime. Another one needs it only when it has unbound queues: the
//! monitor makes it when the first unbound pool is made. Where a thread or a descriptor for it is
//! refused, everything stays where it is and the kernel moves what has to move; the metrics tell.
//!
//! # Rejected
//!
//! - *A flag in the core and a lock around it*: workers that come back from a long poll would wait for
//!   it, perhaps on the very CPU that its owner wants.
//! - *Closing the pool and making it again*: threads would end inside of blocking calls, or late.

use super::Core;
use crate::percpu::CpuWatch;
use crate::runtime::Shared;
use crate::sys;
use crate::sys::affinity::{self, CpuSet};
use crate::sys::uring_poll::Kick;
use crate::worker::Flag;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// What others know of the thread that watches.
#[derive(Default)]
pub(crate) struct Hotplug {
    /// There is to be one.
    is_wanted: AtomicBool,
    /// Somebody makes it, or has tried to.
    is_begun: AtomicBool,
    bell: OnceLock<Arc<Kick>>,
    refusal: OnceLock<String>,
}

impl Hotplug {
    /// Wakes the thread: somebody has seen a change, or the runtime has stopped.
    pub(crate) fn ring(&self) {
        if let Some(bell) = self.bell.get() {
            bell.kick();
        }
    }

    /// Why changes are seen late, or not at all.
    pub(crate) fn refusal(&self) -> Option<&str> {
        self.refusal.get().map(String::as_str)
    }

    /// For the monitor: does somebody want the thread, and nobody has made it?
    pub(crate) fn lacks_thread(&self) -> bool {
        self.is_wanted.load(Ordering::Relaxed) && !self.is_begun.load(Ordering::Relaxed)
    }
}

impl Shared {
    /// CPUs matter from now on.
    pub(crate) fn want_hotplug(&self) {
        if !self.hotplug.is_wanted.swap(true, Ordering::Relaxed) {
            self.monitor.kick();
        }
    }

    /// Starts the thread, once, which gets the affinity of the calling one. Without it the runtime works,
    /// and the metrics say why there is none.
    pub(crate) fn start_hotplug(self: &Arc<Self>) {
        if self.hotplug.is_begun.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Err(error) = self.try_start_hotplug() {
            let refusal = format!("no thread watches the CPUs: {error}");
            self.hotplug.refusal.get_or_init(|| refusal);
        }
    }

    fn try_start_hotplug(self: &Arc<Self>) -> io::Result<()> {
        let watch = CpuWatch::new()?;
        let refusal = watch.refusal();
        let shared = self.clone();
        // Before the thread, which would not be woken otherwise if the runtime stops at once.
        self.hotplug.bell.get_or_init(|| watch.bell());
        self.spawn_thread("cmwq/cpus".into(), 128 << 10, move || run(&shared, watch))?;
        if let Some(refusal) = refusal {
            self.hotplug.refusal.get_or_init(|| refusal);
        }
        Ok(())
    }
}

fn run(shared: &Shared, mut watch: CpuWatch) {
    // It was made after the runtime had looked.
    if !changed(shared, watch.usable()).is_empty() {
        apply(shared, watch.usable());
    }
    while !shared.has_stopped() {
        if watch.wait(None) && !shared.has_stopped() {
            apply(shared, watch.usable());
        }
    }
}

/// The CPUs of the runtime that have gone away or come back.
fn changed(shared: &Shared, now: &CpuSet) -> Vec<usize> {
    let known = shared.pools.site.allowed.iter();
    known.filter(|&cpu| shared.usable.contains(cpu) != now.contains(cpu)).collect()
}

/// Sees to it that the runtime uses these CPUs. If they are the same as before it is not in vain: older
/// kernels give all threads of a cpuset all of its CPUs when it changes.
fn apply(shared: &Shared, now: &CpuSet) {
    let changed = changed(shared, now);
    for &cpu in &changed {
        shared.usable.change(cpu, now.contains(cpu));
    }
    if !changed.is_empty() {
        shared.usable.count_change();
    }
    shared.usable.move_threads(|| {
        for core in shared.all_cores() {
            core.place_workers(shared);
        }
    });
    if !changed.is_empty() {
        shared.queues.all().iter().for_each(|queue| queue.cpus_have_changed());
    }
}

impl Core {
    /// Has the CPU gone away that its workers are bound to?
    pub(crate) fn is_disassociated(&self, shared: &Shared) -> bool {
        self.cpu.is_some_and(|cpu| !shared.usable.contains(cpu))
    }

    /// Where its workers may be now; `None` if that is anywhere, or if nothing is known of the CPUs that
    /// are left.
    fn own_cpus(&self, shared: &Shared) -> Option<CpuSet> {
        let own = match self.cpu {
            Some(cpu) => CpuSet::single(cpu),
            None => self.pool.attrs()?.roam,
        };
        Some(shared.usable.of(&own)).filter(|cpus| !cpus.is_empty())
    }

    /// Gives the calling thread the CPUs of the core's workers. `false` if they have none of their own.
    pub(crate) fn place_current_thread(&self, shared: &Shared) -> bool {
        if self.cpu.is_none() {
            return self.pool.confine_current_thread(shared);
        }
        shared.usable.settle(|| {
            let Some(cpus) = self.own_cpus(shared) else { return };
            // Refused when they have just gone away: then the kernel's choice is as good.
            if affinity::set(0, &cpus).is_err() {
                self.stats.pin_failures.increment();
            }
        });
        true
    }

    /// Gives all workers that are known their CPUs.
    fn place_workers(&self, shared: &Shared) {
        let Some(cpus) = self.own_cpus(shared) else { return };
        for worker in self.crew.iter() {
            // One that was unpinned gives itself its CPUs when it comes back.
            if worker.flags.has(Flag::Unpinned) || worker.flags.has(Flag::Roams) {
                continue;
            }
            place(worker.tid(), &cpus);
            // It has begun in between: undo what came too late.
            if let Some(all) =
                shared.original.cpus.as_ref().filter(|_| worker.flags.has(Flag::Roams))
            {
                place(worker.tid(), all);
            }
        }
        if let Some(sentinel) = self.sentinel.as_ref().filter(|_| self.is_default) {
            place(sentinel.tid(), &cpus);
        }
    }

    /// Gives a worker its CPUs back, which another thread has taken from it.
    pub(super) fn place_worker(&self, shared: &Shared, tid: i32) {
        shared.usable.move_threads(|| {
            shared.usable.settle(|| {
                if let Some(cpus) = self.own_cpus(shared) {
                    place(tid, &cpus);
                }
            });
        });
    }
}

/// A thread that has ended, or one whose CPUs have just gone away, is none to be placed.
fn place(tid: i32, cpus: &CpuSet) {
    let is_there = || sys::affinity::get(tid).is_ok_and(|now| now == *cpus);
    if tid != 0 && !is_there() {
        let _ = sys::affinity::set(tid, cpus);
    }
}

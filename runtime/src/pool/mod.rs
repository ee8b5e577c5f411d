//! A bound pool: the workers of one core, what they share, and who of them is in charge.
//!
//! # Positions
//!
//! Of a core's workers one is the **holder**: it alone takes new tasks, drives timers and I/O, and
//! parks in the driver. The others are on standby (asleep) or lost (inside user code, holder no
//! more). `holder` names it; [`NOBODY`] while the core waits to be adopted.
//!
//! ```text
//!            verdict, holder: H -> S                 poll ends, holder != H
//!   H holds ------------------------> H lost, S holds ----------------------> H on standby
//!            hand_over, holder: H -> NOBODY -> S
//! ```
//!
//! # Takeover
//!
//! [`takeover`] by standby S of blocked holder H: (1) a detector gave a verdict (worker, epoch);
//! S checks that H's epoch is *user* and unchanged. (2) Compare-exchange of `holder`. (3)
//! `membarrier`, unless H cannot be running: from here on every push of H sees that it lost the core
//! and gives the task away; every push before is visible to S. (4) S empties H's slot and ring and goes on as holder. A
//! thread is never made on this path: if no standby is left, the manager is asked for one.
//!
//! H may have come back between (1) and (2). Then for a moment both believe that they hold the core:
//! H finds out before its next task or push. What they share is lock-free or locked, so the worst is
//! one task too many at a time.
//!
//! # Without its CPU
//!
//! A CPU may go offline, or be taken from the process: its workers are unbound until it comes back
//! ([`hotplug`]).
//!
//! # Without workers
//!
//! When no further worker can be made tasks wait, and the monitor stands in for the driver and the
//! wheel ([`stuck`]). Queues that have to go on all the same have rescuers ([`rescue`]).
//!
//! # Who may touch which field
//!
//! | field | who |
//! |---|---|
//! | `holder` | standbys (takeover, adoption), the holder (hand-over), guests as they come and go |
//! | `verdict` | detectors give, standbys clear |
//! | `habit` | detectors note, anybody looks |
//! | `park`, `inject`, `pool` | anybody |
//! | `driver` | the holder; with `try_lock` the monitor and other cores' workers |
//! | `timers` | anybody; its lock covers pointer writes only |
//! | `crew` | see there |
//!
//! # Rejected
//!
//! - *A run queue per core that changes hands*: the producer side would change with the holder, and
//!   a stale holder would be a second producer. Each worker keeps its own ring.
//! - *Creating the standby when it is needed*: `pthread_create` takes 6 to 20 us, a futex wake 2.

mod access;
mod attrs;
mod bits;
mod crew;
mod habit;
mod holder;
mod hotplug;
mod idle;
mod inject;
mod nice;
mod node_memory;
mod notice;
mod park;
mod park_word;
mod pools;
mod rescue;
mod site;
mod sleepers;
mod stuck;
mod table;
mod takeover;
mod usable;
mod verdict;
mod watch;
mod watch_role;
mod worker_pool;
mod worklist;

#[cfg(all(test, cmwq_loom))]
mod loom_tests;
#[cfg(all(test, not(cmwq_loom)))]
mod node_tests;
#[cfg(all(test, not(cmwq_loom)))]
mod pool_tests;
#[cfg(all(test, not(cmwq_loom)))]
mod tests;

use access::{Access, Left};
pub(crate) use attrs::PoolAttrs;
pub(crate) use crew::Crew;
pub(crate) use habit::{Habit, MANY};
pub(crate) use holder::{Holder, NOBODY};
pub(crate) use hotplug::Hotplug;
pub(crate) use idle::Idle;
pub(crate) use inject::{Chain, Inject};
pub(crate) use nice::apply_nice;
use notice::Notice;
pub(crate) use park::CorePark;
pub(crate) use park_word::Bed;
pub(crate) use pools::{LOOK_NS, Pools};
pub(crate) use rescue::{LineHold, Rescuer, RescuerHold, Rescuers};
pub(crate) use site::{Site, Works};
pub(crate) use table::Table;
pub(crate) use usable::{Changes, Usable};
pub(crate) use verdict::{Claim, Verdict, Witness};
pub(crate) use watch::{Post, Watch};
pub(crate) use worker_pool::{HIGH_NICE, PoolKind, WorkerPool};
pub(crate) use worklist::{Key, QueueId, Worklist};

use crate::contain::contain;
use crate::detect::{Hunch, Sentinel};
use crate::metrics::CoreStats;
use crate::runtime::Shared;
use crate::sync_types::{Mutex, MutexGuard, lock, try_lock};
use crate::sys::affinity::CpuSet;
use crate::time::Timers;
use crate::worker::Worker;
use crossbeam_utils::CachePadded;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Waker;

/// One bound pool. In pages of its own, which are on its node ([`node_memory`]).
#[repr(align(4096))]
pub(crate) struct Core {
    pub(crate) index: usize,
    /// One of those that serve `cmwq::spawn`?
    pub(crate) is_default: bool,
    /// The normal core of its CPU, which is itself or that of the normal pool; none if unbound.
    pub(crate) bound_to: Option<usize>,
    /// The CPU that its workers are pinned to, while it is there.
    pub(crate) cpu: Option<usize>,
    /// Where a worker may run that uses more than its share of CPU time.
    pub(crate) wide: CpuSet,
    /// Other cores in the order in which they are robbed.
    pub(crate) neighbours: Box<[usize]>,
    pub(crate) holder: CachePadded<Holder>,
    access: Access,
    pub(crate) verdict: CachePadded<Verdict>,
    pub(crate) park: Arc<CorePark>,
    pub(crate) inject: CachePadded<Inject>,
    /// The pool of workqueues that the core serves.
    pub(crate) pool: Arc<WorkerPool>,
    pub(crate) crew: Crew,
    /// `None` once the runtime has stopped.
    driver: Mutex<Option<cmwq_io::driver::Driver>>,
    pub(crate) timers: Arc<Timers>,
    pub(crate) sentinel: Option<Arc<Sentinel>>,
    pub(crate) habit: Habit,
    /// Do those who return find the holder asleep?
    pub(crate) hunch: Hunch,
    /// Another worker is wanted; the manager clears it.
    pub(crate) wants_worker: AtomicBool,
    /// Foreign wakers of a round in which the monitor drove the core.
    chores: Mutex<Vec<Waker>>,
    has_chores: AtomicBool,
    /// No further worker could be made.
    pub(crate) shortage: Notice,
    /// Since when, CLOCK_MONOTONIC ns; 0 if one could. Written by the monitor.
    short_since: AtomicU64,
    pub(crate) stats: CoreStats,
}

/// The driver, locked.
pub(crate) struct DriverGuard<'a>(MutexGuard<'a, Option<cmwq_io::driver::Driver>>);

impl Deref for DriverGuard<'_> {
    type Target = cmwq_io::driver::Driver;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref().expect("checked when it was locked")
    }
}

impl DerefMut for DriverGuard<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.0.as_mut().expect("checked when it was locked")
    }
}

/// What a core is made of.
pub(crate) struct Parts {
    pub(crate) index: usize,
    pub(crate) is_default: bool,
    pub(crate) bound_to: Option<usize>,
    pub(crate) cpu: Option<usize>,
    pub(crate) wide: CpuSet,
    pub(crate) neighbours: Box<[usize]>,
    pub(crate) cap: usize,
    pub(crate) open: bool,
    pub(crate) pool: Arc<WorkerPool>,
    pub(crate) driver: cmwq_io::driver::Driver,
    pub(crate) park: Arc<CorePark>,
    pub(crate) timers: Arc<Timers>,
    pub(crate) sentinel: Option<Arc<Sentinel>>,
    pub(crate) watch: Option<Watch>,
}

impl Core {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            index: parts.index,
            is_default: parts.is_default,
            bound_to: parts.bound_to,
            cpu: parts.cpu,
            wide: parts.wide,
            neighbours: parts.neighbours,
            holder: CachePadded::new(Holder::new()),
            access: Access::new(parts.open),
            verdict: CachePadded::default(),
            park: parts.park,
            inject: CachePadded::new(Inject::new()),
            pool: parts.pool,
            crew: Crew::new(parts.cap, parts.watch),
            driver: Mutex::new(Some(parts.driver)),
            timers: parts.timers,
            sentinel: parts.sentinel,
            habit: Habit::default(),
            hunch: Hunch::default(),
            wants_worker: AtomicBool::new(false),
            chores: Mutex::new(Vec::new()),
            has_chores: AtomicBool::new(false),
            shortage: Notice::default(),
            short_since: AtomicU64::new(0),
            stats: CoreStats::default(),
        }
    }

    #[inline]
    pub(crate) fn holder(&self) -> u32 {
        self.holder.get()
    }

    /// The worker that holds the core.
    #[inline]
    pub(crate) fn holding_worker(&self) -> Option<&Worker> {
        self.crew.get(self.holder())
    }

    /// Becomes the holder of a core that nobody holds.
    pub(crate) fn adopt(&self, worker: u32) -> bool {
        self.access.adopt(&self.holder, worker)
    }

    /// Gives the core up; `false` if this worker does not hold it.
    pub(crate) fn release(&self, worker: u32) -> bool {
        self.holder.change(worker, NOBODY)
    }

    /// May its workers hold it? Not while a core of an unbound pool is closed.
    pub(crate) fn is_open(&self) -> bool {
        self.access.is_open()
    }

    /// Wakes the holder, of an unbound pool's core that may be closed. `false` if it was, and wants
    /// a worker now.
    pub(crate) fn reopen(&self) -> bool {
        let was_open = self.access.open();
        // Of a core that is just being closed a standby may have become the holder.
        self.park.unpark();
        was_open
    }

    /// The holder closes the core: its threads end.
    pub(crate) fn shut(&self, holder: u32) {
        self.access.close();
        self.release(holder);
        self.crew.wake_all();
    }

    /// Is the core of an unbound pool closed, so that its threads are to end?
    pub(crate) fn is_shut(&self) -> bool {
        self.pool.kind == PoolKind::Unbound && !self.is_open()
    }

    /// For its holder: is there nothing that may want the core again? Not true while another worker
    /// is inside a poll, which may register a socket or a timer.
    pub(crate) fn is_deserted(&self) -> bool {
        self.pool.worklist.is_empty()
            // A sleep that is over, which may begin anew anywhere, has a reference too.
            && Arc::strong_count(&self.timers) == 1
            && self.timers.is_empty()
            && self.park.io().is_unused()
            && !self.has_chores()
            && self.crew.all_stand_by()
    }

    /// The runtime shuts down: workers drop the tasks, whether or not there are guests.
    pub(crate) fn stay_open(&self) {
        self.access.stay_open();
    }

    /// A thread in `block_on` begins to serve the core of a runtime that has only one: as this worker,
    /// which holds the core from here on if there is no other guest, or as [`NOBODY`].
    pub(crate) fn guest_comes(&self, worker: u32) {
        self.access.come(&self.holder, worker);
    }

    /// It leaves. Without guests the core stands still: no worker may hold it.
    pub(crate) fn guest_leaves(&self, shared: &Shared, worker: u32) {
        match self.access.leave(&self.holder) {
            // A guest gives its own tasks away.
            Left::Closed(former) if former == worker => {}
            Left::Closed(former) => self.strip(shared, former),
            Left::Open => {
                let released = worker != NOBODY && self.release(worker);
                if released && !self.crew.wake_standby() {
                    shared.monitor.request_worker(self);
                }
            }
        }
    }

    /// Is there something for a standby to do?
    pub(crate) fn needs_worker(&self) -> bool {
        (self.is_open() && self.holder.is_nobody()) || self.verdict.read().is_some()
    }

    /// The driver, unless somebody else is in it.
    pub(crate) fn try_driver(&self) -> Option<DriverGuard<'_>> {
        let guard = try_lock(&self.driver)?;
        guard.is_some().then_some(DriverGuard(guard))
    }

    /// The runtime has stopped: whoever still waits for a socket or a timer of this core, from outside
    /// or on a blocking thread, is woken and gets an error or a panic. A second time does nothing.
    pub(crate) fn close(&self) {
        let driver = lock(&self.driver).take();
        // Wakes; outside of the lock.
        drop(driver);
        self.timers.close(&mut |waker| {
            contain(|| waker.wake());
        });
    }

    /// A detector has seen the holder block (or burn): latches that and wakes a standby. Without a
    /// standby the latch waits for one. Takes no lock. `false` if one is needed and there was none.
    pub(crate) fn accuse(&self, claim: Claim, witness: Witness) -> bool {
        !self.latch(claim, witness) || self.crew.wake_standby()
    }

    /// The same, by the detector, for a wait that may be over in a moment, and does not count as a habit
    /// yet.
    pub(crate) fn suspect(&self, claim: Claim) -> bool {
        let now = crate::time::now_ns();
        self.habit.doubt(claim, now);
        !self.give_verdict(claim, Witness::Detector, now) || self.crew.wake_standby()
    }

    /// Writes the verdict; for a standby that goes on to take over itself. `false` if the claim is out of
    /// date.
    pub(crate) fn latch(&self, claim: Claim, witness: Witness) -> bool {
        let now = crate::time::now_ns();
        if !claim.is_hog() {
            self.habit.note(claim, now);
        }
        self.give_verdict(claim, witness, now)
    }

    fn give_verdict(&self, claim: Claim, witness: Witness, now: u64) -> bool {
        let Some(worker) = self.crew.get(claim.worker()) else { return false };
        let stamp = worker.epoch.load();
        worker.observed.note(stamp, now);
        // Somebody else may have seen it first, and a standby has the core by now.
        if self.holder() != claim.worker() || !claim.is_about(stamp) {
            return false;
        }
        if self.verdict.give(claim, now) {
            self.stats.count_verdict(witness);
        }
        true
    }

    /// Arms the sentinel where it is likely to be needed. While its CPU is away it is of no use.
    #[inline]
    pub(crate) fn arm(&self, shared: &Shared, now: u64) {
        let helps =
            |_: &&Arc<Sentinel>| self.habit.blocked_lately(now) && !self.is_disassociated(shared);
        if let Some(sentinel) = self.sentinel.as_ref().filter(helps) {
            sentinel.arm();
        }
    }

    /// A worker was wanted and could not be made.
    pub(crate) fn shortage_begins(&self, now: u64) {
        if self.short_since.load(Ordering::Relaxed) == 0 {
            self.short_since.store(now, Ordering::Relaxed);
        }
        self.shortage.leave();
    }

    /// There is a worker again.
    pub(crate) fn shortage_ends(&self) {
        if self.short_since.load(Ordering::Relaxed) != 0 {
            self.short_since.store(0, Ordering::Relaxed);
        }
    }

    /// For how long a worker could not be made that is wanted, in nanoseconds; 0 if it could.
    pub(crate) fn short_for(&self, now: u64) -> u64 {
        match self.short_since.load(Ordering::Relaxed) {
            0 => 0,
            since => now.saturating_sub(since),
        }
    }

    /// Leaves a foreign waker for a worker to wake.
    pub(crate) fn leave_chore(&self, waker: Waker) {
        lock(&self.chores).push(waker);
        self.has_chores.store(true, Ordering::Release);
        self.park.unpark();
    }

    pub(crate) fn has_chores(&self) -> bool {
        self.has_chores.load(Ordering::Acquire)
    }

    pub(crate) fn take_chores(&self) -> Vec<Waker> {
        if !self.has_chores() {
            return Vec::new();
        }
        self.has_chores.store(false, Ordering::Relaxed);
        std::mem::take(&mut *lock(&self.chores))
    }
}

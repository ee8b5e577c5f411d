//! One worker: a thread of a core pool and what others may see of it.
//!
//! [`Worker`] is the shared half, a place in the core's crew. Who touches what:
//!
//! | field | written by | read by |
//! |---|---|---|
//! | `epoch` | the worker's thread | detectors, standbys |
//! | `ring` | the thread pushes; anybody takes | anybody |
//! | `slot` | the thread puts; takeover, monitor and idle neighbours may take | anybody |
//! | `signal` | anybody (1), the thread (0) | the thread, on standby |
//! | `tid`, `watch`, `gate` | the thread, before it is on standby or holder for the first time | detectors |
//! | `location`, `task` | the thread, before each poll | reports |
//! | `queue` | the thread, around items of workqueues | reports |
//! | `task_name` | the thread, around tasks with names | reports |
//! | `observed` | whoever looks at the worker | reports |
//! | `flags` | monitor sets, the thread clears; `Roams` is the thread's alone | both, and who watches the CPUs |
//!
//! [`Local`] is the half that only the thread has: the loop and its counters. The thread is in one
//! of three positions: *holder* ([`run`]: takes tasks, drives timers and I/O, parks in the driver),
//! *standby* ([`standby`]: asleep until a verdict or an unheld core), or *lost*: inside user code,
//! holder no more. A lost worker finishes its poll, gives away what it has and goes on standby.
//!
//! Safety does not depend on who is the holder. If for a moment two workers believe that they hold
//! the core, one task too many runs; queues are lock-free and stealable, the driver has a lock.

mod countdown;
mod dispatch;
mod epoch;
mod flags;
pub(crate) mod handoff;
mod linger;
mod local;
mod mark;
mod neighbour;
mod park;
#[cfg(feature = "test-util")]
mod paused;
#[cfg(not(feature = "test-util"))]
#[path = "unpaused.rs"]
mod paused;
mod ring;
mod run;
mod seat;
mod signal;
mod slot;
mod standby;
mod steal;
mod thread;

#[cfg(all(test, cmwq_loom))]
mod loom_tests;
#[cfg(all(test, not(cmwq_loom)))]
mod tests;

#[cfg(all(test, cmwq_loom))]
pub(crate) use epoch::Epoch;
pub(crate) use epoch::{Phase, Stamp};
pub(crate) use flags::Flag;
pub(crate) use local::Local;
#[cfg(all(test, cmwq_loom))]
pub(crate) use mark::Mark;
pub(crate) use mark::Run;
pub(crate) use run::{Main, NoMain};
pub(crate) use seat::Seat;
pub(crate) use signal::Signal;
pub(crate) use thread::spawn;

use crate::detect::Gate;
use crate::inspect::Observed;
use crate::pool::QueueId;
use crate::sync_types::{Mutex, lock};
use crate::sys::proc::SyscallFile;
use crossbeam_utils::CachePadded;
use std::panic::Location;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// The shared half of a worker. In a page of its own, which is on the node of its CPU.
#[repr(align(4096))]
pub(crate) struct Worker {
    index: u32,
    pub(crate) epoch: CachePadded<epoch::Epoch>,
    pub(crate) ring: ring::Ring,
    pub(crate) slot: slot::Slot,
    signal: Signal,
    tid: AtomicI32,
    watch: OnceLock<SyscallFile>,
    gate: Mutex<Option<Gate>>,
    location: AtomicPtr<Location<'static>>,
    /// The id of that task; 0 for other user code.
    task: AtomicU64,
    /// Its name, if it has one, for the time of the poll.
    task_name: Mutex<Option<Arc<str>>>,
    /// The pool_workqueue that the task is of, and 1; 0 for none.
    queue: AtomicU64,
    /// Since when it has been in its epoch.
    pub(crate) observed: Observed,
    pub(crate) flags: flags::Flags,
    /// Which item of a workqueue it runs.
    pub(crate) mark: mark::Mark,
    /// When it went on standby last, CLOCK_MONOTONIC ns.
    idle_since: AtomicU64,
}

impl Worker {
    pub(crate) fn new(index: u32) -> Self {
        Self {
            index,
            epoch: CachePadded::default(),
            ring: ring::Ring::new(),
            slot: slot::Slot::new(),
            signal: Signal::new(),
            tid: AtomicI32::new(0),
            watch: OnceLock::new(),
            gate: Mutex::new(None),
            location: AtomicPtr::new(std::ptr::null_mut()),
            task: AtomicU64::new(0),
            task_name: Mutex::new(None),
            queue: AtomicU64::new(0),
            observed: Observed::default(),
            flags: flags::Flags::default(),
            mark: mark::Mark::default(),
            idle_since: AtomicU64::new(0),
        }
    }

    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    /// The thread's id, 0 while there is no thread.
    pub(crate) fn tid(&self) -> i32 {
        self.tid.load(Ordering::Acquire)
    }

    /// Where the kernel tells whether the thread is blocked; `None` without `/proc`.
    pub(crate) fn watch(&self) -> Option<&SyscallFile> {
        self.watch.get()
    }

    /// With the perf and bpf detectors: what tells the kernel whether its sleep matters.
    pub(crate) fn gate(&self) -> Option<Gate> {
        lock(&self.gate).clone()
    }

    /// The former one.
    fn set_gate(&self, gate: Option<Gate>) -> Option<Gate> {
        std::mem::replace(&mut *lock(&self.gate), gate)
    }

    /// Where the task that it polls, or polled last, was spawned.
    pub(crate) fn location(&self) -> Option<&'static Location<'static>> {
        let location = self.location.load(Ordering::Relaxed);
        // SAFETY: only `&'static Location`s are stored.
        (!location.is_null()).then(|| unsafe { &*location })
    }

    #[inline]
    fn set_location(&self, location: &'static Location<'static>) {
        self.location.store(std::ptr::from_ref(location).cast_mut(), Ordering::Relaxed);
    }

    /// The id of the task that it polls, or polled last; `None` in other user code.
    pub(crate) fn task(&self) -> Option<u64> {
        Some(self.task.load(Ordering::Relaxed)).filter(|&id| id != 0)
    }

    #[inline]
    fn set_task(&self, id: Option<crate::task::Id>) {
        self.task.store(id.map_or(0, crate::task::Id::as_u64), Ordering::Relaxed);
    }

    /// The name of the task that it polls.
    pub(crate) fn task_name(&self) -> Option<Arc<str>> {
        lock(&self.task_name).clone()
    }

    /// Only by the worker itself, at the start and the end of a poll of a task with a name.
    pub(crate) fn set_task_name(&self, name: Option<Arc<str>>) {
        let former = std::mem::replace(&mut *lock(&self.task_name), name);
        drop(former);
    }

    /// The pool_workqueue whose item it runs.
    pub(crate) fn queue(&self) -> Option<QueueId> {
        self.queue.load(Ordering::Relaxed).checked_sub(1).map(QueueId)
    }

    /// Only by the worker itself, at the start and the end of an item.
    pub(crate) fn set_queue(&self, queue: Option<QueueId>) {
        self.queue.store(queue.map_or(0, |queue| queue.0 + 1), Ordering::Relaxed);
    }

    /// Wakes the thread from standby, or keeps it from falling asleep.
    pub(crate) fn signal(&self) {
        self.signal.raise();
    }

    pub(crate) fn is_signalled(&self) -> bool {
        self.signal.is_raised()
    }

    pub(crate) fn idle_since(&self) -> u64 {
        self.idle_since.load(Ordering::Relaxed)
    }

    /// A thread moves in. Called by that thread.
    fn occupy(&self, tid: i32) {
        self.signal.lower();
        self.flags.clear_all();
        // A worker that had a thread before keeps its descriptor, which now has to name the new
        // thread. Without /proc there is none, and the detectors do without.
        match self.watch.get() {
            Some(watch) => drop(watch.reopen(tid)),
            None => {
                if let Ok(watch) = SyscallFile::open(tid) {
                    let _ = self.watch.set(watch);
                }
            }
        }
        self.tid.store(tid, Ordering::Release);
    }

    /// The thread moves out.
    fn vacate(&self) {
        self.tid.store(0, Ordering::Release);
        if let Some(gate) = self.set_gate(None) {
            gate.retire();
        }
        self.epoch.enter(Phase::Parked);
    }
}

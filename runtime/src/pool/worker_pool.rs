//! A worklist and the cores that serve it: what the kernel calls a worker pool.
//!
//! A bound pool is served by one core. There are two for each CPU: the *normal* one, whose core also
//! serves `cmwq::spawn`, and the *high-priority* one, whose core is made at first use and has a driver,
//! a wheel and workers of its own; the kernel's scheduler lets them preempt the normal ones where the
//! process may lower their nice value.
//!
//! An unbound pool is served by as many cores as its CPU mask has CPUs, none of which is pinned to
//! one of them: each polls one task at a time and is taken over when that task blocks, so an unbound
//! pool keeps as many unblocked workers as it has CPUs. That is more than the kernel does, which does
//! not manage the concurrency of unbound pools. Its cores get their threads one after the other,
//! when work waits and those that have some are busy ([`super::sleepers`]).
//!
//! Extra cores (all but the normal ones) take part in nothing that the cores of `cmwq::spawn` do
//! among themselves: slots, rings, inject lists, stealing. Their work waits in the worklist only.

use super::attrs::Current;
use super::nice::Asks;
use super::rescue::Lines;
use super::sleepers::Sleepers;
use super::{Core, Key, PoolAttrs, QueueId, Worklist};
use crate::runtime::Shared;
use crate::task::Notified;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Which pools there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PoolKind {
    /// Bound, of normal priority: that of `cmwq::spawn` on this core.
    Normal,
    /// Bound, of high priority.
    HighPriority,
    /// Not bound to a CPU.
    Unbound,
}

pub(crate) struct WorkerPool {
    pub(crate) kind: PoolKind,
    /// Names its threads: a bound pool's CPU (or core, where not pinned), the number of an unbound
    /// one.
    pub(crate) number: usize,
    pub(crate) worklist: Worklist,
    /// Whom it calls when it starves.
    pub(crate) lines: Lines,
    /// The cores that serve it, by index. In a row.
    pub(crate) cores: Box<[usize]>,
    unbound: Option<Unbound>,
}

/// What only an unbound pool has.
struct Unbound {
    current: Current,
    sleepers: Sleepers,
    /// Changed under the lock of [`super::Pools`]; a reference that is not the last is given back
    /// without it.
    references: AtomicUsize,
    /// Nobody uses it: its threads end as soon as they can.
    is_released: AtomicBool,
}

impl WorkerPool {
    pub(crate) fn bound(kind: PoolKind, number: usize, core: usize) -> Self {
        Self {
            kind,
            number,
            worklist: Worklist::new(),
            lines: Lines::default(),
            cores: [core].into(),
            unbound: None,
        }
    }

    pub(super) fn unbound(
        number: usize,
        cores: Box<[usize]>,
        attrs: PoolAttrs,
        cpu_limit: usize,
    ) -> Self {
        let unbound = Unbound {
            current: Current::new(attrs, cpu_limit),
            sleepers: Sleepers::new(cores.len()),
            references: AtomicUsize::new(0),
            is_released: AtomicBool::new(true),
        };
        Self {
            kind: PoolKind::Unbound,
            number,
            worklist: Worklist::new(),
            lines: Lines::default(),
            cores,
            unbound: Some(unbound),
        }
    }

    /// Queues a task of a workqueue, and sees to it that a worker takes it. Any thread may.
    pub(crate) fn push(&self, shared: &Shared, task: Notified, queue: QueueId) -> Key {
        let key = self.worklist.push(task, queue);
        self.notify(shared);
        key
    }

    /// Takes the first task. Where more wait, another core of an unbound pool is woken.
    #[inline]
    pub(crate) fn pop(&self, shared: &Shared) -> Option<Notified> {
        let task = self.worklist.pop()?;
        if self.unbound.is_some() && !self.worklist.is_empty() {
            self.wake_one(shared);
        }
        Some(task)
    }

    /// After a push: wakes a core that sleeps. Not the only one of a bound pool if it is the calling
    /// worker's own, which is going to look itself.
    fn notify(&self, shared: &Shared) {
        if self.unbound.is_some() {
            self.wake_one(shared);
            self.lines.tell();
            return;
        }
        let core = shared.core(self.cores[0]);
        let own = crate::context::with_local(|local| {
            // has_lost() after the push: see worker::handoff.
            local.is_some_and(|local| std::ptr::eq(local.core(), core) && !local.has_lost())
        });
        if !own {
            core.park.unpark();
            self.lines.tell();
        }
    }

    /// Wakes a core that sleeps, or starts one, if not all are at work.
    fn wake_one(&self, shared: &Shared) {
        let Some(unbound) = &self.unbound else { return };
        if let Some(place) = unbound.sleepers.take_one() {
            self.rouse(shared, shared.core(self.cores[place]));
        }
    }

    /// Wakes or starts a core that the caller has taken from the sleepers.
    fn rouse(&self, shared: &Shared, core: &Core) {
        if !core.reopen() && !core.crew.wake_standby() {
            shared.monitor.request_worker(core);
        }
    }

    /// The core is about to sleep; it looks at the worklist after this.
    pub(crate) fn announce_sleep(&self, core: usize) {
        if let Some(unbound) = &self.unbound {
            unbound.sleepers.announce(core - self.cores[0]);
        }
    }

    /// It is awake again.
    pub(crate) fn rise(&self, core: usize) {
        if let Some(unbound) = &self.unbound {
            unbound.sleepers.rise(core - self.cores[0]);
        }
    }

    /// Makes the calling thread, a new worker of the pool, one of its kind. `false` if it may not use
    /// the pool's CPUs.
    pub(crate) fn shape_current_thread(&self, shared: &Shared) -> bool {
        match self.kind {
            PoolKind::Normal => true,
            PoolKind::HighPriority => {
                shared.original.apply();
                shared.pools.high_nice.apply(HIGH_NICE);
                true
            }
            PoolKind::Unbound => {
                shared.original.apply();
                self.unbound.as_ref().is_none_or(|unbound| unbound.current.take(shared))
            }
        }
    }

    /// The nice value of its workers, as far as they may have it.
    pub(crate) fn nice(&self, shared: &Shared) -> i32 {
        match self.kind {
            PoolKind::Normal => shared.original.nice,
            PoolKind::HighPriority => HIGH_NICE,
            PoolKind::Unbound => {
                let normal = shared.original.nice;
                self.attrs().map_or(normal, |attrs| attrs.nice_of_threads(shared))
            }
        }
    }

    /// The nice values that its threads were to have and have, if they were refused the former.
    pub(crate) fn refused_nice(&self, shared: &Shared) -> Option<(i32, i32)> {
        match self.kind {
            PoolKind::Normal => None,
            PoolKind::HighPriority => {
                shared.pools.high_nice.instead_of(HIGH_NICE).map(|got| (HIGH_NICE, got))
            }
            PoolKind::Unbound => self.unbound.as_ref()?.current.refused_nice(shared),
        }
    }

    /// Reports that, once for all pools of the kind. A subscriber is user code.
    pub(crate) fn report_refused_nice(&self, shared: &Shared, wanted: i32, got: i32) {
        let is_unbound = self.kind == PoolKind::Unbound;
        let who = if is_unbound { Asks::Unbound } else { Asks::HighPriority };
        shared.pools.nice_reports.report(who, wanted, got);
    }

    /// The calling thread, a worker that was woken, goes back to the pool's CPUs; see `attrs`. Returns
    /// whether it was elsewhere.
    #[inline]
    pub(crate) fn put_back(&self, shared: &Shared) -> bool {
        self.unbound.as_ref().is_some_and(|unbound| unbound.current.put_back(shared))
    }

    /// Gives the calling thread the CPUs of the pool, if it is unbound. Returns whether it is.
    pub(super) fn confine_current_thread(&self, shared: &Shared) -> bool {
        self.unbound.as_ref().map(|unbound| unbound.current.confine(shared)).is_some()
    }

    /// The attributes of an unbound pool.
    pub(crate) fn attrs(&self) -> Option<PoolAttrs> {
        self.unbound.as_ref().map(|unbound| unbound.current.get())
    }

    /// Is this CPU in the group that the pool, which is unbound, serves?
    pub(crate) fn covers(&self, cpu: usize) -> bool {
        self.unbound.as_ref().is_some_and(|unbound| unbound.current.covers(cpu))
    }

    pub(crate) fn is_released(&self) -> bool {
        self.unbound.as_ref().is_some_and(|unbound| unbound.is_released.load(Ordering::SeqCst))
    }

    // What follows is called under the lock of `Pools`, except where it says otherwise.

    /// The pool is used again, with these attributes if it was vacant, else with its own.
    /// Errors: the first thread could not be made; the pool is released as before.
    pub(super) fn revive(&self, shared: &Arc<Shared>, attrs: Option<PoolAttrs>) -> io::Result<()> {
        let Some(unbound) = &self.unbound else { return Ok(()) };
        if let Some(attrs) = attrs {
            unbound.current.set(attrs);
        }
        unbound.is_released.store(false, Ordering::SeqCst);
        // The first core has threads from the beginning, so that there is one that works.
        if !unbound.sleepers.take(0) {
            return Ok(());
        }
        let first = shared.core(self.cores[0]);
        if first.reopen() || first.crew.wake_standby() {
            return Ok(());
        }
        shared.staff(first.index).inspect_err(|_| {
            // Once there is a thread it closes the core again.
            unbound.is_released.store(true, Ordering::SeqCst);
            shared.monitor.request_worker(first);
        })
    }

    pub(super) fn release(&self, shared: &Shared) {
        let Some(unbound) = &self.unbound else { return };
        unbound.is_released.store(true, Ordering::SeqCst);
        for &core in &self.cores {
            let core = shared.core(core);
            if core.is_open() {
                core.park.unpark();
            }
        }
    }

    /// A core of the released pool has been closed: it is started again when it is needed.
    pub(super) fn has_closed(&self, core: usize) {
        if let Some(unbound) = &self.unbound {
            unbound.sleepers.announce(core - self.cores[0]);
        }
    }

    /// One more reference; not under the lock if there is one already.
    pub(super) fn refer(&self) {
        if let Some(unbound) = &self.unbound {
            unbound.references.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Gives a reference back that is not the last, without the lock. `false`: it may be the last,
    /// nothing was done.
    pub(super) fn give_back(&self) -> bool {
        let Some(unbound) = &self.unbound else { return true };
        let less = |references: usize| (references > 1).then(|| references - 1);
        unbound.references.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok()
    }

    /// Gives a reference back; `true` if it was the last.
    pub(super) fn give_back_last(&self) -> bool {
        let last = |unbound: &Unbound| unbound.references.fetch_sub(1, Ordering::SeqCst) == 1;
        self.unbound.as_ref().is_some_and(last)
    }
}

/// What its threads' names begin with, and `H` for high priority.
impl fmt::Display for WorkerPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            PoolKind::Normal => write!(f, "cmwq/{}", self.number),
            PoolKind::HighPriority => write!(f, "cmwq/{}H", self.number),
            PoolKind::Unbound => write!(f, "cmwq/u{}", self.number),
        }
    }
}

/// Of the threads of high-priority pools, as in the kernel.
pub(crate) const HIGH_NICE: i32 = -20;

//! The pools beside the normal ones: made at first use, shared, given back.
//!
//! # The life of an unbound pool
//!
//! ```text
//!            unbound_pool()                   last PoolRef dropped
//!   (none) ----------------> used <--------------------------------> released
//!                                   unbound_pool(), equal attributes    |
//!                                                                      | its cores close
//!                                   unbound_pool(), as many cores      v
//!                            used <---------------------------------- vacant
//! ```
//!
//! A core of a *released* pool closes when its holder has nothing to do and nothing is left that might
//! want it: no socket in its driver, no timer of its wheel, armed or not, no worker of it inside a
//! poll, which might register one. Its threads end. It looks again every [`LOOK_NS`], since a socket that somebody drops
//! tells nobody. When all cores are closed and the last thread has gone the pool is *vacant*, and a
//! later pool with as many cores gets its place, attributes apart. Cores are never freed: see
//! [`super::table`]. So memory is bounded by the pools that were in use at once.
//!
//! All changes of that kind, and closing a core, are made under one lock, which is held for short
//! and, when a pool is made, for the making of its first threads. No task is dropped under it and
//! nobody is waited for, but for the thread that makes cores.
//!
//! # Runtimes of one core
//!
//! Their normal pool is served by the core that only a thread in `block_on` opens. High-priority and
//! unbound pools have threads of their own, which work whether or not somebody is in `block_on`.

use super::nice::{GotNice, NiceReports};
use super::{PoolAttrs, PoolKind, Site, Table, WorkerPool};
use crate::runtime::Shared;
use crate::sys::affinity::{self, CpuSet};
use crate::unpoison::Unpoison;
use crate::worker::Local;
use std::fmt;
use std::io;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

/// How often a core that is to close, and cannot yet, looks again.
pub(crate) const LOOK_NS: u64 = 100_000_000;

pub(crate) struct Pools {
    pub(crate) table: Table,
    pub(crate) site: Site,
    /// By core.
    high: Box<[OnceLock<Arc<WorkerPool>>]>,
    unbound: Mutex<Vec<Arc<WorkerPool>>>,
    pub(super) high_nice: GotNice,
    pub(super) nice_reports: NiceReports,
}

/// Keeps an unbound pool in use. Equal attributes give the same pool.
pub(crate) struct PoolRef {
    shared: Arc<Shared>,
    pool: Arc<WorkerPool>,
}

impl Deref for PoolRef {
    type Target = WorkerPool;

    fn deref(&self) -> &WorkerPool {
        &self.pool
    }
}

impl Clone for PoolRef {
    fn clone(&self) -> Self {
        self.pool.refer();
        Self { shared: self.shared.clone(), pool: self.pool.clone() }
    }
}

impl fmt::Debug for PoolRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolRef").field("number", &self.pool.number).finish_non_exhaustive()
    }
}

impl Drop for PoolRef {
    fn drop(&mut self) {
        if self.pool.give_back() {
            return;
        }
        let _unbound = self.shared.pools.lock();
        if self.pool.give_back_last() {
            self.pool.release(&self.shared);
        }
    }
}

impl Pools {
    pub(crate) fn new(cores: usize, site: Site) -> Self {
        Self {
            table: Table::new(),
            site,
            high: (0..cores).map(|_| OnceLock::new()).collect(),
            unbound: Mutex::new(Vec::new()),
            high_nice: GotNice::default(),
            nice_reports: NiceReports::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<WorkerPool>>> {
        self.unbound.lock().unpoison()
    }

    /// Waits for a pool that is being made. Who has said before that the runtime closes knows that no
    /// pool is made after this.
    pub(crate) fn settle(&self) {
        drop(self.lock());
    }

    /// The nice value that high-priority workers could get; 0 while there are none.
    pub(crate) fn high_nice(&self) -> i32 {
        self.high_nice.get().unwrap_or(0)
    }

    /// Unbound pools in use, and places that are released or vacant.
    pub(crate) fn count_unbound(&self) -> (usize, usize) {
        let pools = self.lock();
        let released = pools.iter().filter(|pool| pool.is_released()).count();
        (pools.len() - released, released)
    }
}

impl Shared {
    /// The normal or high-priority pool of core `core`, one of `Shared::cores`. The high-priority one
    /// is made at first use.
    ///
    /// # Errors
    ///
    /// The runtime shuts down; the OS refused descriptors or the first thread.
    pub(crate) fn bound_pool(
        self: &Arc<Self>,
        core: usize,
        high: bool,
    ) -> io::Result<Arc<WorkerPool>> {
        let normal = &*self.cores[core];
        if !high {
            return Ok(normal.pool.clone());
        }
        let place = &self.pools.high[core];
        let has_threads = |pool: &Arc<WorkerPool>| self.core(pool.cores[0]).crew.threads() > 0;
        if let Some(pool) = place.get().filter(|pool| has_threads(pool)) {
            return Ok(pool.clone());
        }
        let _one_at_a_time = self.pools.lock();
        let pool = match place.get() {
            Some(pool) => pool.clone(),
            None => {
                let new = self.make_high(core)?;
                place.get_or_init(|| new).clone()
            }
        };
        if !has_threads(&pool) {
            self.staff(pool.cores[0])?;
        }
        Ok(pool)
    }

    fn make_high(self: &Arc<Self>, core: usize) -> io::Result<Arc<WorkerPool>> {
        let normal = &*self.cores[core];
        self.check_open(1)?;
        let index = self.cores.len() + self.pools.table.len();
        let number = normal.cpu.unwrap_or(core);
        let pool = Arc::new(WorkerPool::bound(PoolKind::HighPriority, number, index));
        let make = || self.pools.site.high_priority(normal, index, pool.clone());
        let new = match normal.cpu {
            Some(cpu) => affinity::run_on(&CpuSet::single(cpu), make),
            None => make(),
        }?;
        self.pools.table.push(new);
        Ok(pool)
    }

    /// The unbound pool with these attributes, made at first use. Its CPUs are those of `attrs` that
    /// the process may use, or all of those where that leaves none.
    ///
    /// # Errors
    ///
    /// The runtime shuts down; the OS refused descriptors or the first thread.
    pub(crate) fn unbound_pool(self: &Arc<Self>, attrs: &PoolAttrs) -> io::Result<PoolRef> {
        let attrs = self.pools.site.effective(attrs);
        let mut pools = self.pools.lock();
        self.check_open(0)?;
        let (pool, new_attrs) = self.find_or_make(&mut pools, attrs)?;
        if pool.is_released() {
            pool.revive(self, new_attrs)?;
        }
        self.want_hotplug();
        pool.refer();
        Ok(PoolRef { shared: self.clone(), pool })
    }

    /// All places of unbound pools.
    #[cfg(test)]
    pub(super) fn unbound_places(&self) -> Vec<Arc<WorkerPool>> {
        self.pools.lock().clone()
    }

    /// The pool with these attributes, or a vacant one which is to get them.
    fn find_or_make(
        self: &Arc<Self>,
        pools: &mut Vec<Arc<WorkerPool>>,
        attrs: PoolAttrs,
    ) -> io::Result<(Arc<WorkerPool>, Option<PoolAttrs>)> {
        if let Some(pool) = pools.iter().find(|pool| pool.attrs().as_ref() == Some(&attrs)) {
            return Ok((pool.clone(), None));
        }
        // Asked once: the monitor may make a thread that was wanted earlier at any moment, which
        // takes the attributes that it finds when it takes charge.
        let fits = |pool: &WorkerPool| pool.cores.len() == attrs.cpus.len() && self.is_vacant(pool);
        if let Some(pool) = pools.iter().find(|pool| fits(pool)) {
            return Ok((pool.clone(), Some(attrs)));
        }
        self.check_open(attrs.cpus.len())?;
        let pool = self.make_unbound(pools.len(), &attrs)?;
        pools.push(pool.clone());
        Ok((pool, None))
    }

    fn make_unbound(
        self: &Arc<Self>,
        number: usize,
        attrs: &PoolAttrs,
    ) -> io::Result<Arc<WorkerPool>> {
        let (first, count) = (self.cores.len() + self.pools.table.len(), attrs.cpus.len());
        let site = &self.pools.site;
        affinity::run_on(&self.usable.of(&attrs.cpus), || {
            site.prepare(count)?;
            let indexes = first..first + count;
            let pool = WorkerPool::unbound(
                number,
                indexes.clone().collect(),
                attrs.clone(),
                site.cpu_limit(),
            );
            let pool = Arc::new(pool);
            let cores = indexes
                .map(|index| site.unbound(index, pool.clone()))
                .collect::<io::Result<Vec<_>>>()?;
            // All or none.
            cores.into_iter().for_each(|core| self.pools.table.push(core));
            Ok(pool)
        })
    }

    fn check_open(&self, cores: usize) -> io::Result<()> {
        if self.is_closing() {
            return Err(io::Error::other("cannot make a pool of workers: the runtime shuts down"));
        }
        if self.pools.table.room() < cores {
            return Err(io::Error::other(
                "cannot make a pool of workers: the runtime has too many pools; share attributes",
            ));
        }
        Ok(())
    }

    /// The first two threads of a core: a holder and a standby. Without the second it works, and
    /// takeover waits for the manager to make one.
    pub(crate) fn staff(self: &Arc<Self>, core: usize) -> io::Result<()> {
        // At the cap there are threads already: the monitor, which sees a core without a holder, was
        // faster. Or there were, of the use before: who finds none left finds room.
        crate::worker::spawn(self, core).or_else(|_| match self.core(core).crew.threads() {
            0 => crate::worker::spawn(self, core),
            _ => Ok(()),
        })?;
        if crate::worker::spawn(self, core).is_err() {
            self.monitor.request_worker(self.core(core));
        }
        Ok(())
    }

    /// Is the pool released, without threads, and nothing left in its cores?
    fn is_vacant(&self, pool: &WorkerPool) -> bool {
        pool.is_released()
            && pool.cores.iter().all(|&core| {
                let core = self.core(core);
                !core.is_open() && core.crew.threads() == 0
            })
    }
}

impl Local {
    /// The holder, about to sleep, closes a core of a pool that nobody uses any more. `true` if the
    /// core is closed and this thread has to go.
    pub(crate) fn closes(&self) -> bool {
        let core = self.core();
        if !core.pool.is_released() {
            return false;
        }
        let _pools = self.shared().pools.lock();
        // Now it cannot be used again until we have done.
        if !core.pool.is_released() || !self.is_holder() || !core.is_deserted() {
            return false;
        }
        core.shut(self.worker().index());
        core.pool.has_closed(core.index);
        true
    }
}

//! What the handles of a workqueue share.

use super::builder::Settings;
use super::flush::Flush;
use super::pwq::{Gate, Parts, PoolWorkqueue};
use crate::runtime::Shared;
use crate::sys;
use crate::task::OwnedTasks;
use std::fmt;
use std::io;
use std::sync::{Arc, Weak};

/// What pool_workqueues need of their queue; does not refer to them.
pub(crate) struct Common {
    pub(crate) shared: Arc<Shared>,
    pub(crate) name: Box<str>,
    pub(crate) flags: Flags,
    /// Its futures.
    pub(crate) owned: OwnedTasks,
}

/// What is decided when a queue is built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    pub(crate) unbound: bool,
    pub(crate) ordered: bool,
    pub(crate) high_priority: bool,
    pub(crate) cpu_intensive: bool,
    pub(crate) reclaim: bool,
    pub(crate) freezable: bool,
}

/// A workqueue.
pub(crate) struct Queue {
    pub(crate) common: Arc<Common>,
    /// By core.
    bound: Box<[Arc<PoolWorkqueue>]>,
}

/// Where an item is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Near the caller.
    Local,
    /// On the pool of this CPU.
    Cpu(usize),
    /// On this NUMA node.
    Node(usize),
}

impl Queue {
    pub(super) fn new(shared: &Arc<Shared>, settings: Settings) -> io::Result<Arc<Self>> {
        let common = Arc::new(Common {
            shared: shared.clone(),
            name: settings.name.into(),
            flags: settings.flags,
            owned: OwnedTasks::new(shared.cores.len()),
        });
        Ok(Arc::new_cyclic(|queue: &Weak<Self>| {
            let pwq = |core: usize| {
                PoolWorkqueue::new(Parts {
                    common: common.clone(),
                    queue: queue.clone(),
                    pool: Box::new(shared.cores[core].pool.clone()),
                    gate: Gate::Own,
                    max_active: settings.max_active,
                    plugged: false,
                    frozen: false,
                    drains: 0,
                })
            };
            Self { common: common.clone(), bound: (0..shared.cores.len()).map(pwq).collect() }
        }))
    }

    /// Is there such a CPU or node?
    pub(crate) fn knows(&self, place: Place) -> bool {
        match place {
            Place::Local => true,
            Place::Cpu(cpu) => self.core_of(cpu).is_some(),
            Place::Node(_) => false,
        }
    }

    /// Calls `f` with the pool_workqueue that serves a place, or the local one where the place is
    /// unknown. It stays in use meanwhile: what is queued on it inside of `f` is in order.
    pub(crate) fn with_pwq<R>(&self, place: Place, f: impl FnOnce(&Arc<PoolWorkqueue>) -> R) -> R {
        let core = match place {
            Place::Cpu(cpu) => self.core_of(cpu),
            Place::Local | Place::Node(_) => None,
        };
        f(&self.bound[core.unwrap_or_else(|| self.local_core())])
    }

    /// The core of a CPU; of a runtime that is not pinned, CPU `n` is core `n`.
    fn core_of(&self, cpu: usize) -> Option<usize> {
        let cores = &self.common.shared.cores;
        let pinned = cores.iter().position(|core| core.cpu == Some(cpu));
        pinned.or_else(|| (cpu < cores.len() && cores[cpu].cpu.is_none()).then_some(cpu))
    }

    fn local_core(&self) -> usize {
        let shared = &self.common.shared;
        let own = crate::context::with_local(|local| {
            local
                .filter(|local| Arc::ptr_eq(local.shared(), shared))
                .and_then(|l| l.core().bound_to)
        });
        own.unwrap_or_else(|| {
            let here = sys::affinity::current_cpu();
            self.core_of(here).unwrap_or_else(|| shared.any_core())
        })
    }

    /// All pool_workqueues.
    pub(super) fn pwqs(&self) -> Vec<Arc<PoolWorkqueue>> {
        self.bound.to_vec()
    }

    pub(crate) fn flush(&self) -> Flush {
        Flush::begin(self)
    }

    /// A pool_workqueue that was replaced has nothing left.
    pub(super) fn retired_is_empty(&self, _pwq: &Arc<PoolWorkqueue>) {}
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("name", &self.common.name).finish_non_exhaustive()
    }
}

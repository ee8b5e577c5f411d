//! A worklist and the cores that serve it: what the kernel calls a worker pool.
//!
//! A bound pool is served by one core. An unbound pool is served by as many cores as its CPU mask
//! has CPUs, none of which is pinned to one CPU: each polls one task at a time and is taken over
//! when that task blocks, so an unbound pool keeps as many unblocked workers as it has CPUs.

use super::{Key, QueueId, Worklist};
use crate::runtime::Shared;
use crate::task::Notified;

/// Which pools there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PoolKind {
    /// Bound, of normal priority: that of `cmwq::spawn` on this core.
    Normal,
}

pub(crate) struct WorkerPool {
    pub(crate) kind: PoolKind,
    pub(crate) worklist: Worklist,
    /// The cores that serve it, by index.
    pub(crate) cores: Box<[usize]>,
}

impl WorkerPool {
    pub(crate) fn new(kind: PoolKind, cores: Box<[usize]>) -> Self {
        Self { kind, worklist: Worklist::new(), cores }
    }

    /// Queues a task of a workqueue, and sees to it that a worker takes it. Any thread may.
    pub(crate) fn push(&self, shared: &Shared, task: Notified, queue: QueueId) -> Key {
        let key = self.worklist.push(task, queue);
        self.notify(shared);
        key
    }

    /// Wakes a core that sleeps, unless the calling worker is going to look itself.
    fn notify(&self, shared: &Shared) {
        let own = crate::context::with_local(|local| {
            local.is_some_and(|local| {
                std::ptr::eq(&**local.shared(), shared)
                    && self.cores.contains(&local.core().index)
                    // After the push: see worker::handoff.
                    && !local.has_lost()
            })
        });
        if !own && let Some(&core) = self.cores.first() {
            shared.cores[core].park.unpark();
        }
    }
}

//! Work items on workqueues.

use super::control::{Control, Place as Where};
use super::target::{Link, Target};
use crate::contain::contain;
use crate::context;
use crate::runtime::{Handle, Shared};
use crate::task::{Header, Notified};
use crate::time::Timers;
use crate::workqueue::boost::Bond;
use crate::workqueue::current;
use crate::workqueue::flush::reclaiming;
use crate::workqueue::handle::Workqueue;
use crate::workqueue::pwq::{Aftermath, PoolWorkqueue, Refused};
use crate::workqueue::queue::{Common, Place};
use crate::workqueue::slots::Kind;
use crate::workqueue::ticket::Ticket;
use std::sync::Arc;

/// A workqueue, and where on it.
pub(crate) struct Destination {
    queue: Workqueue,
    place: Place,
    /// What keeps the runtime from stopping until we are dropped, without the work's lock: the work
    /// was not admitted after all.
    _refused: Option<Hold>,
}

/// Owes the runtime a [`Shared::work_is_gone`].
struct Hold {
    shared: Arc<Shared>,
    core: usize,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.shared.work_is_gone(self.core);
    }
}

impl Destination {
    pub(super) fn new(queue: &Workqueue, place: Place) -> Self {
        Self { queue: queue.clone(), place, _refused: None }
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.queue.queue.common.shared
    }
}

impl Control<Destination> {
    /// The queue that it is on: pending, or else running.
    fn its_queue(&self) -> Option<Arc<Common>> {
        self.locked(|state, _| {
            let pending = state.pending.as_ref().map(|pending| match &pending.place {
                Where::Delayed { target, .. } => &target.queue.queue.common,
                Where::Listed(entry) | Where::Met { entry, .. } => &entry.link.common,
            });
            let running = state.running.as_ref().map(|running| &running.entry.link.common);
            pending.or(running).cloned()
        })
    }

    /// The runtime that it is queued or runs on.
    pub(super) fn runtime(&self) -> Option<Handle> {
        self.its_queue().map(|queue| Handle { shared: queue.shared.clone() })
    }

    /// This thread is about to flush the work: an item of a reclaim queue should not, if the work is on
    /// a queue without rescuer.
    pub(super) fn warn_of_dependency(&self) {
        // Seldom, and then it costs a lock.
        if let Some(waiting) = reclaiming()
            && let Some(queue) = self.its_queue()
        {
            queue.warn_of_dependency(&waiting);
        }
    }
}

/// The core that a pool_workqueue's work items are counted near.
fn core(pwq: &PoolWorkqueue) -> usize {
    pwq.pool().cores[0]
}

impl Target for Destination {
    type Link = Arc<PoolWorkqueue>;

    fn admit(&mut self, task: Notified, ticket: &Ticket) -> Result<Arc<PoolWorkqueue>, Notified> {
        let admitted = self.queue.queue.with_pwq(self.place, |pwq| {
            let core = core(pwq);
            let result = if self.shared().hold_work(core) {
                pwq.admit(task, ticket, Kind::Work).map_err(|Refused(task)| task)
            } else {
                Err(task)
            };
            result.map(|()| pwq.clone()).map_err(|task| (task, core))
        });
        admitted.map_err(|(task, core)| {
            self._refused = Some(Hold { shared: self.shared().clone(), core });
            task
        })
    }

    fn timers(&self) -> Arc<Timers> {
        let shared = self.shared();
        let own = context::with_local(|local| {
            let local = local.filter(|local| Arc::ptr_eq(local.shared(), shared));
            // Not the wheel of an unbound pool: the pool may go before the work, which keeps it.
            local.map(|l| l.core()).filter(|core| core.bound_to.is_some()).map(|core| core.index)
        });
        let core = own.unwrap_or_else(|| shared.any_core());
        shared.core(core).timers.clone()
    }
}

impl Link for Arc<PoolWorkqueue> {
    type Ticket = Ticket;
    type Aftermath = Aftermath;
    type Bond = Bond;

    fn readmit(&self, task: Notified, ticket: &Ticket) {
        self.wake(task, ticket);
    }

    fn withdraw(&self, ticket: &Ticket, _: &Header) -> Option<(Notified, Aftermath)> {
        PoolWorkqueue::withdraw(self, ticket)
    }

    fn finish(&self, ticket: &Ticket) -> Aftermath {
        self.finish_under_lock(ticket)
    }

    fn bond(&self, ticket: &Ticket) -> Option<Bond> {
        PoolWorkqueue::bond(self, ticket)
    }

    fn complete(bond: &Bond) {
        bond.raise();
    }

    fn is_closing(&self) -> bool {
        self.common.shared.is_closing()
    }

    fn settle(&self, aftermath: Aftermath) {
        contain(|| PoolWorkqueue::settle(self, aftermath));
        self.common.shared.work_is_gone(core(self));
    }

    fn execute<R>(&self, ticket: &Ticket, f: impl FnOnce() -> R) -> R {
        // SAFETY: both are borrowed until the guard is dropped.
        unsafe { current::enter(self, ticket) };
        let _leave = Leave;
        if self.common.flags.cpu_intensive {
            // Others of the core do not wait for it.
            context::with_local(|local| local.into_iter().for_each(|l| l.hand_over()));
        }
        f()
    }

    fn panicked(&self) {
        self.common.shared.task_panicked();
    }
}

struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        current::leave();
    }
}

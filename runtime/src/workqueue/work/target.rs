//! What a work item knows of the queues.

use crate::task::{Header, Notified};
use crate::time::Timers;
use std::sync::Arc;

/// Where a work item can be queued: a workqueue, or a plain list in a test.
pub(crate) trait Target: Send + Sync + 'static {
    type Link: Link;

    /// Queues the item, active or inactive. Under the work item's lock.
    ///
    /// # Errors
    ///
    /// The queue drains or is destroyed, or its runtime shuts down.
    fn admit(
        &mut self,
        task: Notified,
        ticket: &<Self::Link as Link>::Ticket,
    ) -> Result<Self::Link, Notified>;

    /// The timers for a delay that begins on this thread.
    fn timers(&self) -> Arc<Timers>;
}

/// Where a work item is queued: a pool_workqueue.
pub(crate) trait Link: Clone + Send + Sync + 'static {
    /// The place of one queueing in its books.
    type Ticket: Default + Send + Sync;
    /// What a change of the books entails and must not happen under a lock: flushes that are over.
    type Aftermath;
    /// That somebody waits. It ends with the value, which is not dropped under a lock.
    type Bond: Send;

    // Under the work item's lock.

    /// The item came up while it ran elsewhere, and may run now. It stayed active.
    fn readmit(&self, task: Notified, ticket: &Self::Ticket);
    /// Takes the item back; `None` if a worker has it in hand.
    fn withdraw(&self, ticket: &Self::Ticket, task: &Header)
    -> Option<(Notified, Self::Aftermath)>;
    /// The execution is over, or will not be.
    fn finish(&self, ticket: &Self::Ticket) -> Self::Aftermath;
    /// The item of a queue that this thread runs, if it does, begins to wait for this one.
    fn bond(&self, ticket: &Self::Ticket) -> Option<Self::Bond>;
    /// Nothing is executed any more: the runtime shuts down.
    fn is_closing(&self) -> bool;

    // Not under a lock.

    fn settle(&self, aftermath: Self::Aftermath);
    /// Completes the making of a bond.
    fn complete(bond: &Self::Bond);
    /// Calls the closure of the item, as one of this queue.
    fn execute<R>(&self, ticket: &Self::Ticket, f: impl FnOnce() -> R) -> R;
    /// The closure has panicked.
    fn panicked(&self);
}

pub(super) type Ticket<T> = <<T as Target>::Link as Link>::Ticket;

//! Futures on a workqueue.

use super::current;
use super::pwq::{PoolWorkqueue, Refused};
use super::queue::{Place, Queue};
use super::slots::Kind;
use super::ticket::Ticket;
use crate::task::{self, Birth, Id, JoinError, JoinHandle, Notified, RawTask, Schedule};
use std::future::Future;
use std::panic::Location;
use std::sync::{Arc, OnceLock};

/// The scheduler in the cell of a future on a workqueue.
struct QueuedFuture {
    pwq: Arc<PoolWorkqueue>,
    ticket: Ticket,
    /// Why the queue did not take it.
    refusal: OnceLock<Box<str>>,
}

/// The queue drains, is destroyed, or its runtime has shut down.
#[derive(Debug)]
pub(super) struct NotTaken;

impl Queue {
    pub(super) fn spawn<F>(
        &self,
        place: Place,
        future: F,
        location: &'static Location<'static>,
    ) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (handle, orphan) = self.try_spawn(place, future, location);
        if let Some(orphan) = orphan {
            orphan.cancel();
        }
        handle
    }

    /// Queues a future that nobody awaits.
    pub(super) fn spawn_detached<F>(
        &self,
        place: Place,
        future: F,
        location: &'static Location<'static>,
    ) -> Result<(), NotTaken>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match self.try_spawn(place, future, location).1 {
            Some(orphan) => {
                orphan.cancel();
                Err(NotTaken)
            }
            None => Ok(()),
        }
    }

    fn try_spawn<F>(
        &self,
        place: Place,
        future: F,
        location: &'static Location<'static>,
    ) -> (JoinHandle<F::Output>, Option<Orphan>)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.common.shared.assert_not_forked();
        let refusal = (!self.knows(place)).then(|| self.unknown(place));
        let place = if refusal.is_none() { place } else { Place::Local };
        self.with_pwq(place, |pwq| spawn_on(pwq, future, location, refusal))
    }
}

/// A new task that is not to run.
enum Orphan {
    /// The owned list did not take it.
    Unowned(Notified),
    /// It is in the owned list, and the queue did not take it.
    Owned(Notified),
}

impl Orphan {
    /// Drops its future here: not under a lock.
    fn cancel(self) {
        match self {
            Self::Unowned(task) => task::discard(task),
            Self::Owned(task) => task::cancel(task),
        }
    }
}

/// Returns the task too if nobody took it.
fn spawn_on<F>(
    pwq: &Arc<PoolWorkqueue>,
    future: F,
    location: &'static Location<'static>,
    refusal: Option<String>,
) -> (JoinHandle<F::Output>, Option<Orphan>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let core = pwq.pool().cores[0];
    let owned = &pwq.common.owned;
    let birth = Birth { id: Id::next(), location, core, shard: core % owned.shards() };
    let scheduler =
        QueuedFuture { pwq: pwq.clone(), ticket: Ticket::default(), refusal: OnceLock::new() };
    task::new_with(future, scheduler, birth, |task, scheduler| {
        if let Some(refusal) = refusal {
            scheduler.refuse(refusal);
            return Some(Orphan::Unowned(task));
        }
        if !owned.insert(&task) {
            return Some(Orphan::Unowned(task));
        }
        match pwq.admit(task, &scheduler.ticket, Kind::Future) {
            Ok(()) => None,
            Err(Refused(task)) => {
                scheduler.refuse(pwq.common.refusal());
                Some(Orphan::Owned(task))
            }
        }
    })
}

impl QueuedFuture {
    fn refuse(&self, why: String) {
        // Once for each task: it is queued once.
        let _ = self.refusal.set(why.into());
    }
}

impl Schedule for QueuedFuture {
    const WAITS_IN_WORKLIST: bool = true;

    fn schedule(&self, task: Notified) {
        // `self` is in the memory of the task, which another worker may complete and free before
        // the locks are released.
        let pwq = self.pwq.clone();
        pwq.wake(task, &self.ticket);
    }

    fn requeue(&self, task: Notified) {
        self.schedule(task);
    }

    fn release(&self, task: RawTask) -> bool {
        self.pwq.finish(&self.ticket);
        let was_owned = self.pwq.common.owned.release(task);
        self.pwq.common.shared.task_is_gone();
        was_owned
    }

    fn task_panicked(&self) {
        self.pwq.common.shared.task_panicked();
    }

    fn poll_begins(&self, _task: RawTask) {
        // SAFETY: both are in the task's cell, which the poller keeps until poll_ended().
        unsafe { current::enter(&self.pwq, &self.ticket) };
        if self.pwq.common.flags.cpu_intensive {
            // Others of the core do not wait for it.
            crate::context::with_local(|local| local.into_iter().for_each(|l| l.hand_over()));
        }
    }

    fn poll_ended(&self, _task: RawTask) {
        current::leave();
    }

    fn aborted(&self, _task: RawTask) {
        self.pwq.aborted(&self.ticket);
    }

    fn awaited(&self, task: RawTask) -> Result<(), JoinError> {
        self.pwq.awaited(&self.ticket).map_err(|_| {
            let queue = &self.pwq.common.name;
            let by = format!(
                "a task that precedes it in the same ordered workqueue {queue:?}, which would wait \
                 for ever; await it from outside of the queue"
            );
            JoinError::deadlock(task.id(), by)
        })?;
        self.pwq.handle_polled(&self.ticket);
        Ok(())
    }

    fn handle_dropped(&self, _task: RawTask) {
        self.pwq.handle_dropped(&self.ticket);
    }

    fn cancel_error(&self, id: Id) -> JoinError {
        match self.refusal.get() {
            Some(why) => JoinError::rejected(id, why.clone()),
            None => JoinError::cancelled(id),
        }
    }
}

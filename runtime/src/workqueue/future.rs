//! Futures on a workqueue.

use super::current;
use super::pwq::{PoolWorkqueue, Refused};
use super::queue::{Place, Queue};
use super::slots::Kind;
use super::ticket::Ticket;
use crate::task::{self, Birth, Id, JoinError, JoinHandle, Notified, RawTask, Schedule};
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The scheduler in the cell of a future on a workqueue.
struct QueuedFuture {
    pwq: Arc<PoolWorkqueue>,
    ticket: Ticket,
    /// The queue did not take it.
    is_refused: AtomicBool,
}

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
        self.common.shared.assert_not_forked();
        let (place, is_known) =
            if self.knows(place) { (place, true) } else { (Place::Local, false) };
        let (handle, refused) =
            self.with_pwq(place, |pwq| spawn_on(pwq, future, location, is_known));
        if let Some(task) = refused {
            // Drops the future: not under a lock.
            task::discard(task);
        }
        handle
    }
}

/// Returns the task too if nobody took it.
fn spawn_on<F>(
    pwq: &Arc<PoolWorkqueue>,
    future: F,
    location: &'static Location<'static>,
    is_known: bool,
) -> (JoinHandle<F::Output>, Option<Notified>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let core = pwq.pool().cores[0];
    let owned = &pwq.common.owned;
    let birth = Birth { id: Id::next(), location, core, shard: core % owned.shards() };
    let scheduler = QueuedFuture {
        pwq: pwq.clone(),
        ticket: Ticket::default(),
        is_refused: AtomicBool::new(false),
    };
    task::new_with(future, scheduler, birth, |task, scheduler| {
        if !is_known {
            scheduler.is_refused.store(true, Ordering::Relaxed);
            return Some(task);
        }
        if !owned.insert(&task) {
            return Some(task);
        }
        match pwq.admit(task, &scheduler.ticket, Kind::Future) {
            Ok(()) => None,
            Err(Refused(task)) => {
                scheduler.is_refused.store(true, Ordering::Relaxed);
                Some(task)
            }
        }
    })
}

impl Schedule for QueuedFuture {
    fn schedule(&self, task: Notified) {
        self.pwq.wake(task, &self.ticket);
    }

    fn requeue(&self, task: Notified) {
        self.pwq.wake(task, &self.ticket);
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
        self.pwq.awaited(&self.ticket).map_err(|_| JoinError::deadlock(task.id()))
    }

    fn cancel_error(&self, id: Id) -> JoinError {
        if self.is_refused.load(Ordering::Relaxed) {
            JoinError::rejected(id)
        } else {
            JoinError::cancelled(id)
        }
    }
}

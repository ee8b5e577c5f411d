//! Work items: tasks that are queued again and again, and never complete.
//!
//! The future of a work item runs its closure and is pending for ever. What is different from other
//! tasks is PENDING. A task that is woken during its poll is queued by its poller afterwards; a work
//! item that is queued while it runs enters the list at once, as in the kernel: it has its place in
//! the order, its colour for a flush, and can be taken out again. So PENDING and RUNNING are
//! independent here, and both flags are changed under the lock of the item's scheduler only
//! (`workqueue::work`), which also sees to it that nobody starts an item that runs:
//!
//! ```text
//!   idle --queue--> PENDING --start--> RUNNING ----queue----> PENDING, RUNNING
//!    ^                 |                  |                      |        |
//!    +----take back----+                  |       <--take back---+        |
//!    +------------------------------------+                    PENDING <--+ end
//! ```
//!
//! References: each handle has one, and so have the list (while PENDING) and the runner.

use super::raw::{Header, Notified, RawTask};
use super::state::{OnIdle, State};
use super::{Birth, Id, Schedule, cell};
use std::future::Future;

/// A counted reference to a work item.
pub(crate) struct WorkTask(RawTask);

// SAFETY: as for Notified; the closures of work items are Send, and the reference is counted.
unsafe impl Send for WorkTask {}
// SAFETY: a shared reference reads the header, which is made of atomics and guarded fields.
unsafe impl Sync for WorkTask {}

impl WorkTask {
    /// Makes a work item that is not queued.
    pub(crate) fn new<F, S>(future: F, scheduler: S, birth: Birth) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
        S: Schedule,
    {
        Self(RawTask::new(cell::Cell::allocate(State::idle(), future, scheduler, birth)))
    }

    /// Makes it PENDING, which it is not. Under the scheduler's lock.
    pub(crate) fn queue(&self) -> Notified {
        self.0.state().queue_work();
        Notified::new(self.0)
    }

    pub(crate) fn id(&self) -> Id {
        self.0.id()
    }

    pub(crate) fn header(&self) -> &Header {
        self.0.header()
    }
}

impl Clone for WorkTask {
    fn clone(&self) -> Self {
        self.0.state().ref_inc();
        Self(self.0)
    }
}

impl Drop for WorkTask {
    fn drop(&mut self) {
        self.0.ref_dec(1);
    }
}

impl Notified {
    /// Takes PENDING back from a work item that is in no list any more. Under the scheduler's lock.
    ///
    /// Not so the drop of the result, which may be that of the closure.
    pub(crate) fn take_back_work(self) -> WorkTask {
        let task = self.into_raw_task();
        task.state().take_back_work();
        WorkTask(task)
    }
}

impl RawTask {
    /// The runner's reference becomes that of a list: the item has come up while it runs.
    pub(crate) fn keep_work(self) -> Notified {
        Notified::new(self)
    }

    /// PENDING to RUNNING, under the scheduler's lock. Returns whether the item was aborted.
    pub(crate) fn start_work(self) -> bool {
        self.state().start_work()
    }

    /// The run is over, under the scheduler's lock.
    pub(crate) fn end_work(self) {
        self.state().end_work();
    }

    /// Gives the runner's reference back: the last that the runner does with the item.
    pub(crate) fn leave_work(self) -> OnIdle {
        if self.state().ref_dec(1) { OnIdle::Dealloc } else { OnIdle::Idle }
    }
}

//! What a task knows of its runtime.
//!
//! A pointer that counts nothing: two operations on a counter that all cores share would cost a
//! spawn more than the allocation does.
//!
//! # Why it does not dangle
//!
//! It is used only while its task is counted in the owned list, and then the runtime exists: the
//! monitor and the last workers hold references, they do not end before the runtime has stopped, and
//! it does not stop while a task is counted. (A task that the list refuses is cancelled at once by a
//! caller who has a reference.) On a thread of the runtime, which has a reference, nothing else is
//! needed.
//!
//! A task that was polled ahead of its turn may complete before whoever woke it has queued it. It is
//! counted until then (`task`, "Ahead of the queue"). What is to be done for a task that is raised is
//! left to the boosts, which hold a reference for each.
//!
//! Elsewhere there is one gap: a task that was put into a queue may run and complete at once, be the
//! last, and the runtime may go, before the thread that queued it has woken a worker. It takes a
//! reference before, while the task cannot have completed.

use super::Shared;
use crate::context;
use crate::task::{JoinError, Notified, RawTask, Schedule};
use crate::worker::Local;
use crate::workqueue::{boost, current};
use std::ptr::NonNull;
use std::sync::Arc;

#[derive(Clone, Copy)]
pub(crate) struct Home(NonNull<Shared>);

// SAFETY: it stands for a `&Shared`, and Shared is Sync.
unsafe impl Send for Home {}
// SAFETY: as above.
unsafe impl Sync for Home {}

impl Home {
    #[inline]
    pub(super) fn of(shared: &Arc<Shared>) -> Self {
        // SAFETY: an Arc's pointer is not null.
        Self(unsafe { NonNull::new_unchecked(Arc::as_ptr(shared).cast_mut()) })
    }

    #[inline]
    fn shared(&self) -> &Shared {
        // SAFETY: see the essay.
        unsafe { self.0.as_ref() }
    }

    /// This thread's worker, if it is one of this runtime's that serve `cmwq::spawn`.
    #[inline]
    fn with_local<R>(self, f: impl FnOnce(Option<&Local>) -> R) -> R {
        context::with_local(|local| f(local.filter(|local| local.runs_default_of(self.0.as_ptr()))))
    }

    /// Queues a task on a thread that is no worker of this runtime.
    fn inject(self, task: Notified) {
        if context::is_owned_by(self.0.as_ptr()) {
            return self.shared().inject(task);
        }
        // SAFETY: the pointer is an Arc's, and `task` is counted until it is in a queue and was taken
        // out.
        let keep = unsafe {
            Arc::increment_strong_count(self.0.as_ptr());
            Arc::from_raw(self.0.as_ptr())
        };
        keep.inject(task);
    }
}

// `self` may be in the memory of the task, which may be gone as soon as it is in a queue: each
// method that queues goes on with a copy.
impl Schedule for Home {
    #[inline]
    fn schedule(&self, task: Notified) {
        let home = *self;
        home.with_local(|local| match local {
            Some(local) => local.schedule(task),
            None => home.inject(task),
        });
    }

    #[inline]
    fn requeue(&self, task: Notified) {
        let home = *self;
        home.with_local(|local| match local {
            Some(local) => local.requeue(task),
            None => home.inject(task),
        });
    }

    fn release(&self, task: RawTask) -> bool {
        let shared = self.shared();
        let was_owned = shared.owned.release(task);
        shared.task_is_gone();
        was_owned
    }

    fn task_panicked(&self) {
        self.shared().task_panicked();
    }

    fn hasten(&self, task: RawTask) {
        boost::hasten(task);
    }

    fn raised_poll_begins(&self, task: RawTask) {
        boost::raised_poll_begins(task);
    }

    fn raised_poll_ended(&self, task: RawTask) {
        boost::raised_poll_ended(task);
    }

    fn unbond(&self, task: RawTask) {
        boost::task_is_done(task);
    }

    #[inline]
    fn awaited(&self, task: RawTask) -> Result<(), JoinError> {
        if current::notes_waits() || task.is_bonded() {
            boost::handle_polled(task, self.0.as_ptr());
        }
        Ok(())
    }

    #[inline]
    fn handle_dropped(&self, task: RawTask) {
        if task.is_bonded() {
            boost::handle_dropped(task);
        }
    }
}

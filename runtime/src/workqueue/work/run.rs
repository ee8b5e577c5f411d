//! The execution: the scheduler and the future of a work item's task.

use super::control::{Control, Entry, Pending, Place, Running};
use super::target::{Link, Target};
use crate::contain::{contain, discard};
use crate::sync_types::this_thread;
use crate::task::{JoinError, Notified, OnIdle, RawTask, Schedule, Start};
use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The scheduler in a work item's cell.
pub(super) struct WorkSched<T: Target>(pub(super) Arc<Control<T>>);

/// Runs the closure once per poll.
pub(super) struct Execute<F, T: Target> {
    pub(super) closure: F,
    pub(super) control: Arc<Control<T>>,
}

// The closure is called through `&mut`, and never pinned.
impl<F, T: Target> Unpin for Execute<F, T> {}

impl<F: FnMut(), T: Target> Future for Execute<F, T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let control = &this.control;
        let entry = control.current();
        let run = || catch_unwind(AssertUnwindSafe(&mut this.closure));
        if let Err(panic) = entry.link.execute(control.ticket(&entry), run) {
            control.report(&*panic);
            discard(panic);
            entry.link.panicked();
        }
        Poll::Pending
    }
}

impl<T: Target> Control<T> {
    /// A worker has taken it from its list.
    fn start(&self, task: RawTask) -> Start {
        self.locked(|state, _| {
            let Some(Pending { number, place: Place::Listed(entry) }) = state.pending.take() else {
                unreachable!("a work item came from a list that is not in one");
            };
            if state.running.is_some() {
                let place = Place::Met { task: task.keep_work(), entry };
                state.pending = Some(Pending { number, place });
                return Start::Leave;
            }
            let skips = task.start_work() || entry.link.is_closing();
            state.running = Some(Running { number, entry, thread: this_thread() });
            if skips { Start::Skip } else { Start::Poll }
        })
    }

    /// Where the execution under way was queued.
    fn current(&self) -> Entry<T::Link> {
        self.locked(|state, _| match &state.running {
            Some(Running { entry, .. }) => Entry { link: entry.link.clone(), ticket: entry.ticket },
            None => unreachable!("a work item is executed that does not run"),
        })
    }

    /// The closure has returned, or was not called.
    fn end(&self, task: RawTask) {
        self.locked(|state, later| {
            let Some(Running { number, entry, .. }) = state.running.take() else {
                unreachable!("a work item ended that did not run");
            };
            task.end_work();
            let aftermath = entry.link.finish(self.ticket(&entry));
            later.settle(entry.link, aftermath);
            state.over(number, later);
            state.pending = state.pending.take().map(|pending| self.readmit(pending));
        });
    }

    /// What a worker met this execution with may start now, on the pool that it was queued on.
    fn readmit(&self, Pending { number, place }: Pending<T>) -> Pending<T> {
        let place = match place {
            Place::Met { task, entry } => {
                entry.link.readmit(task, self.ticket(&entry));
                Place::Listed(entry)
            }
            other => other,
        };
        Pending { number, place }
    }

    #[cold]
    fn report(&self, panic: &(dyn Any + Send)) {
        self.count_panic();
        let message = panic.downcast_ref::<&str>().copied();
        let message = message.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        let location = self.location();
        // A subscriber is user code too.
        contain(|| {
            tracing::error!(
                target: "cmwq",
                work = %location,
                message = message.unwrap_or("(no text)"),
                "the closure of a work item panicked; the work item can be queued again"
            );
        });
    }
}

impl<T: Target> Schedule for WorkSched<T> {
    const WAITS_IN_WORKLIST: bool = true;

    fn start(&self, task: RawTask) -> Start {
        self.0.start(task)
    }

    fn end(&self, task: RawTask) -> OnIdle {
        self.0.end(task);
        // Until here the runner's reference has kept `self`.
        task.leave_work()
    }

    fn schedule(&self, task: Notified) {
        unreachable!("work item {} has no waker that could wake it", task.id());
    }

    fn requeue(&self, task: Notified) {
        unreachable!("work item {} is queued by its control", task.id());
    }

    fn release(&self, _: RawTask) -> bool {
        false
    }

    fn task_panicked(&self) {}

    fn cancel_error(&self, id: crate::task::Id) -> JoinError {
        JoinError::cancelled(id)
    }
}

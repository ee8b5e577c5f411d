//! The typed operations behind the vtable.
//!
//! Every piece of user code that runs here (poll, drops of future, output and waker, the join
//! waker) runs under `catch_unwind`: a panic must not cost the runtime a worker.

use super::cell::{Cell, Stage};
use super::raw::{Header, Notified, Output, RawTask, Start, Turn};
use super::state::{
    BONDED, COMPLETE, JOIN_INTEREST, JOIN_WAKER, OVERTAKEN, OnHandleDrop, OnIdle, OnIdleRaised,
};
use super::waker::waker_ref;
use super::{JoinError, Schedule};
use crate::contain::{contain, discard};
use std::any::Any;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker};

/// A typed view of a task.
struct Harness<F: Future, S> {
    cell: NonNull<Cell<F, S>>,
}

impl<F, S> Harness<F, S>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    /// # Safety
    ///
    /// `header` is the header of a live `Cell<F, S>` to which the caller holds a reference.
    unsafe fn new(header: NonNull<Header>) -> Self {
        Self { cell: header.cast() }
    }

    fn raw(&self) -> RawTask {
        RawTask::new(self.cell.cast())
    }

    fn cell(&self) -> &Cell<F, S> {
        // SAFETY: see new().
        unsafe { self.cell.as_ref() }
    }

    /// Polls the future. Only while RUNNING.
    fn poll_future(&self, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.cell().stage.with_mut(|stage| {
            // SAFETY: RUNNING owns the stage.
            let Stage::Future(future) = (unsafe { &mut *stage }) else {
                unreachable!("a task was polled after completion");
            };
            // SAFETY: the future is in a heap cell that does not move, and set_stage() drops it in
            // place.
            unsafe { Pin::new_unchecked(future) }.poll(cx)
        })
    }

    /// Drops what the stage holds in place (user code), then stores `next`. Only by its owner.
    /// A panic of the drop is returned; the stage is changed all the same.
    fn set_stage(&self, next: Stage<F>) -> Result<(), Box<dyn Any + Send>> {
        self.cell().stage.with_mut(|stage| {
            // SAFETY: the caller owns the stage. After drop_in_place, even one that unwound, the
            // old value is not used again: write() does not drop it.
            unsafe {
                let dropped = catch_unwind(AssertUnwindSafe(|| std::ptr::drop_in_place(stage)));
                std::ptr::write(stage, next);
                dropped
            }
        })
    }

    /// RUNNING to idle, or to the queue again.
    #[inline]
    fn idle(&self) {
        match self.cell().scheduler.end(self.raw()) {
            OnIdle::Idle => {}
            // The reference that we were given goes on to the queue.
            OnIdle::Requeue => self.cell().scheduler.requeue(Notified::new(self.raw())),
            OnIdle::Raised => self.idle_raised(),
            OnIdle::Dealloc => self.raw().dealloc(),
        }
    }

    /// The same of a task that is raised, perhaps since its poll began, or was polled ahead.
    #[cold]
    fn idle_raised(&self) {
        let (raw, scheduler) = (self.raw(), &self.cell().scheduler);
        scheduler.raised_poll_ended(raw);
        match raw.state().end_raised_poll() {
            OnIdleRaised::Idle => {}
            OnIdleRaised::Hasten => scheduler.hasten(raw),
            OnIdleRaised::Requeue => {
                scheduler.hasten(raw);
                return scheduler.requeue(Notified::new(raw));
            }
        }
        raw.ref_dec(1);
    }

    /// RUNNING to COMPLETE with the result, and everything that follows from it.
    fn complete(&self, result: Output<F::Output>) {
        // A panic in the drop of the future is the task's panic.
        let result = match self.set_stage(Stage::Consumed) {
            Ok(()) => result,
            Err(panic) => {
                contain(|| drop(result));
                Err(JoinError::panic(self.raw().header().id, panic))
            }
        };
        if result.as_ref().is_err_and(JoinError::is_panic) {
            self.cell().scheduler.task_panicked();
        }
        // The stage is Consumed, whose drop does nothing.
        let _ = self.set_stage(Stage::Finished(result));

        let before = self.raw().state().complete();
        if before.has(BONDED) {
            self.cell().scheduler.unbond(self.raw());
        }
        if !before.has(JOIN_INTEREST) {
            // Nobody will read it. A panic of the drop has nobody to go to either.
            if let Err(panic) = self.set_stage(Stage::Consumed) {
                discard(panic);
            }
        } else if before.has(JOIN_WAKER) {
            self.wake_joiner();
        }
        if before.has(OVERTAKEN) {
            // Whoever takes its entry from the queue releases it.
            self.raw().ref_dec(1);
        } else {
            self.release();
        }
    }

    /// Takes the task out of the owned list, and gives the caller's reference back.
    fn release(&self) {
        let references = if self.cell().scheduler.release(self.raw()) { 2 } else { 1 };
        self.raw().ref_dec(references);
    }

    /// Uses the join waker up. The slot keeps its bytes: a handle that is being polled may compare
    /// wakers at this moment. Nobody drops them, since JOIN_WAKER stays set.
    fn wake_joiner(&self) {
        let waker = self.cell().join_waker.with(|slot| {
            // SAFETY: JOIN_WAKER was set when the task completed: the slot is initialised, nobody
            // writes it any more, and it was ours to take.
            unsafe { ManuallyDrop::into_inner(std::ptr::read(slot)) }
        });
        if let Some(waker) = waker {
            contain(|| waker.wake());
        }
    }

    /// Stores the waker of the `JoinHandle`; `false` if the task completed meanwhile.
    fn store_join_waker(&self, waker: Waker) -> bool {
        let previous = self.cell().join_waker.with_mut(|slot| {
            // SAFETY: JOIN_WAKER is clear, so the slot is the handle's.
            unsafe { (*slot).replace(waker) }
        });
        contain(|| drop(previous));
        if self.raw().state().publish_join_waker() {
            return true;
        }
        let unused = self.cell().join_waker.with_mut(|slot| {
            // SAFETY: it was not published.
            unsafe { (*slot).take() }
        });
        contain(|| drop(unused));
        false
    }

    /// Is the output there? If not, arranges that `waker` is woken when it is.
    fn ready_or_register(&self, waker: &Waker) -> bool {
        let raw = self.raw();
        let state = raw.state();
        let seen = state.load();
        if seen.has(COMPLETE) {
            return true;
        }
        if seen.has(JOIN_WAKER) {
            let same = self.cell().join_waker.with(|slot| {
                // SAFETY: while JOIN_WAKER is set nobody writes the slot. A completer may have used
                // the waker up meanwhile: comparing looks at the pointers only.
                unsafe { (*slot).as_ref().is_some_and(|w| w.will_wake(waker)) }
            });
            if same {
                return false;
            }
            if !state.reclaim_join_waker() {
                return true;
            }
        }
        !self.store_join_waker(waker.clone())
    }
}

/// Drops a waker in place; its drop is user code.
///
/// # Safety
///
/// The caller owns the slot.
unsafe fn drop_waker(slot: *mut ManuallyDrop<Option<Waker>>) {
    // SAFETY: the caller owns the slot.
    if let Some(waker) = unsafe { (*slot).take() } {
        contain(|| drop(waker));
    }
}

/// # Safety
///
/// See [`super::raw::Vtable`].
pub(super) unsafe fn poll<F, S>(header: NonNull<Header>, turn: Turn)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    // SAFETY: the caller gives a reference.
    let harness = unsafe { Harness::<F, S>::new(header) };
    let raw = harness.raw();
    let id = raw.header().id;
    let start = match turn {
        Turn::Queued => harness.cell().scheduler.start(raw),
        Turn::Ahead => raw.overtake(),
    };
    match start {
        Start::Poll => {}
        Start::PollRaised => harness.cell().scheduler.raised_poll_begins(raw),
        Start::Cancel => {
            harness.complete(Err(harness.cell().scheduler.cancel_error(id)));
            return;
        }
        Start::Skip => return harness.idle(),
        Start::Leave => return,
        Start::Stale => return raw.ref_dec(1),
        Start::Release => return harness.release(),
    }
    let waker = waker_ref(header);
    let mut cx = Context::from_waker(&waker);
    harness.cell().scheduler.poll_begins(raw);
    let polled = catch_unwind(AssertUnwindSafe(|| harness.poll_future(&mut cx)));
    harness.cell().scheduler.poll_ended(raw);
    match polled {
        Ok(Poll::Ready(output)) => harness.complete(Ok(output)),
        Err(panic) => harness.complete(Err(JoinError::panic(id, panic))),
        Ok(Poll::Pending) => harness.idle(),
    }
}

/// # Safety
///
/// See [`super::raw::Vtable`].
pub(super) unsafe fn schedule<F, S>(header: NonNull<Header>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    // SAFETY: the caller gives the queue's reference, which keeps the task alive; once the task
    // is handed over it may be gone, so nothing is touched after that.
    let harness = unsafe { Harness::<F, S>::new(header) };
    let task = Notified::new(harness.raw());
    harness.cell().scheduler.schedule(task);
}

/// # Safety
///
/// See [`super::raw::Vtable`].
pub(super) unsafe fn hasten<F, S>(header: NonNull<Header>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    // SAFETY: the caller holds a reference.
    let harness = unsafe { Harness::<F, S>::new(header) };
    harness.cell().scheduler.hasten(harness.raw());
}

/// # Safety
///
/// See [`super::raw::Vtable`].
pub(super) unsafe fn aborted<F, S>(header: NonNull<Header>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    // SAFETY: the caller holds a reference.
    let harness = unsafe { Harness::<F, S>::new(header) };
    harness.cell().scheduler.aborted(harness.raw());
}

/// # Safety
///
/// See [`super::raw::Vtable`].
pub(super) unsafe fn dealloc<F, S>(header: NonNull<Header>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    // SAFETY: no reference is left, and the caller's last one made everything visible.
    let harness = unsafe { Harness::<F, S>::new(header) };
    if !harness.raw().state().load().has(JOIN_WAKER) {
        harness.cell().join_waker.with_mut(|slot| {
            // SAFETY: nobody else knows the task, and the waker was not used up.
            unsafe { drop_waker(slot) }
        });
    }
    // SAFETY: no reference is left.
    unsafe { Cell::free(harness.cell) };
}

/// # Safety
///
/// See [`super::raw::Vtable`]; `out` points to a `Poll<Output<F::Output>>`, and the caller is the
/// task's `JoinHandle`.
pub(super) unsafe fn read_output<F, S>(header: NonNull<Header>, out: *mut (), waker: &Waker)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    // SAFETY: the JoinHandle holds a reference.
    let harness = unsafe { Harness::<F, S>::new(header) };
    if !harness.ready_or_register(waker) {
        if let Err(error) = harness.cell().scheduler.awaited(harness.raw()) {
            // SAFETY: see above.
            unsafe { *out.cast::<Poll<Output<F::Output>>>() = Poll::Ready(Err(error)) };
        }
        return;
    }
    let stage = harness.cell().stage.with_mut(|stage| {
        // SAFETY: COMPLETE with JOIN_INTEREST: the stage is the JoinHandle's.
        unsafe { std::mem::replace(&mut *stage, Stage::Consumed) }
    });
    let Stage::Finished(output) = stage else {
        panic!("JoinHandle polled after completion");
    };
    // SAFETY: see above.
    unsafe { *out.cast::<Poll<Output<F::Output>>>() = Poll::Ready(output) };
}

/// # Safety
///
/// See [`super::raw::Vtable`]; the caller is the task's `JoinHandle`.
pub(super) unsafe fn drop_join_handle<F, S>(header: NonNull<Header>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    // SAFETY: the JoinHandle holds a reference until it is given back below.
    let harness = unsafe { Harness::<F, S>::new(header) };
    harness.cell().scheduler.handle_dropped(harness.raw());
    let drop_waker_of_handle = || {
        harness.cell().join_waker.with_mut(|slot| {
            // SAFETY: JOIN_WAKER is clear: the slot is the handle's.
            unsafe { drop_waker(slot) }
        });
    };
    let raw = harness.raw();
    match raw.state().drop_join_handle() {
        OnHandleDrop::Gone => return,
        OnHandleDrop::Dealloc => return raw.dealloc(),
        OnHandleDrop::Waker => drop_waker_of_handle(),
        OnHandleDrop::Output { waker_used } => {
            if let Err(panic) = harness.set_stage(Stage::Consumed) {
                // Whoever drops the handle has no interest in the task, and none in how its output
                // fared.
                discard(panic);
            }
            if !waker_used {
                drop_waker_of_handle();
            }
        }
    }
    raw.ref_dec(1);
}

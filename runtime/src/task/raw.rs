//! What the scheduler sees of a task: a header, and a pointer to it.

use super::state::{
    ABORT, BONDED, COMPLETE, OVERTAKEN, OnAbort, OnAnyWake, OnIdle, OnWake, RAISED, Snapshot, State,
};
use super::{Id, JoinError};
use crate::sync_types::UnsafeCell;
use crate::sync_types::atomic::{AtomicPtr, AtomicU16, Ordering};
use std::panic::Location;
use std::ptr::NonNull;
use std::task::Waker;

/// The untyped front of every task allocation.
#[repr(C)]
pub(crate) struct Header {
    pub(super) state: State,
    pub(super) vtable: &'static Vtable,
    /// The next task of the inject list that this one is in. Owned by whoever owns the queue's
    /// reference; see `pool/inject.rs`.
    pub(crate) queue_next: AtomicPtr<Header>,
    /// Links of the owned list; guarded by that list's lock.
    pub(super) owned: UnsafeCell<OwnedLinks>,
    pub(super) id: Id,
    /// Where the task was spawned, for reports.
    pub(super) location: &'static Location<'static>,
    /// The core that ran it last: where a wake from outside sends it.
    pub(crate) core: AtomicU16,
    /// The shard of the owned list that it is in.
    pub(super) shard: u16,
}

/// Links of the owned list.
#[derive(Default)]
pub(super) struct OwnedLinks {
    pub(super) prev: Option<NonNull<Header>>,
    pub(super) next: Option<NonNull<Header>>,
    pub(super) linked: bool,
    /// Counted in `alive`; stays so when shutting down unlinks it.
    pub(super) counted: bool,
}

/// The typed operations. All take a pointer to a live task.
pub(super) struct Vtable {
    /// Polls (or cancels) the task; consumes the queue's reference, or of a turn ahead of the queue
    /// another one.
    pub(super) poll: unsafe fn(NonNull<Header>, Turn),
    /// Hands the task to its scheduler, with the queue's reference.
    pub(super) schedule: unsafe fn(NonNull<Header>),
    /// Tells its scheduler that it was woken while it is raised; see
    /// [`Schedule::hasten`](super::Schedule::hasten).
    pub(super) hasten: unsafe fn(NonNull<Header>),
    /// Tells its scheduler that it was aborted while it waits in a queue.
    pub(super) aborted: unsafe fn(NonNull<Header>),
    /// Frees it; no reference is left.
    pub(super) dealloc: unsafe fn(NonNull<Header>),
    /// Moves the output to `*mut Poll<Result<T, JoinError>>` or stores the waker.
    pub(super) read_output: unsafe fn(NonNull<Header>, *mut (), &Waker),
    /// The `JoinHandle` goes, with its reference.
    pub(super) drop_join_handle: unsafe fn(NonNull<Header>),
    /// See [`Schedule::WAITS_IN_WORKLIST`](super::Schedule::WAITS_IN_WORKLIST).
    pub(super) waits_in_worklist: bool,
}

/// How a thread comes to poll a task.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It took it from a queue.
    Queued,
    /// Whatever queue it is in: its entry stays there.
    Ahead,
}

/// What a thread does with a task that it took from a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Poll,
    /// Poll it: somebody urgent waits for it.
    PollRaised,
    /// It was aborted: complete it without a poll.
    Cancel,
    /// It does not complete, and is not polled either.
    Skip,
    /// Nothing: the scheduler has kept the queue's reference.
    Leave,
    /// Nothing but giving the reference back: the task was polled ahead of its turn.
    Stale,
    /// The same, and it has completed: its entry, which is gone now, kept it in the owned list.
    Release,
}

impl Start {
    #[inline]
    fn of(before: Snapshot) -> Self {
        if !before.has(ABORT | RAISED | OVERTAKEN) { Self::Poll } else { Self::of_other(before) }
    }

    #[cold]
    fn of_other(before: Snapshot) -> Self {
        if before.has(COMPLETE) {
            Self::Release
        } else if !before.is_due() {
            Self::Stale
        } else if before.has(ABORT) {
            Self::Cancel
        } else if before.has(RAISED) {
            Self::PollRaised
        } else {
            Self::Poll
        }
    }
}

/// A pointer to a live task. Copy, and counts nothing: the types around it own references.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawTask(NonNull<Header>);

impl RawTask {
    pub(super) fn new(header: NonNull<Header>) -> Self {
        Self(header)
    }

    pub(super) fn pointer(self) -> NonNull<Header> {
        self.0
    }

    pub(super) fn header(&self) -> &Header {
        // SAFETY: whoever holds a RawTask holds (or borrows from) a reference to the task.
        unsafe { self.0.as_ref() }
    }

    pub(crate) fn id(&self) -> Id {
        self.header().id
    }

    pub(super) fn state(&self) -> &State {
        &self.header().state
    }

    pub(super) fn schedule(self) {
        // SAFETY: called after a transition that made the queue's reference.
        unsafe { (self.header().vtable.schedule)(self.0) }
    }

    pub(super) fn dealloc(self) {
        // SAFETY: called after the transition that gave the last reference back.
        unsafe { (self.header().vtable.dealloc)(self.0) }
    }

    pub(super) fn ref_dec(self, count: usize) {
        if self.state().ref_dec(count) {
            self.dealloc();
        }
    }

    /// PENDING to RUNNING.
    #[inline]
    pub(super) fn start_poll(self) -> Start {
        Start::of(self.state().start_poll())
    }

    /// The same, while its entry stays in a queue.
    #[cold]
    pub(super) fn overtake(self) -> Start {
        self.state().overtake().map_or(Start::Stale, Start::of_other)
    }

    /// RUNNING to idle, or back to PENDING.
    #[inline]
    pub(super) fn end_poll(self) -> OnIdle {
        self.state().end_poll()
    }

    #[inline]
    pub(super) fn wake_by_ref(self) {
        match self.state().wake_by_ref() {
            OnWake::Nothing | OnWake::Dealloc => {}
            OnWake::Schedule => self.schedule(),
            OnWake::Raised => self.wake_raised(),
        }
    }

    #[cold]
    fn wake_raised(self) {
        self.follow(self.state().wake_raised());
    }

    /// What follows a wake of any task by somebody who keeps a reference.
    pub(super) fn follow(self, wake: OnAnyWake) {
        // SAFETY: the caller has a reference.
        let hasten = || unsafe { (self.header().vtable.hasten)(self.0) };
        match wake {
            OnAnyWake::Nothing => {}
            OnAnyWake::Schedule => self.schedule(),
            OnAnyWake::ScheduleRaised => {
                hasten();
                self.schedule();
            }
            OnAnyWake::Hasten => hasten(),
        }
    }

    /// Does its scheduler keep something about it?
    #[inline]
    pub(crate) fn is_bonded(self) -> bool {
        self.state().load().has(BONDED)
    }

    #[inline]
    pub(super) fn wake_by_value(self) {
        match self.state().wake_by_value() {
            OnWake::Nothing => {}
            OnWake::Schedule => self.schedule(),
            OnWake::Raised => {
                self.wake_raised();
                self.ref_dec(1);
            }
            OnWake::Dealloc => self.dealloc(),
        }
    }

    pub(super) fn abort(self) {
        match self.state().abort() {
            OnAbort::Nothing => {}
            OnAbort::Woken(then) => self.follow(then),
            // SAFETY: whoever aborts has a reference.
            OnAbort::Waits => unsafe { (self.header().vtable.aborted)(self.0) },
        }
    }
}

/// A task on its way to a poll: the reference that a queue owns. There is at most one per task,
/// since only the transition to PENDING makes one, and not while OVERTAKEN says that there is one.
pub(crate) struct Notified(RawTask);

// SAFETY: the futures of tasks are Send, and the header is made of atomics and of fields guarded
// by a lock or by ownership of this very value.
unsafe impl Send for Notified {}

impl Notified {
    pub(super) fn new(raw: RawTask) -> Self {
        Self(raw)
    }

    /// The same task without a reference of its own. Not by way of [`Notified::header`]: a pointer that
    /// was made of that may reach nothing but the header.
    pub(super) fn raw(&self) -> RawTask {
        self.0
    }

    pub(crate) fn header(&self) -> &Header {
        self.0.header()
    }

    pub(crate) fn id(&self) -> Id {
        self.header().id
    }

    pub(crate) fn location(&self) -> &'static Location<'static> {
        self.header().location
    }

    /// Is it to be cancelled instead of polled?
    pub(crate) fn is_aborted(&self) -> bool {
        self.0.state().load().has(ABORT)
    }

    /// Must it go to no ring and no inject list?
    pub(crate) fn waits_in_worklist(&self) -> bool {
        self.header().vtable.waits_in_worklist
    }

    pub(crate) fn home_core(&self) -> usize {
        self.header().core.load(Ordering::Relaxed).into()
    }

    #[inline]
    pub(crate) fn set_home_core(&self, core: usize) {
        let core = core as u16;
        if self.header().core.load(Ordering::Relaxed) != core {
            self.header().core.store(core, Ordering::Relaxed);
        }
    }

    /// Polls the task once, or cancels it if it is aborted. Does not unwind.
    #[inline]
    pub(crate) fn run(self) {
        let raw = self.into_raw_task();
        // SAFETY: `self` was the queue's reference, and poll consumes it.
        unsafe { (raw.header().vtable.poll)(raw.pointer(), Turn::Queued) }
    }

    pub(super) fn into_raw_task(self) -> RawTask {
        let raw = self.0;
        std::mem::forget(self);
        raw
    }

    /// For queues that keep pointers.
    pub(crate) fn into_raw(self) -> NonNull<Header> {
        self.into_raw_task().pointer()
    }

    /// # Safety
    ///
    /// `pointer` comes from [`into_raw`](Self::into_raw), and this is its only return.
    pub(crate) unsafe fn from_raw(pointer: NonNull<Header>) -> Self {
        Self(RawTask::new(pointer))
    }
}

impl Drop for Notified {
    /// A queue that is thrown away: the task stays PENDING and is never polled again.
    fn drop(&mut self) {
        self.0.ref_dec(1);
    }
}

/// What a completed task stores.
pub(super) type Output<T> = Result<T, JoinError>;

//! The state word of a task: nine flags and a reference count in one atomic.
//!
//! The flags and who may set them are described in the essay of [`super`]. Every transition is one
//! read-modify-write, including those that change nothing: a wake of a task that is already
//! PENDING publishes what the waker wrote before, as the kernel's `test_and_set_bit` does.

use crate::sync_types::atomic::{AtomicUsize, Ordering};

/// Queued, or to be queued again by whoever polls it now.
pub(super) const PENDING: usize = 1;
/// Somebody polls it, and alone may touch the future. PENDING + 1 bit: starting a poll is one add.
pub(super) const RUNNING: usize = 1 << 1;
/// The output (or the error) is stored; the future is gone.
pub(super) const COMPLETE: usize = 1 << 2;
/// To be cancelled by the next poller instead of polled.
pub(super) const ABORT: usize = 1 << 3;
/// A `JoinHandle` exists; it owns the output.
pub(super) const JOIN_INTEREST: usize = 1 << 4;
/// The join waker is set and belongs to whoever completes the task; then it has been used up.
pub(super) const JOIN_WAKER: usize = 1 << 5;
/// Somebody urgent waits for it: who wakes it hastens it too.
pub(super) const RAISED: usize = 1 << 6;
/// It was polled ahead of its turn, and its entry is still in a queue.
pub(super) const OVERTAKEN: usize = 1 << 7;
/// Its scheduler keeps something about it that ends with it.
pub(super) const BONDED: usize = 1 << 8;
/// One reference.
const REF: usize = 1 << 9;

/// Idle, and nothing is special about it.
const PLAINLY_IDLE: usize = PENDING | RUNNING | COMPLETE | RAISED | OVERTAKEN;

/// What a waker has to do after its transition.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum OnWake {
    /// Nothing: queued already, running (the poller queues it again), or complete.
    Nothing,
    /// Hand the task to its scheduler, together with one reference.
    Schedule,
    /// Nothing is changed, the reference included: the task is raised, or was polled ahead of its
    /// turn.
    Raised,
    /// That was the last reference.
    Dealloc,
}

/// The same of any task, by a waker that keeps its reference.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum OnAnyWake {
    /// Nothing: queued already, running (the poller queues it again), or complete.
    Nothing,
    /// Hand the task to its scheduler, together with one reference.
    Schedule,
    /// The same, and hasten it before.
    ScheduleRaised,
    /// Hasten it: it is in a queue already.
    Hasten,
}

/// What whoever aborts a task has to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum OnAbort {
    /// Nothing: complete, aborted already, or running (the poller cancels it).
    Nothing,
    /// It was idle: what follows a wake.
    Woken(OnAnyWake),
    /// It waits in a queue, whose scheduler may want to know.
    Waits,
}

/// What the poller has to do after a poll that returned `Pending`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum OnIdle {
    /// The task sleeps; the queue's reference has been given back.
    Idle,
    /// It was woken meanwhile: queue it again, with the reference that the poller has.
    Requeue,
    /// Nothing is changed: the task is raised, or was polled ahead of its turn.
    Raised,
    /// That was the last reference.
    Dealloc,
}

/// The same of a task that is raised, or was polled ahead of its turn. The poller keeps its reference.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum OnIdleRaised {
    /// The task sleeps, or is in a queue already: give the reference back.
    Idle,
    /// It was woken meanwhile and is in a queue already: hasten it, then the same.
    Hasten,
    /// It was woken meanwhile: hasten it, then queue it again, with the reference.
    Requeue,
}

/// What a `JoinHandle` that goes has to do after its transition.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum OnHandleDrop {
    /// Nothing: its reference has been given back. A waker left in the slot goes with the task.
    Gone,
    /// That was the last reference.
    Dealloc,
    /// Drop the waker, then give the reference back.
    Waker,
    /// Drop the output, and the waker unless the completer has used it; then the reference.
    Output { waker_used: bool },
}

/// What whoever raises a task has to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum OnRaise {
    /// Nothing: it is complete.
    Nothing,
    /// Hasten the poller, after which the task is polled once more.
    Running,
    /// What follows a wake.
    Woken(OnAnyWake),
}

/// A copy of the word.
#[derive(Clone, Copy, Debug)]
pub(super) struct Snapshot(usize);

impl Snapshot {
    pub(super) fn has(self, flag: usize) -> bool {
        self.0 & flag != 0
    }

    /// Is it queued, and does nobody poll it?
    pub(super) fn is_due(self) -> bool {
        self.0 & (PENDING | RUNNING | COMPLETE) == PENDING
    }

    /// Is it neither queued nor polled nor complete?
    #[cfg(test)]
    pub(super) fn is_idle(self) -> bool {
        self.0 & (PENDING | RUNNING | COMPLETE) == 0
    }

    fn references(self) -> usize {
        self.0 / REF
    }
}

/// The word itself.
#[derive(Debug)]
pub(super) struct State(AtomicUsize);

impl State {
    /// A new task is PENDING and has three references: owned list, queue, `JoinHandle`.
    pub(super) fn new() -> Self {
        Self(AtomicUsize::new(PENDING | JOIN_INTEREST | (3 * REF)))
    }

    /// A new work item sleeps and has one reference, that of its maker.
    pub(super) fn idle() -> Self {
        Self(AtomicUsize::new(REF))
    }

    #[inline]
    pub(super) fn load(&self) -> Snapshot {
        Snapshot(self.0.load(Ordering::Acquire))
    }

    /// PENDING to RUNNING, by the one who took the task from a queue. PENDING is cleared before
    /// the poll, with a barrier, so a wake during the poll queues the task again. Nothing but
    /// OVERTAKEN is changed if the task was polled meanwhile, and not woken since: look whether it
    /// [is due](Snapshot::is_due).
    #[inline]
    pub(super) fn start_poll(&self) -> Snapshot {
        let mut s = self.0.load(Ordering::Relaxed);
        while s & OVERTAKEN == 0 {
            debug_assert!(Snapshot(s).is_due());
            if self.change(&mut s, |s| s + PENDING) {
                return Snapshot(s);
            }
        }
        self.start_overtaken()
    }

    #[cold]
    fn start_overtaken(&self) -> Snapshot {
        self.update(|s| {
            let next = s & !OVERTAKEN;
            (if Snapshot(s).is_due() { next + PENDING } else { next }, Snapshot(s))
        })
    }

    /// PENDING to RUNNING, by one who leaves the task's entry where it is. Nothing is changed if it is
    /// not its turn: it is not queued, or somebody polls it.
    pub(super) fn overtake(&self) -> Option<Snapshot> {
        self.update(|s| match Snapshot(s) {
            before if before.is_due() => ((s + PENDING) | OVERTAKEN, Some(before)),
            _ => (s, None),
        })
    }

    /// RUNNING to idle or back to PENDING.
    #[inline]
    pub(super) fn end_poll(&self) -> OnIdle {
        let mut s = self.0.load(Ordering::Relaxed);
        loop {
            debug_assert!(s & RUNNING != 0);
            if s & (PENDING | RAISED | OVERTAKEN) == 0 {
                if self.change(&mut s, |s| (s & !RUNNING) - REF) {
                    return if s < 2 * REF { OnIdle::Dealloc } else { OnIdle::Idle };
                }
            } else if s & (RAISED | OVERTAKEN) != 0 {
                return OnIdle::Raised;
            } else if self.change(&mut s, |s| s & !RUNNING) {
                return OnIdle::Requeue;
            }
        }
    }

    /// The same after [`OnIdle::Raised`].
    pub(super) fn end_raised_poll(&self) -> OnIdleRaised {
        self.update(|s| {
            debug_assert!(s & RUNNING != 0);
            let next = s & !RUNNING;
            match (s & PENDING != 0, s & OVERTAKEN != 0) {
                (true, false) => (next, OnIdleRaised::Requeue),
                // The entry that it left behind is its entry again.
                (true, true) if s & RAISED != 0 => (next, OnIdleRaised::Hasten),
                _ => (next, OnIdleRaised::Idle),
            }
        })
    }

    /// RUNNING to COMPLETE; the result is stored already.
    #[inline]
    pub(super) fn complete(&self) -> Snapshot {
        let before = Snapshot(self.0.fetch_xor(RUNNING | COMPLETE, Ordering::AcqRel));
        debug_assert!(before.has(RUNNING) && !before.has(COMPLETE));
        before
    }

    /// A wake that keeps its own reference.
    #[inline]
    pub(super) fn wake_by_ref(&self) -> OnWake {
        let mut s = self.0.load(Ordering::Relaxed);
        loop {
            if s & PLAINLY_IDLE == 0 {
                if self.change(&mut s, |s| (s | PENDING) + REF) {
                    return OnWake::Schedule;
                }
            } else if s & (PENDING | RUNNING | COMPLETE) == 0 {
                return OnWake::Raised;
            } else if self.change(&mut s, woken_in_vain) {
                return OnWake::Nothing;
            }
        }
    }

    /// A wake that gives its reference away.
    #[inline]
    pub(super) fn wake_by_value(&self) -> OnWake {
        let mut s = self.0.load(Ordering::Relaxed);
        loop {
            if s & PLAINLY_IDLE == 0 {
                if self.change(&mut s, |s| s | PENDING) {
                    return OnWake::Schedule;
                }
            } else if s & (PENDING | RUNNING | COMPLETE) == 0 {
                return OnWake::Raised;
            } else if self.change(&mut s, |s| woken_in_vain(s) - REF) {
                return if s < 2 * REF { OnWake::Dealloc } else { OnWake::Nothing };
            }
        }
    }

    /// A wake after [`OnWake::Raised`], which keeps its own reference.
    pub(super) fn wake_raised(&self) -> OnAnyWake {
        self.update(wake)
    }

    /// Asks for cancellation by the next poller.
    pub(super) fn abort(&self) -> OnAbort {
        self.update(|s| {
            if s & (COMPLETE | ABORT) != 0 {
                (s, OnAbort::Nothing)
            } else if s & RUNNING != 0 {
                (s | ABORT | PENDING, OnAbort::Nothing)
            } else if s & PENDING != 0 {
                (s | ABORT, OnAbort::Waits)
            } else {
                let (woken, then) = wake(s | ABORT);
                (woken, OnAbort::Woken(then))
            }
        })
    }

    /// Somebody urgent waits for the task. It is polled once more even if it was not woken, and in
    /// this poll tells what it waits for itself.
    pub(super) fn raise(&self) -> OnRaise {
        self.update(|s| {
            if s & COMPLETE != 0 {
                (s, OnRaise::Nothing)
            } else if s & RUNNING != 0 {
                (s | RAISED | PENDING, OnRaise::Running)
            } else if s & PENDING != 0 {
                (s | RAISED, OnRaise::Woken(OnAnyWake::Hasten))
            } else {
                let (woken, then) = wake(s | RAISED);
                (woken, OnRaise::Woken(then))
            }
        })
    }

    /// Nobody urgent waits for it any more.
    pub(super) fn lower(&self) {
        self.0.fetch_and(!RAISED, Ordering::AcqRel);
    }

    /// Does somebody urgent wait for it?
    pub(super) fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire) & RAISED != 0
    }

    /// Its scheduler is to hear of its completion, unless that was before: then `false`.
    pub(super) fn bond(&self) -> bool {
        self.update(|s| if s & COMPLETE != 0 { (s, false) } else { (s | BONDED, true) })
    }

    pub(super) fn unbond(&self) {
        self.0.fetch_and(!BONDED, Ordering::AcqRel);
    }

    /// Gives the join waker to the completer; `false` if the task completed meanwhile.
    pub(super) fn publish_join_waker(&self) -> bool {
        self.update(|s| {
            debug_assert!(s & JOIN_INTEREST != 0 && s & JOIN_WAKER == 0);
            if s & COMPLETE != 0 { (s, false) } else { (s | JOIN_WAKER, true) }
        })
    }

    /// Takes the join waker back to change it; `false` if the task completed meanwhile.
    pub(super) fn reclaim_join_waker(&self) -> bool {
        self.update(|s| {
            debug_assert!(s & JOIN_INTEREST != 0 && s & JOIN_WAKER != 0);
            if s & COMPLETE != 0 { (s, false) } else { (s & !JOIN_WAKER, true) }
        })
    }

    /// The `JoinHandle` goes. With one read-modify-write at most: most handles go before the task
    /// is polled for the first time, or after they have taken its output.
    pub(super) fn drop_join_handle(&self) -> OnHandleDrop {
        let complete = |s: usize| OnHandleDrop::Output { waker_used: s & JOIN_WAKER != 0 };
        // What the completer stored is visible, and from now on it leaves the flags alone.
        let seen = self.load();
        if seen.has(COMPLETE) {
            return complete(seen.0);
        }
        self.update(|s| {
            debug_assert!(s & JOIN_INTEREST != 0);
            if s & COMPLETE != 0 {
                (s, complete(s))
            } else if s & JOIN_WAKER != 0 {
                (s & !(JOIN_INTEREST | JOIN_WAKER), OnHandleDrop::Waker)
            } else {
                let next = (s & !JOIN_INTEREST) - REF;
                (next, if next < REF { OnHandleDrop::Dealloc } else { OnHandleDrop::Gone })
            }
        })
    }

    // Work items. Their scheduler has a lock, under which all four are called: see `super::work`.

    /// Not PENDING to PENDING, also while RUNNING: the caller makes the queue's reference.
    #[inline]
    pub(super) fn queue_work(&self) {
        let before = Snapshot(self.0.fetch_add(PENDING + REF, Ordering::AcqRel));
        debug_assert!(!before.has(PENDING | COMPLETE));
    }

    /// PENDING is taken back, by the one who has the queue's reference and keeps it.
    #[inline]
    pub(super) fn take_back_work(&self) {
        let before = Snapshot(self.0.fetch_sub(PENDING, Ordering::AcqRel));
        debug_assert!(before.has(PENDING));
    }

    /// PENDING to RUNNING. Returns whether the work was aborted meanwhile, which is forgotten.
    #[inline]
    pub(super) fn start_work(&self) -> bool {
        let before = Snapshot(self.0.fetch_add(PENDING, Ordering::AcqRel));
        debug_assert!(before.has(PENDING) && !before.has(RUNNING | COMPLETE));
        before.has(ABORT) && Snapshot(self.0.fetch_and(!ABORT, Ordering::AcqRel)).has(ABORT)
    }

    /// RUNNING to not RUNNING. PENDING belongs to a list by now, not to the runner.
    #[inline]
    pub(super) fn end_work(&self) {
        let before = Snapshot(self.0.fetch_sub(RUNNING, Ordering::AcqRel));
        debug_assert!(before.has(RUNNING));
    }

    pub(super) fn ref_inc(&self) {
        let before = self.0.fetch_add(REF, Ordering::Relaxed);
        // A leaked waker cloned 2^54 times: stop before the count wraps to a use after free.
        if before > isize::MAX as usize {
            std::process::abort();
        }
    }

    /// Gives `count` references back; `true` if none is left.
    #[inline]
    pub(super) fn ref_dec(&self, count: usize) -> bool {
        let before = Snapshot(self.0.fetch_sub(count * REF, Ordering::AcqRel));
        debug_assert!(before.references() >= count);
        before.references() == count
    }

    /// One attempt to change the word from `current`, which on failure is what it is instead.
    #[inline(always)]
    fn change(&self, current: &mut usize, to: impl FnOnce(usize) -> usize) -> bool {
        let next = to(*current);
        match self.0.compare_exchange_weak(*current, next, Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => true,
            Err(actual) => {
                *current = actual;
                false
            }
        }
    }

    #[inline]
    fn update<R>(&self, mut step: impl FnMut(usize) -> (usize, R)) -> R {
        let mut current = self.0.load(Ordering::Relaxed);
        loop {
            let (next, result) = step(current);
            match self.0.compare_exchange_weak(current, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return result,
                Err(actual) => current = actual,
            }
        }
    }
}

/// What a wake makes of the word of a task that is queued, running or complete.
#[inline]
fn woken_in_vain(s: usize) -> usize {
    if s & COMPLETE != 0 { s } else { s | PENDING }
}

/// What a wake that keeps its own reference makes of a word.
fn wake(s: usize) -> (usize, OnAnyWake) {
    if s & (PENDING | RUNNING | COMPLETE) != 0 {
        return (woken_in_vain(s), OnAnyWake::Nothing);
    }
    let next = s | PENDING;
    match (s & OVERTAKEN != 0, s & RAISED != 0) {
        (false, false) => (next + REF, OnAnyWake::Schedule),
        (false, true) => (next + REF, OnAnyWake::ScheduleRaised),
        // The entry that it left behind is its entry again.
        (true, false) => (next, OnAnyWake::Nothing),
        (true, true) => (next, OnAnyWake::Hasten),
    }
}

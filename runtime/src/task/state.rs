//! The state word of a task: six flags and a reference count in one atomic.
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
/// One reference.
const REF: usize = 1 << 6;

/// What a waker has to do after its transition.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum OnWake {
    /// Nothing: queued already, running (the poller queues it again), or complete.
    Nothing,
    /// Hand the task to its scheduler, together with one reference.
    Schedule,
    /// That was the last reference.
    Dealloc,
}

/// What whoever aborts a task has to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum OnAbort {
    /// Nothing: complete, aborted already, or running (the poller cancels it).
    Nothing,
    /// Hand the task to its scheduler, together with one reference.
    Schedule,
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
    /// That was the last reference.
    Dealloc,
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

/// A copy of the word.
#[derive(Clone, Copy, Debug)]
pub(super) struct Snapshot(usize);

impl Snapshot {
    pub(super) fn has(self, flag: usize) -> bool {
        self.0 & flag != 0
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
    /// the poll, with a barrier, so a wake during the poll queues the task again.
    #[inline]
    pub(super) fn start_poll(&self) -> Snapshot {
        let before = Snapshot(self.0.fetch_add(PENDING, Ordering::AcqRel));
        debug_assert!(before.has(PENDING) && !before.has(RUNNING | COMPLETE));
        before
    }

    /// RUNNING to idle or back to PENDING.
    #[inline]
    pub(super) fn end_poll(&self) -> OnIdle {
        self.update(|s| {
            debug_assert!(s & RUNNING != 0);
            if s & PENDING != 0 {
                (s & !RUNNING, OnIdle::Requeue)
            } else {
                let next = (s & !RUNNING) - REF;
                (next, if next < REF { OnIdle::Dealloc } else { OnIdle::Idle })
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
        self.update(|s| {
            if s & (PENDING | COMPLETE) != 0 {
                (s, OnWake::Nothing)
            } else if s & RUNNING != 0 {
                (s | PENDING, OnWake::Nothing)
            } else {
                ((s | PENDING) + REF, OnWake::Schedule)
            }
        })
    }

    /// A wake that gives its reference away.
    #[inline]
    pub(super) fn wake_by_value(&self) -> OnWake {
        self.update(|s| {
            if s & (PENDING | COMPLETE | RUNNING) == 0 {
                return (s | PENDING, OnWake::Schedule);
            }
            let woken = if s & COMPLETE != 0 { s } else { s | PENDING };
            let next = woken - REF;
            (next, if next < REF { OnWake::Dealloc } else { OnWake::Nothing })
        })
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
                ((s | ABORT | PENDING) + REF, OnAbort::Schedule)
            }
        })
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
        // A leaked waker cloned 2^57 times: stop before the count wraps to a use after free.
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

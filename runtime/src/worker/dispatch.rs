//! Handing wakes from the driver and the wheel to tasks.
//!
//! Under the driver's and the wheel's locks there must be no user code. The waker of a task of ours
//! is none, and is woken at once; a foreign waker (of `FuturesUnordered`, of another runtime) waits
//! in a buffer until the lock is free.
//!
//! The wakes of a turn are a batch: the worker itself polls the first task, so a thief is woken once
//! and only if there are more. To wake one for each event costs a system call and an interrupt that
//! find nothing to do.

use super::Local;
use crate::pool::Core;
use crate::task::is_task_waker;
use std::task::Waker;

/// A busy core asks the kernel for its sockets no more often than this: where polls take 20 ns, a system
/// call after each 61 of them would show.
const DRIVE_PERIOD_NS: u64 = 20_000;

impl Local {
    /// Where wakes of the driver and the wheel go.
    pub(super) fn sink(&self, waker: Waker) {
        if is_task_waker(&waker) {
            waker.wake();
        } else {
            self.foreign.borrow_mut().push(waker);
        }
    }

    /// Runs a turn of the driver or the wheel, which hands its wakes to [`sink`](Self::sink).
    pub(super) fn dispatch<R>(&self, turn: impl FnOnce() -> R) -> R {
        self.dispatching.set(true);
        let result = turn();
        self.dispatching.set(false);
        result
    }

    /// After a turn, once the core counts as awake: it would wake itself otherwise.
    pub(super) fn settle_batch(&self) {
        let worker = self.worker();
        let own = usize::from(worker.slot.is_empty());
        self.settle(worker.ring.len() > own);
    }

    /// Wakes the foreign wakers that [`sink`](Self::sink) put aside. Not under a lock.
    pub(super) fn wake_foreign(&self) {
        if self.foreign.borrow().is_empty() {
            return;
        }
        let mut wakers = self.foreign.take();
        for waker in wakers.drain(..) {
            self.in_user_caught(|| waker.wake());
        }
        // Keep the allocation. Nothing was pushed meanwhile: only dispatching does.
        self.foreign.replace(wakers);
    }

    /// Wakes the foreign wakers that the monitor left here when it drove the core, and tells what it
    /// may not log.
    pub(super) fn run_chores(&self) {
        if self.core().shortage.take() {
            self.in_user_caught(|| self.warn_of_shortage());
        }
        self.wake_chores_of(self.core());
    }

    pub(super) fn wake_chores_of(&self, core: &Core) {
        for waker in core.take_chores() {
            self.in_user_caught(|| waker.wake());
        }
    }

    fn warn_of_shortage(&self) {
        let (core, crew) = (self.core(), &self.core().crew);
        tracing::warn!(
            target: "cmwq",
            core = core.index,
            workers = crew.threads(),
            short_for_ms = core.short_for(crate::time::now_ns()) / 1_000_000,
            max_workers_per_core = crew.cap(),
            "no further worker can be made for a core whose workers may all block: tasks wait until \
             one returns; raise max_workers_per_core, RLIMIT_NPROC or pids.max"
        );
    }

    pub(super) fn fire_timers(&self, now: u64) {
        if self.core().timers.next_deadline() <= now {
            self.dispatch(|| self.core().timers.fire(now, &mut |waker| self.sink(waker)));
        }
    }

    /// Without a park: looks at timers, and at I/O if that was not just now.
    pub(super) fn drive_if_due(&self) {
        let now = crate::time::now_ns();
        if now.saturating_sub(self.driven_at.get()) >= DRIVE_PERIOD_NS {
            self.drive();
        } else {
            self.fire(now);
        }
    }

    /// Looks at timers and I/O without waiting.
    fn drive(&self) {
        self.dispatch(|| self.core().look_at_io(&mut |waker| self.sink(waker)));
        let now = crate::time::now_ns();
        self.driven_at.set(now);
        self.fire(now);
    }

    /// Fires the timers that are due, and passes on what a turn before it has woken.
    fn fire(&self, now: u64) {
        self.fire_timers(now);
        self.settle_batch();
        self.wake_foreign();
    }
}

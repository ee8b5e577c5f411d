//! The holder's loop.

use super::{Local, Phase};
use crate::task::Notified;

/// A future that the worker polls beside its tasks: that of `block_on` on a runtime of one core.
pub(crate) trait Main {
    /// Polls the future if it was woken; `true` when it is done.
    fn poll_if_woken(&mut self, local: &Local) -> bool;
    /// Was it woken?
    fn is_woken(&self) -> bool;
    /// Does the thread belong to somebody else, who gets it back when the future is done?
    const IS_GUEST: bool;
}

/// A worker thread of the runtime's own.
pub(crate) struct NoMain;

impl Main for NoMain {
    const IS_GUEST: bool = false;

    #[inline]
    fn poll_if_woken(&mut self, _local: &Local) -> bool {
        false
    }

    #[inline]
    fn is_woken(&self) -> bool {
        false
    }
}

/// Why the loop of a position ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The worker became the holder, or is it no more.
    Changed,
    /// The runtime has stopped, or the main future is done.
    Done,
}

/// Polls in a row that may come from the next slot before the ring gets its turn: a request and its answer.
/// Each more keeps the others waiting for a poll longer.
const MAX_STREAK: u32 = 2;

impl Local {
    /// Works until the thread is not needed any more.
    pub(crate) fn work<M: Main>(&self, main: &mut M) {
        // hold() looks first whether it still does: the core may be gone again, and what this
        // worker has inherited has to be given away then.
        while self.stand_by(main) == End::Changed && self.hold(main) == End::Changed {}
    }

    /// The holder's loop.
    fn hold<M: Main>(&self, main: &mut M) -> End {
        self.worker().epoch.enter(Phase::Runtime);
        self.take_charge();
        // The main future has its turn after each round of tasks, or when there are none.
        let mut main_is_due = true;
        loop {
            if std::mem::take(&mut main_is_due) && main.poll_if_woken(self) {
                return End::Done;
            }
            if self.event_due.strikes(self.shared().config.event_interval) {
                self.maintain();
                main_is_due = true;
                if self.shared().has_stopped() {
                    return End::Done;
                }
            }
            let task = self.next_task().or_else(|| self.steal());
            // After the look, which may have moved tasks to our ring: nobody else would find them
            // if this poll blocks.
            if self.has_lost() {
                self.part_with(task);
                self.surrender();
                return End::Changed;
            }
            if let Some(task) = task {
                self.poll(task);
            } else if self.shared().has_stopped() || self.closes() {
                return End::Done;
            } else {
                main_is_due = true;
                if !main.is_woken() && !self.help_neighbour() && !self.linger(main) {
                    self.park(main);
                }
            }
        }
    }

    /// The core was lost with a task in hand.
    #[cold]
    fn part_with(&self, task: Option<Notified>) {
        match task {
            // It has left its worklist, which alone keeps its place in the order. So this worker polls
            // it, as if the core had been lost during the poll.
            Some(task) if task.waits_in_worklist() => {
                self.give_away();
                self.poll(task);
            }
            Some(task) => {
                self.core().inject.push(task);
                self.core().park.unpark();
            }
            None => {}
        }
    }

    #[inline]
    fn next_task(&self) -> Option<Notified> {
        let worker = self.worker();
        let inject_first = self.inject_due.strikes(self.shared().config.global_queue_interval);
        if let Some(task) = inject_first.then(|| self.take_injected()).flatten() {
            return Some(task);
        }
        // The workqueues and cmwq::spawn share the core evenly.
        let pool = &self.core().pool;
        if let Some(task) = self.worklist_due.strikes(2).then(|| pool.pop(self.shared())).flatten()
        {
            return Some(task);
        }
        if let Some(task) = self.take_slot() {
            return Some(task);
        }
        self.streak.set(0);
        worker.ring.pop().or_else(|| self.take_injected()).or_else(|| pool.pop(self.shared()))
    }

    /// The next slot, unless it has had its turns: two tasks that wake each other, or one that spawns
    /// its successor, must not starve the others.
    #[inline]
    fn take_slot(&self) -> Option<Notified> {
        let worker = self.worker();
        let task = worker.slot.take()?;
        let streak = self.streak.get() + 1;
        self.streak.set(streak);
        if streak <= MAX_STREAK {
            return Some(task);
        }
        if worker.ring.is_empty() {
            let Some(other) = self.take_injected() else { return Some(task) };
            self.streak.set(0);
            self.requeue_displaced(task);
            return Some(other);
        }
        self.requeue_displaced(task);
        None
    }

    /// Moves a batch from the core's inject list to the ring, and takes the first.
    #[inline]
    fn take_injected(&self) -> Option<Notified> {
        if self.core().inject.is_empty() { None } else { self.take_batch() }
    }

    #[inline(never)]
    fn take_batch(&self) -> Option<Notified> {
        let inject = &self.core().inject;
        let ring = &self.worker().ring;
        let room = (super::ring::CAPACITY - ring.len()) / 2;
        let mut first = None;
        let taken = inject.pop_many(1 + room, |task| self.stow(&mut first, task));
        if taken > 1 {
            // A push like any other: the core may be lost since the last look.
            self.settle(true);
        }
        first
    }

    /// Stores a task of a batch from an inject list: the first for the caller, the others in the
    /// ring, which has room for them.
    #[inline]
    pub(super) fn stow(&self, first: &mut Option<Notified>, task: Notified) {
        if first.is_none() {
            *first = Some(task);
        // SAFETY: `self` is the half that only the ring's owner has.
        } else if let Err(task) = unsafe { self.worker().ring.push(task) } {
            unreachable!("a ring with room for a batch refused task {}", task.id());
        }
    }

    #[inline]
    fn poll(&self, task: Notified) {
        let worker = self.worker();
        task.set_home_core(self.core().index);
        worker.set_location(task.location());
        worker.set_task(Some(task.id()));
        crate::context::set_current_task(Some(task.id()));
        crate::budget::set(crate::budget::Budget::initial());
        self.enter_user();
        task.run();
        self.leave_user();
        crate::budget::set(crate::budget::Budget::unconstrained());
        crate::context::set_current_task(None);
    }

    /// Every so many polls: timers, I/O, and what the monitor left for a worker to do.
    #[cold]
    fn maintain(&self) {
        self.drive_if_due();
        self.run_chores();
    }
}

//! What a worker knows: its lists, who serves it, and who waits.

use super::item::{Core, Place, WorkState};
use crate::sync_types::this_thread;
use crate::waiters::Waiters;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

/// Guarded by the lock of the worker's `Shared`.
#[derive(Default)]
pub(super) struct Books {
    /// By number: in the order of queueing.
    list: BTreeMap<u64, Arc<Core>>,
    /// By deadline, and in the order of queueing where that is the same.
    delayed: BTreeMap<(Instant, u64), Arc<Core>>,
    /// The number that was given last.
    last: u64,
    running: Option<u64>,
    pub(super) server: Option<Server>,
    /// The worker takes nothing any more.
    pub(super) is_ending: bool,
    pub(super) waiters: Waiters<Until>,
}

/// Who serves the worker.
pub(super) struct Server {
    /// Which of the seats that were ever taken.
    pub(super) seat: u64,
    /// Known when the thread has begun.
    pub(super) thread: Option<usize>,
    /// It waits for the condition variable.
    pub(super) is_asleep: bool,
    /// It was asked to leave.
    pub(super) leaves: bool,
}

/// What somebody waits for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    /// One queueing is over.
    Over(u64),
    /// All that are in the list up to this one are over.
    AllOver(u64),
    /// The server has left this seat.
    Left(u64),
}

/// What is put off until the lock is free: user code may hide in all of it.
#[derive(Default)]
pub(super) struct Later {
    pub(super) wakers: Vec<Waker>,
    /// References that may be the last ones of their closures.
    pub(super) works: Vec<Arc<Core>>,
    /// The server has something to look at.
    pub(super) calls_server: bool,
}

impl Books {
    pub(super) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Is this thread the one that serves? Then a wait would be for itself.
    pub(super) fn is_own_thread(&self) -> bool {
        self.server.as_ref().is_some_and(|server| server.thread == Some(this_thread()))
    }

    // The lists.

    /// Puts a work into the list, or among the delayed ones. It is idle.
    pub(super) fn insert(
        &mut self,
        work: &Arc<Core>,
        state: &mut WorkState,
        deadline: Option<Instant>,
        later: &mut Later,
    ) {
        let number = self.number();
        state.place = match deadline {
            None => {
                self.list.insert(number, work.clone());
                Place::Listed(number)
            }
            Some(deadline) => {
                self.delayed.insert((deadline, number), work.clone());
                Place::Delayed(deadline, number)
            }
        };
        // One that is awake looks by itself.
        later.calls_server |= self.server.as_ref().is_some_and(|server| server.is_asleep);
    }

    /// Takes a work out of the list that it is in. Returns whether it was pending.
    pub(super) fn take_back(&mut self, state: &mut WorkState, later: &mut Later) -> bool {
        let taken = match std::mem::replace(&mut state.place, Place::Idle) {
            Place::Idle => return false,
            Place::Listed(number) => self.list.remove(&number),
            Place::Delayed(deadline, number) => self.delayed.remove(&(deadline, number)),
        };
        later.works.extend(taken);
        true
    }

    /// A delay is cut short. Returns the number of the work in the list.
    pub(super) fn hasten(
        &mut self,
        state: &mut WorkState,
        deadline: Instant,
        number: u64,
        later: &mut Later,
    ) -> u64 {
        let new = self.number();
        let Some(work) = self.delayed.remove(&(deadline, number)) else {
            unreachable!("a delayed work is in the list of the delayed ones");
        };
        self.list.insert(new, work);
        state.place = Place::Listed(new);
        later.calls_server |= self.server.as_ref().is_some_and(|server| server.is_asleep);
        new
    }

    /// Moves those whose delay is over into the list.
    pub(super) fn promote(&mut self) {
        // The clock is not read for nothing.
        let Some(now) = (!self.delayed.is_empty()).then(Instant::now) else { return };
        while let Some(first) = self.delayed.first_entry() {
            if first.key().0 > now {
                return;
            }
            let work = first.remove();
            let number = self.number();
            work.state().place = Place::Listed(number);
            self.list.insert(number, work);
        }
    }

    /// When the server has to look again, if nothing happens before.
    pub(super) fn first_deadline(&self) -> Option<Instant> {
        self.delayed.first_key_value().map(|(&(deadline, _), _)| deadline)
    }

    /// The next execution begins.
    pub(super) fn begin(&mut self) -> Option<(u64, Arc<Core>)> {
        let (number, work) = self.list.pop_first()?;
        let mut state = work.state();
        state.place = Place::Idle;
        state.running = Some(number);
        drop(state);
        self.running = Some(number);
        Some((number, work))
    }

    /// The execution is over.
    pub(super) fn end(&mut self, work: &Core) {
        work.state().running = None;
        self.running = None;
    }

    pub(super) fn has_work(&self) -> bool {
        !self.list.is_empty()
    }

    /// Takes back what waits for its delay, and `also_listed` all else.
    pub(super) fn clear(&mut self, also_listed: bool, later: &mut Later) {
        let delayed = std::mem::take(&mut self.delayed).into_values();
        let listed = if also_listed { std::mem::take(&mut self.list) } else { BTreeMap::new() };
        for work in delayed.chain(listed.into_values()) {
            work.state().place = Place::Idle;
            later.works.push(work);
        }
    }

    // The waiters.

    /// What a flush of the worker waits for.
    pub(super) fn all(&self) -> Until {
        Until::AllOver(self.last)
    }

    pub(super) fn is_over(&self, until: Until) -> bool {
        match until {
            Until::Over(number) => self.running != Some(number) && !self.list.contains_key(&number),
            Until::AllOver(last) => {
                let first = self.list.first_key_value().map(|(&number, _)| number);
                self.running.into_iter().chain(first).all(|number| number > last)
            }
            Until::Left(seat) => self.server.as_ref().is_none_or(|server| server.seat != seat),
        }
    }

    /// After a change: those who wait for nothing any more are woken.
    pub(super) fn settle(&mut self, later: &mut Later) {
        let mut waiters = std::mem::take(&mut self.waiters);
        later.wakers.extend(waiters.take(|&until| self.is_over(until)));
        self.waiters = waiters;
    }
}

//! The state of a work item, and its lock.

use super::target::{Link, Target, Ticket};
use crate::contain::contain;
use crate::sync_types::{Mutex, lock, this_thread};
use crate::task::{Notified, WorkTask};
use crate::time::Alarm;
use crate::waiters::Waiters;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Wake, Waker};

/// What the handles, the task and the timer of a work item share.
pub(crate) struct Control<T: Target> {
    state: Mutex<State<T>>,
    /// For what runs and for what is queued meanwhile.
    tickets: [Ticket<T>; 2],
    location: &'static Location<'static>,
    panics: AtomicU64,
}

pub(super) struct State<T: Target> {
    pub(super) pending: Option<Pending<T>>,
    pub(super) running: Option<Running<T::Link>>,
    /// How often it is disabled more than enabled.
    pub(super) disabled: usize,
    /// The number of the next queueing.
    next: u64,
    /// By the number of the queueing that they wait for.
    pub(super) waiters: Waiters<u64>,
    /// Made by the first delay.
    pub(super) alarm: Option<Pin<Box<Alarm>>>,
}

/// A queueing that has not begun to run.
pub(super) struct Pending<T: Target> {
    pub(super) number: u64,
    pub(super) place: Place<T>,
}

/// Where the queue's reference of a pending work is.
pub(super) enum Place<T: Target> {
    /// With us, until the timer fires.
    Delayed { task: Notified, target: T },
    /// In a list of the pool_workqueue, or in the hand of a worker who is about to start it.
    Listed(Entry<T::Link>),
    /// With us, until the execution is over that a worker met when it wanted to start this one.
    Met { task: Notified, entry: Entry<T::Link> },
}

/// An entry in the books of a pool_workqueue.
pub(super) struct Entry<L> {
    pub(super) link: L,
    pub(super) ticket: usize,
}

pub(super) struct Running<L> {
    pub(super) number: u64,
    pub(super) entry: Entry<L>,
    /// Who runs it.
    pub(super) thread: usize,
}

impl<T: Target> State<T> {
    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Is this queueing still to run, or running?
    pub(super) fn is_live(&self, number: u64) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.number == number)
            || self.running.as_ref().is_some_and(|running| running.number == number)
    }

    pub(super) fn is_own_thread(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.thread == this_thread())
    }

    /// A queueing is over: executed, cancelled or refused.
    pub(super) fn over(&mut self, number: u64, later: &mut Later<T>) {
        later.wakers.extend(self.waiters.take(|&awaited| awaited == number));
    }
}

/// What is put off until the lock is free: user code may hide in all of it.
pub(super) struct Later<T: Target> {
    wakers: Vec<Waker>,
    aftermath: Option<(T::Link, <T::Link as Link>::Aftermath)>,
    /// May hold the last handle of a queue, or the shutdown of a runtime.
    target: Option<T>,
    /// A reference that may be the last one.
    task: Option<WorkTask>,
}

impl<T: Target> Later<T> {
    /// What came of a change of the books.
    pub(super) fn settle(&mut self, link: T::Link, aftermath: <T::Link as Link>::Aftermath) {
        debug_assert!(self.aftermath.is_none());
        self.aftermath = Some((link, aftermath));
    }

    /// A delay is over.
    pub(super) fn forget_target(&mut self, target: T) {
        self.target = Some(target);
    }

    /// PENDING is taken back for good.
    pub(super) fn take_back(&mut self, task: Notified) {
        self.task = Some(task.take_back_work());
    }

    fn run(self) {
        if let Some((link, aftermath)) = self.aftermath {
            link.settle(aftermath);
        }
        self.wakers.into_iter().for_each(|waker| contain(|| waker.wake()));
    }
}

impl<T: Target> Control<T> {
    pub(super) fn new(location: &'static Location<'static>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                pending: None,
                running: None,
                disabled: 0,
                next: 0,
                waiters: Waiters::default(),
                alarm: None,
            }),
            tickets: Default::default(),
            location,
            panics: AtomicU64::new(0),
        })
    }

    /// Under the lock, and then what may not happen under it.
    pub(super) fn locked<R>(&self, change: impl FnOnce(&mut State<T>, &mut Later<T>) -> R) -> R {
        let mut later = Later { wakers: Vec::new(), aftermath: None, target: None, task: None };
        let result = change(&mut lock(&self.state), &mut later);
        later.run();
        result
    }

    pub(super) fn ticket(&self, entry: &Entry<T::Link>) -> &Ticket<T> {
        &self.tickets[entry.ticket]
    }

    /// The ticket that no execution uses.
    pub(super) fn free_ticket(&self, state: &State<T>) -> (usize, &Ticket<T>) {
        let index = state.running.as_ref().map_or(0, |running| 1 - running.entry.ticket);
        (index, &self.tickets[index])
    }

    pub(super) fn location(&self) -> &'static Location<'static> {
        self.location
    }

    pub(super) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    pub(super) fn count_panic(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn is_pending(&self) -> bool {
        lock(&self.state).pending.is_some()
    }

    pub(super) fn is_running(&self) -> bool {
        lock(&self.state).running.is_some()
    }

    pub(super) fn is_busy(&self) -> bool {
        let state = lock(&self.state);
        state.pending.is_some() || state.running.is_some()
    }

    pub(super) fn is_disabled(&self) -> bool {
        lock(&self.state).disabled > 0
    }
}

/// The timer of a delay.
impl<T: Target> Wake for Control<T> {
    fn wake(self: Arc<Self>) {
        self.timer_fired();
    }
}

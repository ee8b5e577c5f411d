//! Queues for tests: plain lists, with books that notice what must not happen.

use super::control::Control;
use super::flush::{Flush, Which};
use super::run::{Execute, WorkSched};
use super::target::{Link, Target};
use crate::sync_types::atomic::{AtomicUsize, Ordering};
use crate::sync_types::{Mutex, lock};
use crate::task::{Birth, Header, Id, Notified, WorkTask};
use crate::time::{Clock, Timers};
use std::collections::VecDeque;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// A queue with one list.
#[derive(Clone)]
pub(super) struct MockQueue(Arc<Inner>);

struct Inner {
    list: Mutex<VecDeque<Notified>>,
    timers: Arc<Timers>,
    /// Queueings that are not finished.
    in_flight: AtomicUsize,
    settled: AtomicUsize,
    panics: AtomicUsize,
    refuses: AtomicUsize,
    closing: AtomicUsize,
}

/// 1 while in flight.
#[derive(Default)]
pub(super) struct MockTicket(AtomicUsize);

impl MockQueue {
    pub(super) fn new() -> Self {
        Self(Arc::new(Inner {
            list: Mutex::new(VecDeque::new()),
            timers: Timers::new(Arc::new(Clock::new()), Duration::ZERO, Box::new(|| ())),
            in_flight: AtomicUsize::new(0),
            settled: AtomicUsize::new(0),
            panics: AtomicUsize::new(0),
            refuses: AtomicUsize::new(0),
            closing: AtomicUsize::new(0),
        }))
    }

    pub(super) fn pop(&self) -> Option<Notified> {
        lock(&self.0.list).pop_front()
    }

    /// Runs one item, if there is one.
    pub(super) fn run_one(&self) -> bool {
        self.pop().map(Notified::run).is_some()
    }

    pub(super) fn run(&self) {
        while self.run_one() {}
    }

    /// Everything due in the next `after` fires.
    pub(super) fn fire(&self, after: Duration) {
        let now = crate::time::now_ns() + after.as_nanos() as u64;
        self.0.timers.fire(now, &mut |waker| waker.wake());
    }

    pub(super) fn close_timers(&self) {
        self.0.timers.close(&mut |waker| waker.wake());
    }

    pub(super) fn refuse(&self) {
        self.0.refuses.store(1, Ordering::Relaxed);
    }

    pub(super) fn shut_down(&self) {
        self.0.closing.store(1, Ordering::Relaxed);
    }

    pub(super) fn queued(&self) -> usize {
        lock(&self.0.list).len()
    }

    pub(super) fn panics(&self) -> usize {
        self.0.panics.load(Ordering::Relaxed)
    }

    /// Nothing is queued, and the books are closed.
    pub(super) fn assert_idle(&self) {
        assert_eq!(self.queued(), 0);
        assert_eq!(self.0.in_flight.load(Ordering::Relaxed), 0);
    }
}

impl MockTicket {
    fn close(&self, queue: &Inner) {
        assert_eq!(self.0.swap(0, Ordering::Relaxed), 1, "finished what is not in flight");
        queue.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Target for MockQueue {
    type Link = Self;

    fn admit(&mut self, task: Notified, ticket: &MockTicket) -> Result<Self, Notified> {
        if self.0.refuses.load(Ordering::Relaxed) == 1 {
            return Err(task);
        }
        assert_eq!(ticket.0.swap(1, Ordering::Relaxed), 0, "a ticket is used twice");
        self.0.in_flight.fetch_add(1, Ordering::Relaxed);
        lock(&self.0.list).push_back(task);
        Ok(self.clone())
    }

    fn timers(&self) -> Arc<Timers> {
        self.0.timers.clone()
    }
}

impl Link for MockQueue {
    type Ticket = MockTicket;
    type Aftermath = ();
    type Bond = ();

    fn readmit(&self, task: Notified, ticket: &MockTicket) {
        assert_eq!(ticket.0.load(Ordering::Relaxed), 1, "what is not in flight is woken");
        lock(&self.0.list).push_back(task);
    }

    fn withdraw(&self, ticket: &MockTicket, task: &Header) -> Option<(Notified, ())> {
        let taken = {
            let mut list = lock(&self.0.list);
            let index = list.iter().position(|other| std::ptr::eq(other.header(), task))?;
            list.remove(index)?
        };
        ticket.close(&self.0);
        Some((taken, ()))
    }

    fn finish(&self, ticket: &MockTicket) {
        ticket.close(&self.0);
    }

    fn bond(&self, _: &MockTicket) -> Option<()> {
        None
    }

    fn complete((): &()) {}

    fn is_closing(&self) -> bool {
        self.0.closing.load(Ordering::Relaxed) == 1
    }

    fn settle(&self, (): ()) {
        self.0.settled.fetch_add(1, Ordering::Relaxed);
    }

    fn execute<R>(&self, _: &MockTicket, f: impl FnOnce() -> R) -> R {
        f()
    }

    fn panicked(&self) {
        self.0.panics.fetch_add(1, Ordering::Relaxed);
    }
}

/// A work item on mock queues.
#[derive(Clone)]
pub(super) struct Item {
    pub(super) task: WorkTask,
    pub(super) control: Arc<Control<MockQueue>>,
}

impl Item {
    pub(super) fn new(closure: impl FnMut() + Send + 'static) -> Self {
        let control = Control::new(Location::caller());
        let birth = Birth { id: Id::next(), location: Location::caller(), core: 0, shard: 0 };
        let execute = Execute { closure, control: control.clone() };
        let task = WorkTask::new(execute, WorkSched(control.clone()), birth);
        Self { task, control }
    }

    pub(super) fn queue(&self, queue: &MockQueue) -> bool {
        self.control.queue(&self.task, &mut queue.clone())
    }

    pub(super) fn queue_delayed(&self, queue: &MockQueue, delay: Duration) -> bool {
        self.control.queue_delayed(&self.task, queue.clone(), delay)
    }

    pub(super) fn mod_delayed(&self, queue: &MockQueue, delay: Duration) -> bool {
        self.control.mod_delayed(&self.task, queue.clone(), delay)
    }

    pub(super) fn cancel(&self) -> bool {
        self.control.cancel(&self.task)
    }

    pub(super) fn flush(&self) -> Flush<MockQueue> {
        Flush::new(&self.control, Which::Last)
    }
}

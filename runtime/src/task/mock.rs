//! A scheduler for tests: a queue, a real owned list, and a ledger of what is alive.

use super::{Birth, Id, JoinHandle, Notified, OwnedTasks, RawTask, Schedule, TaskRef};
use crate::sync_types::{Mutex, UnsafeCell, lock};
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicUsize, Ordering};
use std::task::{Wake, Waker};

/// Counts [`Tracked`] values. Plain `std`, so that loom does not explore it.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<(AtomicIsize, AtomicBool)>);

impl Ledger {
    pub(crate) fn track(&self) -> Tracked {
        self.0.0.fetch_add(1, Ordering::Relaxed);
        Tracked { ledger: self.clone(), cell: UnsafeCell::new(()) }
    }

    /// Values that were made and not dropped.
    pub(crate) fn alive(&self) -> isize {
        self.0.0.load(Ordering::Relaxed)
    }

    /// Every value was dropped once, and in the model no drop raced with a use.
    pub(crate) fn assert_balanced(&self) {
        assert_eq!(self.alive(), 0, "values leaked, or dropped twice");
        assert!(!self.0.1.load(Ordering::Relaxed), "a value was dropped while in use");
    }
}

/// A value whose uses and drop the model orders.
pub(crate) struct Tracked {
    ledger: Ledger,
    cell: UnsafeCell<()>,
}

// SAFETY: the cell holds nothing; uses that race are what it is there to find.
unsafe impl Sync for Tracked {}

impl Tracked {
    pub(crate) fn touch(&self) {
        self.cell.with(|_| ());
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        // The harness catches panics of drops, and loom's with them.
        if catch_unwind(AssertUnwindSafe(|| self.cell.with_mut(|_| ()))).is_err() {
            self.ledger.0.1.store(true, Ordering::Relaxed);
        }
        self.ledger.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The scheduler. Clones share one queue.
#[derive(Clone)]
pub(crate) struct Mock(Arc<Shared>);

struct Shared {
    queue: Mutex<Vec<Notified>>,
    /// Those that are to be polled ahead of it.
    hastened: Mutex<Vec<TaskRef>>,
    owned: OwnedTasks,
    panics: AtomicUsize,
    ledger: Ledger,
}

/// What sits in the task's cell: dropped with the cell.
struct InCell {
    mock: Mock,
    tracked: Tracked,
}

impl Mock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared {
            queue: Mutex::new(Vec::new()),
            hastened: Mutex::new(Vec::new()),
            owned: OwnedTasks::new(1),
            panics: AtomicUsize::new(0),
            ledger: Ledger::default(),
        }))
    }

    /// A new task that is in no queue yet.
    pub(crate) fn task<F>(&self, future: F) -> (Notified, JoinHandle<F::Output>)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (task, handle) = self.make(future);
        assert!(self.0.owned.insert(&task));
        (task, handle)
    }

    /// A new task that is not in the owned list.
    pub(super) fn make<F>(&self, future: F) -> (Notified, JoinHandle<F::Output>)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let birth = Birth { id: Id::next(), location: Location::caller(), core: 0, shard: 0 };
        let in_cell = InCell { mock: self.clone(), tracked: self.0.ledger.track() };
        super::new(future, in_cell, birth)
    }

    /// A new task in the queue.
    pub(crate) fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn_with_ref(future).1
    }

    /// The same, with a reference to it.
    pub(crate) fn spawn_with_ref<F>(&self, future: F) -> (TaskRef, JoinHandle<F::Output>)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (task, handle) = self.task(future);
        let reference = TaskRef::new(task.raw());
        self.enqueue(task);
        (reference, handle)
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    pub(crate) fn owned(&self) -> &OwnedTasks {
        &self.0.owned
    }

    pub(crate) fn panics(&self) -> usize {
        self.0.panics.load(Ordering::Relaxed)
    }

    pub(crate) fn queued(&self) -> usize {
        lock(&self.0.queue).len()
    }

    fn enqueue(&self, task: Notified) {
        assert!(self.0.owned.alive() > 0, "nothing keeps the scheduler");
        let mut queue = lock(&self.0.queue);
        let twice = queue.iter().any(|other| std::ptr::eq(other.header(), task.header()));
        assert!(!twice, "a task is in the queue twice");
        queue.push(task);
    }

    pub(crate) fn pop(&self) -> Option<Notified> {
        lock(&self.0.queue).pop()
    }

    /// Polls until the queue is empty. Returns the number of polls.
    pub(crate) fn run(&self) -> usize {
        std::iter::from_fn(|| self.pop()).map(Notified::run).count()
    }

    /// Gives each task that was hastened its turn ahead of the queue.
    pub(crate) fn run_ahead(&self) -> usize {
        let next = || lock(&self.0.hastened).pop();
        std::iter::from_fn(next).map(TaskRef::run_ahead).count()
    }

    /// Nothing is left of any task.
    pub(crate) fn assert_all_gone(&self) {
        assert_eq!(self.queued(), 0);
        assert_eq!(self.0.owned.alive(), 0);
        self.0.ledger.assert_balanced();
    }
}

impl Schedule for InCell {
    fn schedule(&self, task: Notified) {
        self.tracked.touch();
        self.mock.enqueue(task);
    }

    fn requeue(&self, task: Notified) {
        self.tracked.touch();
        self.mock.enqueue(task);
    }

    fn release(&self, task: RawTask) -> bool {
        self.tracked.touch();
        self.mock.0.owned.release(task)
    }

    fn hasten(&self, task: RawTask) {
        self.tracked.touch();
        lock(&self.mock.0.hastened).push(TaskRef::new(task));
    }

    fn task_panicked(&self) {
        self.mock.0.panics.fetch_add(1, Ordering::Relaxed);
    }
}

/// A waker that counts.
#[derive(Default)]
pub(crate) struct WakeCount(AtomicUsize);

impl WakeCount {
    pub(crate) fn new() -> (Arc<Self>, Waker) {
        let count = Arc::new(Self::default());
        (count.clone(), count.into())
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for WakeCount {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

//! The lines of a pool: whom it calls when it starves.

use super::Bell;
use crate::metrics::Counter;
use crate::pool::QueueId;
use crate::sync_types::atomic::{AtomicU32, AtomicUsize, Ordering, fence};
use crate::sync_types::{Mutex, lock, try_lock};
use std::sync::Arc;

/// One pool_workqueue of a queue that has a rescuer.
pub(crate) struct Line {
    pub(super) queue: QueueId,
    /// The first core of the pool.
    pub(super) core: usize,
    /// 1 from the call until the rescuer has heard it.
    called: AtomicU32,
    pub(super) bell: Arc<Bell>,
    maydays: Arc<Counter>,
    pub(super) rescued: Arc<Counter>,
}

impl Line {
    pub(crate) fn new(
        queue: QueueId,
        core: usize,
        bell: Arc<Bell>,
        maydays: Arc<Counter>,
        rescued: Arc<Counter>,
    ) -> Arc<Self> {
        Arc::new(Self { queue, core, called: AtomicU32::new(0), bell, maydays, rescued })
    }

    pub(crate) fn call(&self) {
        self.maydays.increment();
        self.called.store(1, Ordering::SeqCst);
        self.bell.ring();
    }

    /// For the rescuer: was it called since the last look?
    pub(crate) fn take_call(&self) -> bool {
        self.called.swap(0, Ordering::SeqCst) != 0
    }
}

/// How many rescuers are with a pool.
#[derive(Default)]
pub(crate) struct Guests(AtomicUsize);

impl Guests {
    /// The caller looks at the worklist after this.
    pub(crate) fn come(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    pub(crate) fn go(&self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }

    /// The caller has pushed, and fenced.
    #[inline]
    pub(crate) fn are_here(&self) -> bool {
        self.0.load(Ordering::SeqCst) != 0
    }
}

#[derive(Default)]
pub(crate) struct Lines {
    list: Mutex<Vec<Arc<Line>>>,
    pub(super) guests: Guests,
}

impl Lines {
    pub(super) fn add(&self, line: Arc<Line>) {
        lock(&self.list).push(line);
    }

    pub(super) fn remove(&self, line: &Arc<Line>) {
        lock(&self.list).retain(|other| !Arc::ptr_eq(other, line));
    }

    /// Calls the rescuers of queues that have work here. For the monitor: `false` if somebody has
    /// the lock, and nobody was called.
    pub(crate) fn call(&self, has_work: impl Fn(QueueId) -> bool) -> bool {
        let Some(list) = try_lock(&self.list) else { return false };
        list.iter().filter(|line| has_work(line.queue)).for_each(|line| line.call());
        true
    }

    /// After a push, and a fence: rescuers that are here look at the worklist.
    #[inline]
    pub(crate) fn tell(&self) {
        if self.guests.are_here() {
            self.ring_all();
        }
    }

    #[cold]
    fn ring_all(&self) {
        lock(&self.list).iter().for_each(|line| line.bell.ring());
    }
}

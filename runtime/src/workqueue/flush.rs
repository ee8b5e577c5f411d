//! Waiting for what was queued before.

use super::boost::FlushBonds;
use super::colour::{Colour, Colours};
use super::current;
use super::pwq::PoolWorkqueue;
use super::queue::{Common, Queue};
use crate::sync_types::atomic::{AtomicUsize, Ordering};
use crate::sync_types::{Mutex, lock};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// One flush: how many pool_workqueues it still waits for.
pub(super) struct Gathering {
    /// One more while the flush begins.
    left: AtomicUsize,
    waker: Mutex<Option<Waker>>,
}

impl Gathering {
    pub(super) fn new() -> Self {
        Self { left: AtomicUsize::new(1), waker: Mutex::new(None) }
    }

    /// One more pool_workqueue has to report.
    pub(super) fn expect(&self) {
        self.left.fetch_add(1, Ordering::Relaxed);
    }

    /// A pool_workqueue reports. Wakes: not under a lock.
    pub(super) fn report(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        // A statement of its own: the lock is not held while the waker runs.
        let waker = lock(&self.waker).take();
        if let Some(waker) = waker {
            crate::contain::contain(|| waker.wake());
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.left.load(Ordering::Acquire) == 0
    }

    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        if self.is_over() {
            return Poll::Ready(());
        }
        let previous = lock(&self.waker).replace(cx.waker().clone());
        drop(previous);
        if self.is_over() { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// The flushes that wait for a pool_workqueue, by colour, oldest first. Guarded by its lock.
#[derive(Default)]
pub(super) struct Flushes(VecDeque<(Colour, Arc<Gathering>)>);

impl Flushes {
    /// A flush begins. Returns whether it has to wait.
    pub(super) fn begin(&mut self, colours: &mut Colours, gathering: &Arc<Gathering>) -> bool {
        let Some(colour) = colours.close() else { return false };
        gathering.expect();
        self.0.push_back((colour, gathering.clone()));
        true
    }

    /// Takes those out that are over here. They are to be reported to without the lock.
    pub(super) fn take_over(&mut self, colours: &Colours) -> Vec<Arc<Gathering>> {
        let mut over = Vec::new();
        while self.0.front().is_some_and(|(colour, _)| colours.is_gone(*colour)) {
            over.extend(self.0.pop_front().map(|(_, gathering)| gathering));
        }
        over
    }

    /// A flush is not waited for any more.
    pub(super) fn forget(&mut self, gathering: &Arc<Gathering>) {
        self.0.retain(|(_, other)| !Arc::ptr_eq(other, gathering));
    }
}

impl Queue {
    pub(crate) fn flush(&self) -> Flush {
        if let Some(waiting) = reclaiming() {
            self.common.warn_of_dependency(&waiting);
        }
        let gathering = Arc::new(Gathering::new());
        let mut pwqs = self.pwqs();
        pwqs.retain(|pwq| pwq.begin_flush(&gathering));
        gathering.report();
        Flush { gathering, pwqs, bonds: FlushBonds::default() }
    }
}

/// The reclaim queue whose item this thread runs, if it does.
pub(super) fn reclaiming() -> Option<Arc<Common>> {
    current::with(|current| {
        let (pwq, _) = current?;
        pwq.common.flags.reclaim.then(|| pwq.common.clone())
    })
}

impl Common {
    /// An item of the reclaim queue `waiting` flushes this queue or an item of it. It is to go on when
    /// no thread can be made, and does not if this queue has no rescuer. Tells: not under a lock.
    pub(super) fn warn_of_dependency(&self, waiting: &Common) {
        if self.flags.reclaim || self.has_warned.swap(true, Ordering::Relaxed) {
            return;
        }
        tracing::warn!(
            target: "cmwq",
            waiting = &*waiting.name,
            queue = &*self.name,
            "an item of a reclaim workqueue flushes one that has no rescuer: if no thread can be \
             made, both wait; build the flushed queue with reclaim() too"
        );
    }
}

/// Waits until everything is done that was queued before it was made; see
/// [`Workqueue::flush`](super::Workqueue::flush).
#[must_use = "a flush waits only where it is awaited"]
pub struct Flush {
    gathering: Arc<Gathering>,
    /// Those that were not done when it began.
    pwqs: Vec<Arc<PoolWorkqueue>>,
    /// That the task which polls this waits.
    bonds: FlushBonds,
}

impl Future for Flush {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let poll = self.gathering.poll(cx);
        if poll.is_pending() {
            let Self { pwqs, bonds, .. } = &mut *self;
            bonds.renew(pwqs);
        } else {
            self.bonds = FlushBonds::default();
        }
        poll
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        if !self.gathering.is_over() {
            self.pwqs.iter().for_each(|pwq| pwq.forget_flush(&self.gathering));
        }
    }
}

impl fmt::Debug for Flush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flush").field("is_over", &self.gathering.is_over()).finish_non_exhaustive()
    }
}

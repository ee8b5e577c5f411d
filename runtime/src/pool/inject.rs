//! The inject list of a core: tasks woken from outside, or given away by a worker that lost the
//! core.
//!
//! Two parts. *Incoming* is a Treiber stack: pushing a task, or a [`Chain`] of them, is one
//! compare-exchange from any thread, so a waker never waits for a lock. *Backlog* is the same tasks in order of arrival, behind a lock
//! that only those who take tasks want: the holder and thieves. A consumer that finds the backlog
//! empty takes the whole stack with one exchange (hence no ABA) and reverses it into the backlog.
//!
//! Both are linked through `Header::queue_next`, which belongs to the owner of the queue's
//! reference: the pusher before its compare-exchange, the lock's holder after the exchange.
//!
//! `backlog_len` is written under the lock and read without, so that an empty list costs two loads.
//! Emptiness is exact enough to park on: a task is in `incoming` from the moment its push returns
//! until a consumer with the lock moves it, and that consumer marks `backlog_len` before it empties
//! `incoming`: whoever sees the stack empty because of that exchange sees the mark, or what came
//! after it.
//!
//! # Rejected
//!
//! - *A locked list* (tokio): a waker on a foreign thread may be descheduled with the lock.
//! - *A linked MPSC queue*: one consumer only; here thieves take too.

use crate::sync_types::atomic::{AtomicPtr, AtomicUsize, Ordering};
use crate::sync_types::{Mutex, MutexGuard, lock, try_lock};
use crate::task::{Header, Notified};
use std::ptr::{self, NonNull};

pub(crate) struct Inject {
    incoming: AtomicPtr<Header>,
    /// Tasks in the backlog; [`REFILLING`] is added while a stack is on its way there.
    backlog_len: AtomicUsize,
    backlog: Mutex<Backlog>,
}

/// Keeps the list from looking empty between the exchange and the count.
const REFILLING: usize = 1 << (usize::BITS - 1);

struct Backlog {
    head: *mut Header,
    len: usize,
}

// SAFETY: the pointers own queue references, which may move between threads.
unsafe impl Send for Backlog {}

/// Tasks in order that are pushed together, linked as the stack links them: each to the one before.
pub(crate) struct Chain {
    oldest: NonNull<Header>,
    newest: NonNull<Header>,
}

impl Chain {
    pub(crate) fn of(task: Notified) -> Self {
        let task = task.into_raw();
        // SAFETY: the chain owns the task's queue reference, and with it queue_next.
        unsafe { task.as_ref() }.queue_next.store(ptr::null_mut(), Ordering::Relaxed);
        Self { oldest: task, newest: task }
    }

    pub(crate) fn append(&mut self, task: Notified) {
        let task = task.into_raw();
        // SAFETY: as above.
        unsafe { task.as_ref() }.queue_next.store(self.newest.as_ptr(), Ordering::Relaxed);
        self.newest = task;
    }

    fn into_ends(self) -> (NonNull<Header>, NonNull<Header>) {
        let ends = (self.oldest, self.newest);
        std::mem::forget(self);
        ends
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        let mut from = self.newest.as_ptr();
        while let Some(task) = NonNull::new(from) {
            // SAFETY: as above; the reference is taken once.
            unsafe {
                from = task.as_ref().queue_next.load(Ordering::Relaxed);
                drop(Notified::from_raw(task));
            }
        }
    }
}

impl Inject {
    pub(crate) fn new() -> Self {
        Self {
            incoming: AtomicPtr::new(ptr::null_mut()),
            backlog_len: AtomicUsize::new(0),
            backlog: Mutex::new(Backlog { head: ptr::null_mut(), len: 0 }),
        }
    }

    /// Appends a task. Any thread may; never waits.
    pub(crate) fn push(&self, task: Notified) {
        self.push_chain(Chain::of(task));
    }

    /// Appends several tasks. Any thread may; never waits.
    pub(crate) fn push_chain(&self, chain: Chain) {
        let (oldest, newest) = chain.into_ends();
        let mut top = self.incoming.load(Ordering::Relaxed);
        loop {
            // SAFETY: the references are ours until the compare-exchange publishes them.
            unsafe { oldest.as_ref() }.queue_next.store(top, Ordering::Relaxed);
            match self.incoming.compare_exchange_weak(
                top,
                newest.as_ptr(),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(actual) => top = actual,
            }
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.incoming.load(Ordering::Acquire).is_null()
            && self.backlog_len.load(Ordering::Acquire) == 0
    }

    /// Takes up to `max` tasks, oldest first, and hands them to `take`, which runs under the lock
    /// and must only store them. Returns how many.
    pub(crate) fn pop_many(&self, max: usize, take: impl FnMut(Notified)) -> usize {
        if self.is_empty() { 0 } else { self.drain(lock(&self.backlog), max, take) }
    }

    /// Like [`pop_many`](Self::pop_many) for thieves: takes at most half, and gives up if
    /// somebody else takes tasks at this moment.
    pub(crate) fn steal_many(&self, max: usize, take: impl FnMut(Notified)) -> usize {
        if self.is_empty() {
            return 0;
        }
        let Some(mut backlog) = try_lock(&self.backlog) else { return 0 };
        self.refill(&mut backlog);
        let half = backlog.len.div_ceil(2);
        self.drain(backlog, max.min(half), take)
    }

    fn drain(
        &self,
        mut backlog: MutexGuard<'_, Backlog>,
        max: usize,
        mut take: impl FnMut(Notified),
    ) -> usize {
        let mut taken = 0;
        while taken < max {
            if backlog.head.is_null() {
                self.refill(&mut backlog);
            }
            let Some(task) = NonNull::new(backlog.head) else { break };
            // SAFETY: the backlog owns the task's queue reference, and with it queue_next.
            unsafe {
                backlog.head = task.as_ref().queue_next.load(Ordering::Relaxed);
                backlog.len -= 1;
                take(Notified::from_raw(task));
            }
            taken += 1;
        }
        self.backlog_len.store(backlog.len, Ordering::Release);
        taken
    }

    /// Moves the stack into the empty backlog, in order of arrival.
    fn refill(&self, backlog: &mut Backlog) {
        if !backlog.head.is_null() || self.incoming.load(Ordering::Relaxed).is_null() {
            return;
        }
        self.backlog_len.fetch_or(REFILLING, Ordering::AcqRel);
        let mut from = self.incoming.swap(ptr::null_mut(), Ordering::AcqRel);
        while let Some(task) = NonNull::new(from) {
            // SAFETY: the exchange made the whole stack ours.
            let next = &unsafe { task.as_ref() }.queue_next;
            from = next.load(Ordering::Relaxed);
            next.store(backlog.head, Ordering::Relaxed);
            backlog.head = task.as_ptr();
            backlog.len += 1;
        }
        self.backlog_len.store(backlog.len, Ordering::Release);
    }
}

impl Drop for Inject {
    fn drop(&mut self) {
        self.pop_many(usize::MAX, drop);
    }
}

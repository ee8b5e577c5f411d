//! Which tasks of a set may have completed.
//!
//! [`Ready`] is shared between a set and the wakers of its tasks: a queue of keys, and the waker
//! of whoever waits in `join_next`. [`Signal`] is the waker of one task. It puts its key into the
//! queue, once until the set takes it out again.
//!
//! The waiting waker is there only while the queue is empty: the first key that comes takes and
//! wakes it. A key may outlive its task, and by then be another task's; the set treats every key
//! as a hint and polls, so that costs a poll and nothing else.
//!
//! Rejected: a lock-free queue. The lock is held for a few instructions and without foreign code;
//! the set keeps the queue large enough for all of its tasks, so that no waker allocates.

use crate::sync_types::{Mutex, MutexGuard, lock};
use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

/// The tasks that were woken, and who wants to know.
#[derive(Default)]
pub(super) struct Ready {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    queue: VecDeque<usize>,
    waiting: Option<Waker>,
}

impl Ready {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics halfway.
        lock(&self.inner)
    }

    /// Makes room for `tasks` keys, so that the wakers need not.
    pub(super) fn reserve(&self, tasks: usize) {
        let mut inner = self.lock();
        let missing = tasks.saturating_sub(inner.queue.len());
        inner.queue.reserve(missing);
    }

    /// Says that the task of `key` may have completed.
    pub(super) fn push(&self, key: usize) {
        let waiting = {
            let mut inner = self.lock();
            inner.queue.push_back(key);
            inner.waiting.take()
        };
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    /// The task that was woken first, of those not looked at yet.
    pub(super) fn pop(&self) -> Option<usize> {
        self.lock().queue.pop_front()
    }

    /// Has `waker` woken by the next key; `false` where a key is there already.
    pub(super) fn wait(&self, waker: &Waker) -> bool {
        {
            let inner = self.lock();
            if !inner.queue.is_empty() {
                return false;
            }
            if inner.waiting.as_ref().is_some_and(|waiting| waiting.will_wake(waker)) {
                return true;
            }
        }
        // Wakers are foreign code: cloned, and dropped at the end, outside of the lock.
        let mut waker = Some(waker.clone());
        let mut inner = self.lock();
        let empty = inner.queue.is_empty();
        if empty {
            mem::swap(&mut inner.waiting, &mut waker);
        }
        drop(inner);
        empty
    }
}

/// The waker of one task of the set.
pub(super) struct Signal {
    key: usize,
    /// Whether the key is in the queue on behalf of this signal.
    raised: AtomicBool,
    ready: Arc<Ready>,
}

impl Signal {
    pub(super) fn new(key: usize, ready: Arc<Ready>) -> Arc<Signal> {
        Arc::new(Signal { key, raised: AtomicBool::new(false), ready })
    }

    /// To be called after the key was taken out of the queue and before the task is polled, so
    /// that the poll sees what the waker announced and a later wake queues the key again.
    pub(super) fn lower(&self) {
        // A swap, not a store: it reads the waker's swap, and so synchronizes with it.
        self.raised.swap(false, Ordering::AcqRel);
    }

    /// Was the task woken after [`lower`](Self::lower)?
    pub(super) fn is_raised(&self) -> bool {
        self.raised.load(Ordering::Acquire)
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.raised.swap(true, Ordering::AcqRel) {
            self.ready.push(self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_signal_queues_its_key_once_until_lowered() {
        let ready = Arc::new(Ready::default());
        let signal = Signal::new(7, ready.clone());
        let waker = Waker::from(signal.clone());
        waker.wake_by_ref();
        waker.wake_by_ref();
        assert_eq!(ready.pop(), Some(7));
        assert_eq!(ready.pop(), None);
        assert!(signal.is_raised());
        signal.lower();
        assert!(!signal.is_raised());
        waker.wake();
        assert_eq!(ready.pop(), Some(7));
    }

    #[test]
    fn keys_come_out_in_the_order_of_their_wakes() {
        let ready = Ready::default();
        for key in [3, 1, 2] {
            ready.push(key);
        }
        assert_eq!([ready.pop(), ready.pop(), ready.pop()], [Some(3), Some(1), Some(2)]);
    }

    #[test]
    fn the_first_key_wakes_the_waiter_and_only_that() {
        let ready = Ready::default();
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        assert!(ready.wait(&waker));
        assert!(ready.wait(&waker));
        ready.push(1);
        ready.push(2);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(!ready.wait(&waker));
    }

    #[test]
    fn a_new_waiter_replaces_the_former_one() {
        let ready = Ready::default();
        let counts = [Arc::new(Count::default()), Arc::new(Count::default())];
        assert!(ready.wait(&Waker::from(counts[0].clone())));
        assert_eq!(Arc::strong_count(&counts[0]), 2);
        assert!(ready.wait(&Waker::from(counts[1].clone())));
        assert_eq!(Arc::strong_count(&counts[0]), 1);
        ready.push(1);
        assert_eq!(counts[0].0.load(Ordering::Relaxed), 0);
        assert_eq!(counts[1].0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn wakes_do_not_allocate_once_reserved() {
        let ready = Ready::default();
        ready.reserve(100);
        let capacity = ready.lock().queue.capacity();
        for key in 0..100 {
            ready.push(key);
        }
        assert_eq!(ready.lock().queue.capacity(), capacity);
    }
}

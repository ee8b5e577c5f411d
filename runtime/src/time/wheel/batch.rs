//! Wakers on their way from the wheel's lock to whoever calls them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

/// How many entries fire under one hold of the lock.
const CAPACITY: usize = 32;

/// A fixed queue of wakers on the stack: nothing may be allocated under the lock.
pub(in crate::time) struct Batch {
    wakers: [Option<Waker>; CAPACITY],
    taken: usize,
    len: usize,
}

impl Batch {
    pub(in crate::time) fn new() -> Batch {
        Batch { wakers: [const { None }; CAPACITY], taken: 0, len: 0 }
    }

    pub(in crate::time) fn is_full(&self) -> bool {
        self.len == CAPACITY
    }

    pub(in crate::time) fn len(&self) -> usize {
        self.len
    }

    /// The batch must not be full.
    pub(in crate::time) fn push(&mut self, waker: Waker) {
        debug_assert!(!self.is_full());
        self.wakers[self.len] = Some(waker);
        self.len += 1;
    }

    /// Hands all to `sink`, in order. Call it without the lock.
    pub(in crate::time) fn hand_to(mut self, sink: &mut dyn FnMut(Waker)) {
        while let Some(waker) = self.next() {
            sink(waker);
        }
    }

    fn next(&mut self) -> Option<Waker> {
        let waker = self.wakers[..self.len].get_mut(self.taken)?.take();
        self.taken += 1;
        waker
    }
}

/// A sink that panics costs its own waker and no other: those behind it belong to tasks that would
/// otherwise sleep for ever.
impl Drop for Batch {
    fn drop(&mut self) {
        while let Some(waker) = self.next() {
            // A second panic while the first unwinds would abort the process.
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }
}

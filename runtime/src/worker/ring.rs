//! The local queue of a worker: a ring with one producer and many consumers.
//!
//! # States
//!
//! `head <= tail <= head + CAPACITY`, both only ever grow, 64 bits wide so that they never wrap.
//! Slots `head..tail` hold tasks. The owner alone writes `tail` and the slots; everybody, the
//! owner included, takes tasks by a compare-exchange of `head`.
//!
//! # Why it is sound
//!
//! A consumer reads the slots `head..head + n` *before* it claims them. The values are its own
//! only if the compare-exchange succeeds; otherwise they are thrown away unused (they are raw
//! pointers until then). If it succeeds, nobody else took them, since `head` never returns to an
//! old value; and the producer did not overwrite them, since it writes slot `i` only when
//! `i - head < CAPACITY` held for a value of `head` it had read. The consumer's loads of the slots
//! come before its Release store of `head`, which the producer reads with Acquire before it
//! writes the slot again. The producer's writes of slots come before its Release store of `tail`,
//! which consumers read with Acquire.
//!
//! A thief has no intermediate state ("stealing now"): a ring that looks empty *is* empty. A
//! takeover relies on that: the worker that takes a core over empties the blocked worker's ring
//! and must not mistake a thief's half-done work for emptiness.
//!
//! # Rejected
//!
//! - *A claimed range in the head word* (two 32-bit halves, as tokio): allows tasks to be copied
//!   after the claim, at the price of exactly that intermediate state.
//! - *Chase-Lev with a LIFO end for the owner*: the owner's pop needs a SeqCst fence, and FIFO is
//!   the order that is fair here; the LIFO part is the next slot.

use crate::sync_types::atomic::{AtomicPtr, AtomicU64, Ordering};
use crate::task::{Header, Notified};
use crossbeam_utils::CachePadded;
use std::ptr::{self, NonNull};

/// Tasks that a ring holds; small in the model so that it gets full.
#[cfg(not(cmwq_loom))]
pub(crate) const CAPACITY: usize = 256;
#[cfg(cmwq_loom)]
pub(crate) const CAPACITY: usize = 4;

pub(crate) struct Ring {
    head: CachePadded<AtomicU64>,
    tail: CachePadded<AtomicU64>,
    slots: [AtomicPtr<Header>; CAPACITY],
}

impl Ring {
    pub(crate) fn new() -> Self {
        Self {
            head: CachePadded::new(AtomicU64::new(0)),
            tail: CachePadded::new(AtomicU64::new(0)),
            slots: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
        }
    }

    fn slot(&self, index: u64) -> &AtomicPtr<Header> {
        &self.slots[index as usize % CAPACITY]
    }

    /// Appends a task, or gives it back if the ring is full.
    ///
    /// # Safety
    ///
    /// Only the thread that owns the ring calls this.
    #[inline]
    pub(crate) unsafe fn push(&self, task: Notified) -> Result<(), Notified> {
        let tail = self.tail.load(Ordering::Relaxed);
        if tail - self.head.load(Ordering::Acquire) >= CAPACITY as u64 {
            return Err(task);
        }
        self.slot(tail).store(task.into_raw().as_ptr(), Ordering::Relaxed);
        self.tail.store(tail + 1, Ordering::Release);
        Ok(())
    }

    /// Takes the oldest task. Any thread may.
    #[inline]
    pub(crate) fn pop(&self) -> Option<Notified> {
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            if head >= self.tail.load(Ordering::Acquire) {
                return None;
            }
            let task = self.slot(head).load(Ordering::Relaxed);
            match self.head.compare_exchange_weak(
                head,
                head + 1,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                // SAFETY: claimed; see the essay.
                Ok(_) => return Some(unsafe { claimed(task) }),
                Err(actual) => head = actual,
            }
        }
    }

    /// Takes the older half of a full ring, oldest first, with one exchange; less if others take too.
    pub(crate) fn take_half(&self, mut take: impl FnMut(Notified)) {
        let mut tasks = [ptr::null_mut(); CAPACITY / 2];
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            let available = self.tail.load(Ordering::Acquire).saturating_sub(head) as usize;
            let count = available.min(tasks.len());
            for (i, task) in (head..).zip(&mut tasks[..count]) {
                *task = self.slot(i).load(Ordering::Relaxed);
            }
            match self.head.compare_exchange(
                head,
                head + count as u64,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => {
                    for &task in &tasks[..count] {
                        // SAFETY: claimed; see the essay.
                        take(unsafe { claimed(task) });
                    }
                    return;
                }
                Err(actual) => head = actual,
            }
        }
    }

    /// Moves up to half of the tasks (all but the remainder of `divisor` = 1: all that fit) into
    /// `own`, oldest first. Returns how many.
    ///
    /// # Safety
    ///
    /// The calling thread owns `own`, and `own` is another ring.
    pub(crate) unsafe fn steal_into(&self, own: &Ring, divisor: u64) -> usize {
        let own_tail = own.tail.load(Ordering::Relaxed);
        let free = CAPACITY as u64 - (own_tail - own.head.load(Ordering::Acquire));
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            let tail = self.tail.load(Ordering::Acquire);
            // A stale head may be more than a ring behind: the claim below fails then.
            let available = tail.saturating_sub(head).min(CAPACITY as u64);
            let count = available.div_ceil(divisor).min(free);
            if count == 0 {
                return 0;
            }
            // Behind own.tail nobody looks, so unclaimed pointers may lie there.
            for i in 0..count {
                let task = self.slot(head + i).load(Ordering::Relaxed);
                own.slot(own_tail + i).store(task, Ordering::Relaxed);
            }
            match self.head.compare_exchange(
                head,
                head + count,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => {
                    own.tail.store(own_tail + count, Ordering::Release);
                    return count as usize;
                }
                Err(actual) => head = actual,
            }
        }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        let head = self.head.load(Ordering::Acquire);
        self.tail.load(Ordering::Acquire).saturating_sub(head) as usize
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        while let Some(task) = self.pop() {
            drop(task);
        }
    }
}

/// # Safety
///
/// `task` was read from a slot that the caller has claimed.
unsafe fn claimed(task: *mut Header) -> Notified {
    // SAFETY: slots below tail hold what push() stored, and a claim is made once.
    unsafe { Notified::from_raw(NonNull::new_unchecked(task)) }
}

//! `std`'s types, which count what is contended: under `--cfg cmwq_contention`, for benchmarks.
//!
//! Where more threads than cores share something, time says little: whoever holds a lock is mostly not
//! running. How often a lock was held by somebody else, and how often an exchange had to be tried
//! again, says what they share. The counts cost something only when they change.

pub(crate) mod atomic;
mod mutex;

pub(crate) use super::cell::{UnsafeCell, this_thread};
pub(crate) use crate::sys::futex;
pub(crate) use mutex::Mutex;
pub(crate) use std::sync::MutexGuard;

use std::sync::atomic::{AtomicU64, Ordering};

static CONTENDED_LOCKS: AtomicU64 = AtomicU64::new(0);
static FAILED_EXCHANGES: AtomicU64 = AtomicU64::new(0);

/// Of all runtimes of the process, from its beginning: locks that another thread held when they were
/// wanted, and compare-exchanges that failed.
pub(crate) fn counts() -> (u64, u64) {
    (CONTENDED_LOCKS.load(Ordering::Relaxed), FAILED_EXCHANGES.load(Ordering::Relaxed))
}

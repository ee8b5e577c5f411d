//! The synchronisation types that the lock-free parts are written with.
//!
//! Normally they are `std`'s. Under `--cfg cmwq_loom` they are loom's, so that the very code that
//! ships is model-checked. (Not `--cfg loom`: tokio, a dependency, reacts to that one.) Under `--cfg
//! cmwq_contention` they count what is contended, for benchmarks.
//! `UnsafeCell` has loom's closure interface in both worlds. What no model shares between threads
//! (reference counts of the runtime, statistics) uses `std`'s types directly.

#[cfg(not(cmwq_loom))]
mod cell;
#[cfg(cmwq_contention)]
mod counted;
#[cfg(cmwq_loom)]
mod modelled;
#[cfg(not(any(cmwq_loom, cmwq_contention)))]
mod native;

#[cfg(cmwq_contention)]
pub(crate) use counted::*;
#[cfg(cmwq_loom)]
pub(crate) use modelled::*;
#[cfg(not(any(cmwq_loom, cmwq_contention)))]
pub(crate) use native::*;

use crate::unpoison::Unpoison;

/// Locks although another thread panicked while it held the lock; see [`crate::unpoison`].
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unpoison()
}

/// Like [`lock`], but `None` if another thread has it.
pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(std::sync::TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(std::sync::TryLockError::WouldBlock) => None,
    }
}

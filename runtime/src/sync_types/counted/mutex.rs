//! A mutex that counts who finds it locked.

use super::CONTENDED_LOCKS;
use std::sync::atomic::Ordering;
use std::sync::{LockResult, MutexGuard, TryLockError, TryLockResult};

#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        match self.0.try_lock() {
            Ok(guard) => Ok(guard),
            Err(TryLockError::Poisoned(poisoned)) => Err(poisoned),
            Err(TryLockError::WouldBlock) => {
                CONTENDED_LOCKS.fetch_add(1, Ordering::Relaxed);
                self.0.lock()
            }
        }
    }

    /// Who only tries does not wait: not counted.
    pub(crate) fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        self.0.try_lock()
    }
}

//! Things that one request uses at a time: SQLite readers, connections to the neighbour.

use std::{
    ops::{Deref, DerefMut},
    sync::{Mutex, PoisonError},
};

/// As many as were ever in use at once; a taken one comes back when it is dropped.
pub struct Pool<T> {
    free: Mutex<Vec<T>>,
}

impl<T> Pool<T> {
    pub const fn new() -> Pool<T> {
        Pool { free: Mutex::new(Vec::new()) }
    }

    /// A free one, or what `make` returns.
    pub fn take<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<Pooled<'_, T>, E> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let item = match free {
            Some(item) => item,
            None => make()?,
        };
        Ok(Pooled { pool: self, item: Some(item) })
    }
}

pub struct Pooled<'a, T> {
    pool: &'a Pool<T>,
    /// None once it was thrown away.
    item: Option<T>,
}

impl<T> Pooled<'_, T> {
    /// For one that failed: it does not go back.
    pub fn discard(mut self) {
        self.item = None;
    }
}

impl<T> Deref for Pooled<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.item.as_ref().expect("only discard empties it, and takes self")
    }
}

impl<T> DerefMut for Pooled<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.item.as_mut().expect("only discard empties it, and takes self")
    }
}

impl<T> Drop for Pooled<'_, T> {
    fn drop(&mut self) {
        if let Some(item) = self.item.take() {
            self.pool.free.lock().unwrap_or_else(PoisonError::into_inner).push(item);
        }
    }
}

//! Full magazines, for all threads.

use super::class::{CLASSES, Class};
use super::magazine::{FULL, Magazine, Pile};
use crossbeam_utils::CachePadded;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};

pub(super) struct Depot {
    piles: [CachePadded<Mutex<Pile>>; CLASSES],
    /// Bytes in the piles; changed under the lock of one of them.
    kept: AtomicUsize,
    limit: usize,
    floor: usize,
}

const fn bytes(class: Class) -> usize {
    class.size() * FULL as usize
}

impl Depot {
    /// Keeps `limit` bytes, of all classes together; and `floor` magazines of each class in any case,
    /// since what is kept of other sizes never goes.
    pub(super) const fn new(limit: usize, floor: usize) -> Self {
        let piles = [const { CachePadded::new(Mutex::new(Pile::EMPTY)) }; CLASSES];
        Self { piles, kept: AtomicUsize::new(0), limit, floor }
    }

    /// A full magazine, or an empty one if there is none.
    pub(super) fn take(&self, class: Class) -> Magazine {
        let Some(mut pile) = self.pile(class) else { return Magazine::EMPTY };
        let Some(magazine) = pile.pop() else { return Magazine::EMPTY };
        self.kept.fetch_sub(bytes(class), Ordering::Relaxed);
        magazine
    }

    /// Takes a magazine in, which is full or empty. Without room its blocks go to the allocator.
    pub(super) fn put(&self, class: Class, magazine: Magazine) {
        if magazine.is_empty() {
            return;
        }
        // Others may add at the same time: some magazines more do no harm.
        let has_room = self.kept.load(Ordering::Relaxed) + bytes(class) <= self.limit;
        match self.pile(class).filter(|pile| has_room || pile.height() < self.floor) {
            Some(mut pile) => {
                pile.push(magazine);
                self.kept.fetch_add(bytes(class), Ordering::Relaxed);
            }
            None => magazine.scrap(class),
        }
    }

    /// `None` if another thread is at it, or, in a forked child, was when the process was forked.
    fn pile(&self, class: Class) -> Option<MutexGuard<'_, Pile>> {
        match self.piles[class.index()].try_lock() {
            Ok(pile) => Some(pile),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.kept.load(Ordering::Relaxed)
    }

    /// Runs `f` while the class is locked.
    #[cfg(test)]
    pub(super) fn while_locked(&self, class: Class, f: impl FnOnce()) {
        let _pile = self.pile(class).expect("nobody else is at it");
        f();
    }
}

//! A list of entries that live elsewhere.

use std::ptr::NonNull;

use crate::time::entry::{Entry, Links};

/// A circular doubly linked list of entries in the order in which they were added.
///
/// All of its methods are for the holder of the wheel's lock, which guards the links.
pub(super) struct List {
    first: Option<NonNull<Entry>>,
}

impl List {
    pub(super) const fn new() -> List {
        List { first: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn first(&self) -> Option<NonNull<Entry>> {
        self.first
    }

    /// # Safety
    /// Under the lock. Every entry of the list is alive.
    pub(super) unsafe fn last(&self) -> Option<NonNull<Entry>> {
        // SAFETY: the caller's promise.
        self.first.and_then(|first| unsafe { links(first, |links| links.prev) })
    }

    /// # Safety
    /// Under the lock. The entry is in no list and stays alive and in place until it is removed.
    pub(super) unsafe fn push_back(&mut self, entry: NonNull<Entry>) {
        // SAFETY: the caller's promise, for this entry now and for the others when they came.
        unsafe {
            let Some(first) = self.first else {
                links(entry, |links| (links.prev, links.next) = (Some(entry), Some(entry)));
                self.first = Some(entry);
                return;
            };
            let last = links(first, |links| links.prev.replace(entry));
            links(entry, |links| (links.prev, links.next) = (last, Some(first)));
            if let Some(last) = last {
                links(last, |links| links.next = Some(entry));
            }
        }
    }

    /// # Safety
    /// Under the lock. The entry is in this list.
    pub(super) unsafe fn remove(&mut self, entry: NonNull<Entry>) {
        // SAFETY: members of a list are alive; this one's neighbours are members.
        unsafe {
            let (prev, next) = links(entry, |links| (links.prev.take(), links.next.take()));
            if next == Some(entry) {
                self.first = None;
                return;
            }
            if let (Some(prev), Some(next)) = (prev, next) {
                links(prev, |links| links.next = Some(next));
                links(next, |links| links.prev = Some(prev));
            }
            if self.first == Some(entry) {
                self.first = next;
            }
        }
    }

    /// # Safety
    /// Under the lock.
    pub(super) unsafe fn pop_front(&mut self) -> Option<NonNull<Entry>> {
        let first = self.first?;
        // SAFETY: the caller's promise; `first` is a member.
        unsafe { self.remove(first) };
        Some(first)
    }
}

/// Gives the links of an entry to `f`.
///
/// # Safety
/// Under the lock, the entry is alive, and `f` does not ask for its links again.
pub(super) unsafe fn links<R>(entry: NonNull<Entry>, f: impl FnOnce(&mut Links) -> R) -> R {
    // SAFETY: the caller's promise: alive, and exclusive by the lock.
    unsafe { entry.as_ref().links.with_mut(|links| f(&mut *links)) }
}

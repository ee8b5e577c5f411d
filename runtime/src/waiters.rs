//! Those who wait for something that is guarded by a lock, each with what it waits for.
//!
//! The owner has it under its lock, where no waker may be woken or dropped: what comes out is for
//! later.

use std::task::Waker;

pub(crate) struct Waiters<U> {
    list: Vec<Waiter<U>>,
    next: u64,
}

struct Waiter<U> {
    id: u64,
    until: U,
    waker: Waker,
}

impl<U> Default for Waiters<U> {
    fn default() -> Self {
        Self { list: Vec::new(), next: 0 }
    }
}

impl<U> Waiters<U> {
    /// Gives the number to change or forget the waiter by.
    pub(crate) fn add(&mut self, until: U, waker: Waker) -> u64 {
        let id = self.next;
        self.next += 1;
        self.list.push(Waiter { id, until, waker });
        id
    }

    /// Exchanges the waker of a waiter, which may have been woken.
    pub(crate) fn renew(&mut self, id: u64, waker: &mut Waker) {
        if let Some(waiter) = self.list.iter_mut().find(|waiter| waiter.id == id) {
            std::mem::swap(&mut waiter.waker, waker);
        }
    }

    pub(crate) fn forget(&mut self, id: u64) -> Option<Waker> {
        let index = self.list.iter().position(|waiter| waiter.id == id)?;
        Some(self.list.swap_remove(index).waker)
    }

    /// Takes out those whose wait is over.
    pub(crate) fn take(
        &mut self,
        mut is_over: impl FnMut(&U) -> bool,
    ) -> impl Iterator<Item = Waker> {
        self.list.extract_if(.., move |waiter| is_over(&waiter.until)).map(|waiter| waiter.waker)
    }
}

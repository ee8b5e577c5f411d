//! Sources that are out of `epoll` and wait for the next turn to be freed.

use super::scheduled_io::ScheduledIo;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// A stack without a lock: any thread pushes, one takes everything.
///
/// There is no pop of a single element, hence no ABA problem. Pushing allocates nothing, since the
/// link lies in the source, and taking is one swap, so that `turn` waits for nobody.
#[derive(Debug, Default)]
pub(super) struct ReleaseStack {
    head: AtomicPtr<ScheduledIo>,
    len: AtomicUsize,
}

impl ReleaseStack {
    /// Adds a source, which must be on no stack yet. Returns how many there are now, about.
    pub(super) fn push(&self, io: Arc<ScheduledIo>) -> usize {
        let node = Arc::into_raw(io).cast_mut();
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // SAFETY: the stack owns the reference that `into_raw` gave, so the source is alive; only
            // a shared reference is made and the field is atomic.
            unsafe { (*node).next_released.store(head, Ordering::Relaxed) };
            // Release: who takes the stack sees the link.
            match self.head.compare_exchange_weak(head, node, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return self.len.fetch_add(1, Ordering::Relaxed) + 1,
                Err(present) => head = present,
            }
        }
    }

    /// Gives up all references that were pushed.
    pub(super) fn free_all(&self) {
        if self.head.load(Ordering::Relaxed).is_null() {
            return;
        }
        let mut node = self.head.swap(ptr::null_mut(), Ordering::Acquire);
        self.len.store(0, Ordering::Relaxed);
        while !node.is_null() {
            // SAFETY: `push` made `node` with `into_raw`, and the swap gave the whole chain to us
            // alone, so this takes the reference back once.
            let io = unsafe { Arc::from_raw(node) };
            node = io.next_released.load(Ordering::Relaxed);
        }
    }
}

impl Drop for ReleaseStack {
    fn drop(&mut self) {
        self.free_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Ready;

    #[test]
    fn frees_each_source_once() {
        let stack = ReleaseStack::default();
        let sources: Vec<_> =
            (0..100).map(|key| Arc::new(ScheduledIo::new(key, Ready::EMPTY))).collect();
        std::thread::scope(|scope| {
            for part in sources.chunks(25) {
                scope.spawn(|| part.iter().for_each(|io| _ = stack.push(io.clone())));
            }
            while stack.len.load(Ordering::Relaxed) < 20 {
                std::thread::yield_now();
            }
            stack.free_all();
        });
        stack.free_all();
        assert!(sources.iter().all(|io| Arc::strong_count(io) == 1));
    }
}

//! The workqueues of a runtime: so that it can freeze them, and drop their tasks when it ends.

use super::queue::Queue;
use super::system::System;
use crate::unpoison::Unpoison;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

#[derive(Default)]
pub(crate) struct Queues {
    state: Mutex<State>,
    /// Are the freezable ones frozen? Held while they are told, so that what they are told last is
    /// what is here.
    is_frozen: Mutex<bool>,
}

#[derive(Default)]
struct State {
    /// A queue is here as long as it has handles or items.
    all: Vec<Weak<Queue>>,
    /// Those that are made at first use; they refer to the runtime, and are dropped with its last
    /// thread.
    system: [Option<Arc<Queue>>; System::COUNT],
    is_closed: bool,
}

impl Queues {
    /// No queue is dropped under it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unpoison()
    }

    fn freezing(&self) -> MutexGuard<'_, bool> {
        self.is_frozen.lock().unpoison()
    }

    /// A queue was made. Tasks can come only later.
    pub(super) fn register(&self, queue: &Arc<Queue>) {
        let is_frozen = self.freezing();
        let mut state = self.lock();
        state.all.retain(|queue| queue.strong_count() > 0);
        state.all.push(Arc::downgrade(queue));
        let is_closed = state.is_closed;
        drop(state);
        if *is_frozen {
            queue.set_frozen_by_runtime(true);
        }
        drop(is_frozen);
        if is_closed {
            queue.close();
        }
    }

    /// Those that exist.
    pub(crate) fn all(&self) -> Vec<Arc<Queue>> {
        self.lock().all.iter().filter_map(Weak::upgrade).collect()
    }

    /// A system queue, if it was made.
    pub(super) fn system(&self, which: System) -> Option<Arc<Queue>> {
        self.lock().system[which as usize].clone()
    }

    /// Keeps a system queue that was made, unless another thread was faster: the one to be used.
    pub(super) fn keep(&self, which: System, queue: Arc<Queue>) -> Arc<Queue> {
        let mut state = self.lock();
        if state.is_closed {
            return queue;
        }
        match &mut state.system[which as usize] {
            // Ours, which is the argument, is dropped after the lock is released.
            Some(kept) => kept.clone(),
            place => place.insert(queue).clone(),
        }
    }

    pub(crate) fn set_frozen(&self, frozen: bool) {
        let mut is_frozen = self.freezing();
        *is_frozen = frozen;
        let all = self.all();
        all.iter().for_each(|queue| queue.set_frozen_by_runtime(frozen));
        // The queues after it: one of them may have no other handle any more.
        drop(is_frozen);
    }

    /// The runtime shuts down: aborts the futures of all queues, and takes no more.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.all().iter().for_each(|queue| queue.close());
    }

    /// Futures that are not complete.
    pub(crate) fn alive(&self) -> usize {
        self.all().iter().map(|queue| queue.common.owned.alive()).sum()
    }

    /// The runtime has no threads any more.
    pub(crate) fn clear(&self) {
        let system = std::mem::take(&mut self.lock().system);
        drop(system);
    }
}

impl Queue {
    /// Aborts its futures, for good.
    fn close(&self) {
        let owned = &self.common.owned;
        for shard in 0..owned.shards() {
            while let Some(task) = owned.close(shard) {
                task.abort();
            }
        }
        // All of them were told: none of those that begin now is polled.
        self.pwqs().iter().for_each(|pwq| pwq.close());
    }

    /// Aborts the futures that are in the queue now.
    pub(super) fn abort_all(&self) {
        let owned = &self.common.owned;
        for shard in 0..owned.shards() {
            owned.take_all(shard).into_iter().for_each(crate::task::Orphan::abort);
        }
    }
}

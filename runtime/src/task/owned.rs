//! The tasks that a runtime has to drop when it shuts down.
//!
//! Intrusive doubly linked lists behind locks, some shards per core and some for those who spawn from
//! outside, so that who spawns and who completes rarely meet. Under the lock: pointer writes, nothing
//! else. A task in the list carries one reference that belongs to the list.
//!
//! `alive` counts tasks from insertion to completion. It is not the length of the lists: shutting
//! down takes tasks out of them first and sees them complete later. It changes under the lock with
//! plain loads and stores; `alive()` reads it without. Who wants to know that no task is left while
//! others complete tasks fences between its own change and that look: one of them then sees all.

use super::raw::{Header, Notified, RawTask};
use crate::sync_types::atomic::{AtomicUsize, Ordering};
use crate::sync_types::{Mutex, lock};
use crossbeam_utils::CachePadded;
use std::ptr::NonNull;

pub(crate) struct OwnedTasks {
    shards: Box<[CachePadded<Shard>]>,
}

struct Shard {
    list: Mutex<List>,
    /// Written under the lock.
    alive: AtomicUsize,
    /// What was added by [`OwnedTasks::hold`]. Apart from `alive`: changed without the lock, which
    /// the plain stores there would undo.
    held: AtomicUsize,
}

struct List {
    head: Option<NonNull<Header>>,
    closed: bool,
}

// SAFETY: the pointers are references to tasks, which may be moved between threads.
unsafe impl Send for List {}

/// A task that was taken out of the list by [`OwnedTasks::close`], with the list's reference.
pub(crate) struct Orphan(RawTask);

impl Orphan {
    pub(crate) fn abort(self) {
        self.0.abort();
        self.0.ref_dec(1);
    }
}

impl OwnedTasks {
    pub(crate) fn new(shards: usize) -> Self {
        let shard = || {
            let list = Mutex::new(List { head: None, closed: false });
            let (alive, held) = (AtomicUsize::new(0), AtomicUsize::new(0));
            CachePadded::new(Shard { list, alive, held })
        };
        Self { shards: (0..shards).map(|_| shard()).collect() }
    }

    /// Takes a new task in. `false` if the runtime shuts down: the task is then not in the list.
    #[must_use]
    pub(crate) fn insert(&self, task: &Notified) -> bool {
        let header = task.header();
        let shard = &self.shards[usize::from(header.shard)];
        let mut list = lock(&shard.list);
        if list.closed {
            return false;
        }
        let this = task.raw().pointer();
        let next = list.head.replace(this);
        header.owned.with_mut(|links| {
            // SAFETY: links are guarded by the shard's lock.
            let links = unsafe { &mut *links };
            links.next = next;
            links.linked = true;
            links.counted = true;
        });
        if let Some(next) = next {
            // SAFETY: a task in the list is alive, and its links are guarded by the lock.
            unsafe { next.as_ref().owned.with_mut(|links| (*links).prev = Some(this)) };
        }
        shard.alive.store(shard.alive.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        true
    }

    /// A task has completed. Returns whether the list's reference is now the caller's.
    pub(crate) fn release(&self, task: RawTask) -> bool {
        let shard = &self.shards[usize::from(task.header().shard)];
        let mut list = lock(&shard.list);
        let was_linked = list.unlink(task.pointer());
        // SAFETY: guarded by the shard's lock.
        let counted = task.header().owned.with(|links| unsafe { (*links).counted });
        if counted {
            shard.alive.store(shard.alive.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
        }
        was_linked
    }

    /// Counts something that is no task of the list as alive: a work item that is queued.
    pub(crate) fn hold(&self, shard: usize) {
        // SeqCst: against the shutdown, which stores its phase and then looks at the count.
        self.shards[shard].held.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn unhold(&self, shard: usize) {
        self.shards[shard].held.fetch_sub(1, Ordering::SeqCst);
    }

    /// Refuses further tasks of `shard`, and takes one out; until there is none.
    pub(crate) fn close(&self, shard: usize) -> Option<Orphan> {
        let mut list = lock(&self.shards[shard].list);
        list.closed = true;
        let head = list.head?;
        list.unlink(head);
        Some(Orphan(RawTask::new(head)))
    }

    /// Takes out what is there now. The tasks stay counted until they complete.
    pub(crate) fn take_all(&self, shard: usize) -> Vec<Orphan> {
        let mut list = lock(&self.shards[shard].list);
        let mut all = Vec::new();
        while let Some(head) = list.head {
            list.unlink(head);
            all.push(Orphan(RawTask::new(head)));
        }
        all
    }

    pub(crate) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Tasks that have not completed, and what is held.
    pub(crate) fn alive(&self) -> usize {
        let of = |shard: &CachePadded<Shard>| {
            shard.alive.load(Ordering::Relaxed) + shard.held.load(Ordering::Relaxed)
        };
        self.shards.iter().map(of).sum()
    }
}

impl List {
    fn unlink(&mut self, task: NonNull<Header>) -> bool {
        // SAFETY: the caller holds a reference to `task`; neighbours are in the list, hence
        // alive; links are guarded by the lock that `&mut self` comes from.
        unsafe {
            let (linked, prev, next) = task.as_ref().owned.with_mut(|links| {
                let links = &mut *links;
                (std::mem::take(&mut links.linked), links.prev.take(), links.next.take())
            });
            if !linked {
                return false;
            }
            match prev {
                Some(prev) => prev.as_ref().owned.with_mut(|links| (*links).next = next),
                None => self.head = next,
            }
            if let Some(next) = next {
                next.as_ref().owned.with_mut(|links| (*links).prev = prev);
            }
        }
        true
    }
}

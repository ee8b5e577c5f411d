//! The work of the workqueues that waits for a pool: in order, removable, never stolen.
//!
//! The tasks of `cmwq::spawn` go through slots, rings and inject lists, which are lock-free and know
//! neither order nor removal. A workqueue promises both: work starts in the order in which it was
//! queued, can be cancelled, boosted or frozen while it waits, and the rescuer picks out what
//! belongs to its queue. So it waits here, in a list behind a lock, as in the kernel.
//!
//! Under the lock: links, and now and then the growth of the slab; no user code. `len` is written
//! under the lock and read without it, so that a pool whose workqueues are idle costs one load per
//! look. A push publishes `len` before it looks for somebody to wake; whoever is about to sleep says
//! so first and then looks at `len`: the same two sides as with the inject list.
//!
//! # Keys
//!
//! A push gives a key, with which the task can be taken out again. A key has a serial number beside
//! the place, which is used again: a stale key finds nothing. (The task alone would not tell: a work
//! item that runs may be back in the list, for its next execution.)
//!
//! # Rejected
//!
//! - *Lock-free with ghosts* (a cancelled entry stays and is skipped): a work item that is cancelled
//!   and queued again would have two entries, or the place of the first one.
//! - *Links in the task's header*: 16 bytes more in each task of `cmwq::spawn`, which never needs
//!   them.

use crate::sync_types::atomic::{AtomicUsize, Ordering};
use crate::sync_types::{Mutex, lock, try_lock};
use crate::task::Notified;
use slab::Slab;

/// Whose a waiting task is: a number that each pool_workqueue has for itself in the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueId(pub(crate) u64);

/// Where a task waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    place: usize,
    serial: u64,
}

/// Tasks in order. Not locked by itself: [`Worklist`] is.
#[derive(Default)]
struct TaskList {
    entries: Slab<Entry>,
    /// Of the last push.
    serial: u64,
    head: Option<usize>,
    tail: Option<usize>,
}

struct Entry {
    serial: u64,
    task: Notified,
    queue: QueueId,
    prev: Option<usize>,
    next: Option<usize>,
}

impl TaskList {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn push_back(&mut self, task: Notified, queue: QueueId) -> Key {
        let prev = self.tail;
        self.serial += 1;
        let serial = self.serial;
        let place = self.entries.insert(Entry { serial, task, queue, prev, next: None });
        match prev {
            Some(prev) => self.entries[prev].next = Some(place),
            None => self.head = Some(place),
        }
        self.tail = Some(place);
        Key { place, serial }
    }

    pub(crate) fn pop_front(&mut self) -> Option<(Notified, QueueId)> {
        self.head.map(|head| self.unlink(head))
    }

    /// Is there a task of this queue?
    fn holds(&self, queue: QueueId) -> bool {
        let mut next = self.head;
        while let Some(key) = next {
            if self.entries[key].queue == queue {
                return true;
            }
            next = self.entries[key].next;
        }
        false
    }

    /// Takes the first task of a queue out.
    pub(crate) fn pop_of(&mut self, queue: QueueId) -> Option<Notified> {
        let mut next = self.head;
        while let Some(key) = next {
            if self.entries[key].queue == queue {
                return Some(self.unlink(key).0);
            }
            next = self.entries[key].next;
        }
        None
    }

    /// Takes a task out, if it is still where `key` says.
    pub(crate) fn remove(&mut self, key: Key) -> Option<Notified> {
        let entry = self.entries.get(key.place)?;
        (entry.serial == key.serial).then(|| self.unlink(key.place).0)
    }

    fn unlink(&mut self, place: usize) -> (Notified, QueueId) {
        let Entry { task, queue, prev, next, .. } = self.entries.remove(place);
        match prev {
            Some(prev) => self.entries[prev].next = next,
            None => self.head = next,
        }
        match next {
            Some(next) => self.entries[next].prev = prev,
            None => self.tail = prev,
        }
        (task, queue)
    }
}

/// The list of a pool.
pub(crate) struct Worklist {
    len: AtomicUsize,
    list: Mutex<TaskList>,
}

impl Worklist {
    pub(crate) fn new() -> Self {
        Self { len: AtomicUsize::new(0), list: Mutex::new(TaskList::default()) }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len.load(Ordering::Acquire) == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// Appends a task. The caller then sees to it that somebody takes it.
    pub(super) fn push(&self, task: Notified, queue: QueueId) -> Key {
        self.change(|list| list.push_back(task, queue))
    }

    pub(crate) fn pop(&self) -> Option<Notified> {
        if self.is_empty() {
            return None;
        }
        self.change(TaskList::pop_front).map(|(task, _)| task)
    }

    /// Does a task of this queue wait? For the monitor: perhaps, if somebody has the lock.
    pub(crate) fn may_hold(&self, queue: QueueId) -> bool {
        try_lock(&self.list).is_none_or(|list| list.holds(queue))
    }

    /// The first task of a queue.
    pub(crate) fn pop_of(&self, queue: QueueId) -> Option<Notified> {
        if self.is_empty() {
            return None;
        }
        self.change(|list| list.pop_of(queue))
    }

    /// Takes all tasks of a queue out, in order.
    pub(crate) fn take_all_of(&self, queue: QueueId) -> Vec<Notified> {
        if self.is_empty() {
            return Vec::new();
        }
        self.change(|list| std::iter::from_fn(|| list.pop_of(queue)).collect())
    }

    /// Takes a task out, if it still waits where `key` says.
    pub(crate) fn remove(&self, key: Key) -> Option<Notified> {
        self.change(|list| list.remove(key))
    }

    fn change<R>(&self, change: impl FnOnce(&mut TaskList) -> R) -> R {
        let mut list = lock(&self.list);
        let result = change(&mut list);
        self.len.store(list.len(), Ordering::Release);
        result
    }
}

#[cfg(all(test, not(cmwq_loom)))]
mod tests {
    use super::*;
    use crate::task::mock::Mock;

    fn drained(list: &Worklist) -> Vec<crate::task::Id> {
        std::iter::from_fn(|| list.pop()).map(|task| task.id()).collect()
    }

    #[test]
    fn tasks_leave_in_the_order_in_which_they_came() {
        let (mock, list) = (Mock::new(), Worklist::new());
        let tasks: Vec<_> = (0..3).map(|_| mock.task(async {}).0).collect();
        let ids: Vec<_> = tasks.iter().map(|task| task.id()).collect();
        tasks.into_iter().for_each(|task| {
            list.push(task, QueueId(1));
        });
        assert_eq!(list.len(), 3);
        assert_eq!(drained(&list), ids);
        assert!(list.is_empty());
    }

    #[test]
    fn a_task_is_removed_from_the_middle_and_only_once() {
        let (mock, list) = (Mock::new(), Worklist::new());
        let tasks: Vec<_> = (0..3).map(|_| mock.task(async {}).0).collect();
        let ids: Vec<_> = tasks.iter().map(|task| task.id()).collect();
        let keys: Vec<_> = tasks.into_iter().map(|task| list.push(task, QueueId(1))).collect();
        assert_eq!(list.remove(keys[1]).map(|task| task.id()), Some(ids[1]));
        assert!(list.remove(keys[1]).is_none());
        assert_eq!(drained(&list), [ids[0], ids[2]]);
    }

    #[test]
    fn a_stale_key_takes_nothing_not_even_the_same_task() {
        let (mock, list) = (Mock::new(), Worklist::new());
        let (task, _handle) = mock.task(async {});
        let stale = list.push(task, QueueId(1));
        let task = list.pop().expect("one is there");
        let key = list.push(task, QueueId(1));
        assert_eq!(key.place, stale.place, "the place is used again");
        assert!(list.remove(stale).is_none());
        assert!(list.remove(key).is_some());
    }

    #[test]
    fn the_first_task_of_a_queue_is_picked_out() {
        let (mock, list) = (Mock::new(), Worklist::new());
        let tasks: Vec<_> = (0..4).map(|_| mock.task(async {}).0).collect();
        let ids: Vec<_> = tasks.iter().map(|task| task.id()).collect();
        for (task, queue) in tasks.into_iter().zip([1, 2, 1, 2]) {
            list.push(task, QueueId(queue));
        }
        assert_eq!(list.pop_of(QueueId(2)).map(|task| task.id()), Some(ids[1]));
        assert_eq!(list.pop_of(QueueId(2)).map(|task| task.id()), Some(ids[3]));
        assert!(list.pop_of(QueueId(2)).is_none());
        assert_eq!(drained(&list), [ids[0], ids[2]]);
    }
}

//! The cores of an unbound pool: a task that is pushed while a core goes to sleep is taken.
//!
//! The set and the park words are the real ones; the worklist is a count. The loops follow
//! `WorkerPool::push()` and `pop()`, and `Local::park_in_driver()`. A lost wake-up is a deadlock.

use super::super::park_word::{Bed, ParkWord};
use super::super::sleepers::Sleepers;
use crate::sync_types::atomic::{AtomicUsize, Ordering};
use crate::sync_types::{Mutex, bounded_model, lock};
use std::sync::Arc;
use std::time::Duration;

struct Pool {
    sleepers: Sleepers,
    words: Vec<ParkWord>,
    /// As in the worklist: written under the lock, read without.
    len: AtomicUsize,
    list: Mutex<usize>,
}

impl Pool {
    /// Of cores that are all awake.
    fn new(cores: usize) -> Arc<Self> {
        let sleepers = Sleepers::new(cores);
        (0..cores).for_each(|core| sleepers.rise(core));
        let words = (0..cores).map(|_| ParkWord::new()).collect();
        Arc::new(Self { sleepers, words, len: AtomicUsize::new(0), list: Mutex::new(0) })
    }

    fn wake_one(&self) {
        if let Some(core) = self.sleepers.take_one() {
            self.words[core].notify(|| unreachable!("nobody sleeps in a driver here"));
        }
    }

    fn change(&self, to: impl FnOnce(usize) -> usize) -> usize {
        let mut list = lock(&self.list);
        let before = *list;
        *list = to(before);
        self.len.store(*list, Ordering::Release);
        before
    }

    fn push(&self) {
        self.change(|waiting| waiting + 1);
        self.wake_one();
    }

    fn pop(&self) -> bool {
        if self.len.load(Ordering::Acquire) == 0 {
            return false;
        }
        let before = self.change(|waiting| waiting.saturating_sub(1));
        if self.len.load(Ordering::Acquire) != 0 {
            self.wake_one();
        }
        before > 0
    }

    /// The loop of a core, until it has taken a task.
    fn work(&self, core: usize) {
        while !self.pop() {
            self.sleepers.announce(core);
            if self.words[core].prepare(Bed::Futex, || ()) && self.len.load(Ordering::Acquire) == 0
            {
                self.words[core].wait(Duration::MAX);
            }
            self.words[core].finish(Bed::Futex, || ());
            self.sleepers.rise(core);
        }
    }
}

#[test]
fn a_push_meets_a_core_that_falls_asleep() {
    bounded_model(|| {
        let pool = Pool::new(1);
        let core = {
            let pool = pool.clone();
            loom::thread::spawn(move || pool.work(0))
        };
        pool.push();
        core.join().unwrap();
    });
}

#[test]
fn two_pushes_meet_two_cores() {
    bounded_model(|| {
        let pool = Pool::new(2);
        let cores: Vec<_> = (0..2)
            .map(|core| {
                let pool = pool.clone();
                loom::thread::spawn(move || pool.work(core))
            })
            .collect();
        pool.push();
        pool.push();
        cores.into_iter().for_each(|core| core.join().unwrap());
    });
}

//! The cores of an unbound pool: a task that is pushed while a core goes to sleep is taken.
//!
//! The set and the park words are the real ones; the worklist is its length. The loops follow
//! `WorkerPool::push()` and `pop()`, and `Local::park_in_driver()`. A lost wake-up is a deadlock.

use super::super::park_word::{Bed, ParkWord};
use super::super::sleepers::Sleepers;
use crate::sync_types::atomic::{AtomicUsize, Ordering};
use crate::sync_types::bounded_model;
use std::sync::Arc;
use std::time::Duration;

struct Pool {
    sleepers: Sleepers,
    words: Vec<ParkWord>,
    waiting: AtomicUsize,
}

impl Pool {
    /// Of cores that are all awake.
    fn new(cores: usize) -> Arc<Self> {
        let sleepers = Sleepers::new(cores);
        (0..cores).for_each(|core| sleepers.rise(core));
        let words = (0..cores).map(|_| ParkWord::new()).collect();
        Arc::new(Self { sleepers, words, waiting: AtomicUsize::new(0) })
    }

    fn wake_one(&self) {
        if let Some(core) = self.sleepers.take_one() {
            self.words[core].notify(|| unreachable!("nobody sleeps in a driver here"));
        }
    }

    fn push(&self) {
        self.waiting.fetch_add(1, Ordering::Release);
        self.wake_one();
    }

    fn pop(&self) -> bool {
        let less = |waiting: usize| waiting.checked_sub(1);
        let popped = self.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
        if popped.is_ok_and(|before| before > 1) {
            self.wake_one();
        }
        popped.is_ok()
    }

    /// The loop of a core, until it has taken a task.
    fn work(&self, core: usize) {
        while !self.pop() {
            self.sleepers.announce(core);
            if self.words[core].prepare(Bed::Futex, || ())
                && self.waiting.load(Ordering::Acquire) == 0
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

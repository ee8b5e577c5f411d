//! The sleeping and the searching cores: a task that is pushed while a core gives up its search is
//! found, and the count of searchers comes out even.
//!
//! The set is the real one, so are queue and park word; the loop follows `Local::steal()` and
//! `Local::park_in_driver()`. The pusher stays awake and never runs a task itself.

use super::super::park_word::{Bed, ParkWord};
use super::super::{Idle, Inject};
use crate::sync_types::atomic::{Ordering, fence};
use crate::sync_types::bounded_model;
use crate::task::Notified;
use crate::task::mock::Mock;
use std::sync::Arc;
use std::time::Duration;

/// Cores from here on are asked first.
const NEAR: usize = 0;

struct Cores {
    idle: Idle,
    words: Vec<ParkWord>,
    queue: Inject,
}

impl Cores {
    fn new(cores: usize) -> Arc<Self> {
        let words = (0..cores).map(|_| ParkWord::new()).collect();
        Arc::new(Self { idle: Idle::new(cores), words, queue: Inject::new() })
    }

    fn wake_thief(&self, near: usize) {
        if let Some(core) = self.idle.core_to_wake(near) {
            self.words[core].notify(|| unreachable!("nobody sleeps in a driver here"));
        }
    }

    /// With the fence that waking one's own core has.
    fn push(&self, task: Notified) {
        self.queue.push(task);
        fence(Ordering::SeqCst);
        self.wake_thief(NEAR);
    }

    /// The loop of a core that has nothing of its own, until it has stolen a task.
    fn steal(&self, core: usize) -> Notified {
        let mut searching = false;
        loop {
            searching = searching || self.idle.start_searching();
            if searching && let Some(task) = self.rob() {
                if self.idle.stop_searching() {
                    self.wake_thief(core);
                }
                return task;
            }
            let was_last = self.idle.park(core, searching);
            if self.words[core].prepare(Bed::Futex, || ()) && !(was_last && self.sees_work()) {
                self.words[core].wait(Duration::MAX);
            }
            self.words[core].finish(Bed::Futex, || ());
            searching = !self.idle.unpark(core);
        }
    }

    fn rob(&self) -> Option<Notified> {
        let mut found = None;
        self.queue.steal_many(1, |task| found = Some(task));
        found
    }

    fn sees_work(&self) -> bool {
        !self.queue.is_empty()
    }

    fn thief(self: &Arc<Self>, core: usize) -> loom::thread::JoinHandle<()> {
        let cores = Arc::clone(self);
        loom::thread::spawn(move || cores.steal(core).run())
    }

    /// Nobody counts as searching, nobody as parked.
    fn assert_even(&self) {
        assert_eq!(self.idle.core_to_wake(0), None, "a core that is awake counts as parked");
        self.idle.park(1, false);
        assert_eq!(self.idle.core_to_wake(0), Some(1), "a search was never ended");
        assert!(!self.idle.unpark(1));
        assert!(self.idle.stop_searching(), "the woken core is the only searcher");
    }
}

#[test]
fn push_against_last_searcher() {
    loom::model(|| {
        let (mock, cores) = (Mock::new(), Cores::new(2));
        let task = mock.task(async {}).0;
        let thief = cores.thief(1);
        cores.push(task);
        thief.join().unwrap();
        cores.assert_even();
        mock.assert_all_gone();
    });
}

#[test]
fn two_pushes_against_last_searcher() {
    // The one that finds a searcher wakes nobody; the searcher takes one task, and wakes for the
    // next if it was the last. Here it comes again itself.
    bounded_model(|| {
        let (mock, cores) = (Mock::new(), Cores::new(2));
        let (task, other) = (mock.task(async {}).0, mock.task(async {}).0);
        let thief = loom::thread::spawn({
            let cores = Arc::clone(&cores);
            move || {
                cores.steal(1).run();
                cores.steal(1).run();
            }
        });
        cores.push(task);
        cores.push(other);
        thief.join().unwrap();
        cores.assert_even();
        mock.assert_all_gone();
    });
}

#[test]
fn push_against_two_searchers() {
    // Each may be the last, or believe that the other goes on.
    bounded_model(|| {
        let (mock, cores) = (Mock::new(), Cores::new(3));
        let (task, other) = (mock.task(async {}).0, mock.task(async {}).0);
        let thieves = [cores.thief(1), cores.thief(2)];
        cores.push(task);
        cores.push(other);
        thieves.into_iter().for_each(|thief| thief.join().unwrap());
        cores.assert_even();
        mock.assert_all_gone();
    });
}

#[test]
fn push_against_core_that_may_not_search() {
    // Of two cores only one searches at a time. The other parks although it has not looked.
    bounded_model(|| {
        let (mock, cores) = (Mock::new(), Cores::new(2));
        let (task, other) = (mock.task(async {}).0, mock.task(async {}).0);
        let thieves = [cores.thief(0), cores.thief(1)];
        cores.push(task);
        cores.push(other);
        thieves.into_iter().for_each(|thief| thief.join().unwrap());
        cores.assert_even();
        mock.assert_all_gone();
    });
}

#[test]
fn two_wakers_against_a_core_that_rises_by_itself() {
    // One of the wakers at most counts the core as searching, and only if it did not rise before.
    loom::model(|| {
        let cores = Cores::new(2);
        cores.idle.park(1, false);
        let waker = loom::thread::spawn({
            let cores = Arc::clone(&cores);
            move || cores.idle.core_to_wake(0).is_some()
        });
        let woken_here = cores.idle.core_to_wake(0).is_some();
        let rose_by_itself = cores.idle.unpark(1);
        let woken_there = waker.join().unwrap();
        assert_eq!(u32::from(woken_here) + u32::from(woken_there), u32::from(!rose_by_itself));
        if !rose_by_itself {
            assert!(cores.idle.stop_searching());
        }
        cores.assert_even();
    });
}

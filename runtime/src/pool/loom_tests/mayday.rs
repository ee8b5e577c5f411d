//! Mayday: no call is lost on a rescuer that goes to sleep, and no push while it is with a pool.
//!
//! Bell, line and guests are the real ones; the worklist is its length, the wake of the core, which a
//! pusher makes in between, a fence. The loops follow `Round::run()` and `WorkerPool::notify()`. A
//! wait has no timeout here, so a lost ring is a deadlock.

use super::super::QueueId;
use super::super::rescue::{Bell, Guests, Line};
use crate::sync_types::atomic::{AtomicUsize, Ordering, fence};
use crate::sync_types::bounded_model;
use std::sync::Arc;

struct Pool {
    bell: Arc<Bell>,
    line: Arc<Line>,
    guests: Guests,
    waiting: AtomicUsize,
}

impl Pool {
    fn new() -> Arc<Self> {
        let bell = Arc::<Bell>::default();
        let line = Line::new(QueueId(0), 0, bell.clone(), Arc::default(), Arc::default());
        Arc::new(Self { bell, line, guests: Guests::default(), waiting: AtomicUsize::new(0) })
    }

    fn push(&self) {
        self.waiting.fetch_add(1, Ordering::Release);
        fence(Ordering::SeqCst);
        if self.guests.are_here() {
            self.bell.ring();
        }
    }

    /// Nobody else takes.
    fn pop(&self) -> bool {
        let waits = self.waiting.load(Ordering::Acquire) > 0;
        if waits {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
        }
        waits
    }

    /// The rescuer, until it has answered a call and taken so many tasks.
    fn rescue(&self, tasks: usize) {
        let (mut attends, mut taken) = (false, 0);
        while !attends || taken < tasks {
            let ticket = self.bell.ticket();
            if self.line.take_call() && !attends {
                self.guests.come();
                attends = true;
            }
            if attends && self.pop() {
                taken += 1;
            } else if !attends || taken < tasks {
                self.bell.wait(ticket, None);
            }
        }
        self.guests.go();
    }
}

fn rescuer(pool: &Arc<Pool>, tasks: usize) -> loom::thread::JoinHandle<()> {
    let pool = pool.clone();
    loom::thread::spawn(move || pool.rescue(tasks))
}

#[test]
fn a_call_meets_a_rescuer_that_falls_asleep() {
    loom::model(|| {
        let pool = Pool::new();
        let rescuer = rescuer(&pool, 0);
        pool.line.call();
        rescuer.join().unwrap();
    });
}

#[test]
fn a_push_meets_a_rescuer_that_comes() {
    bounded_model(|| {
        let pool = Pool::new();
        let rescuer = rescuer(&pool, 1);
        pool.line.call();
        pool.push();
        rescuer.join().unwrap();
    });
}

#[test]
fn pushes_meet_a_rescuer_that_waits() {
    bounded_model(|| {
        let pool = Pool::new();
        pool.line.call();
        let other = {
            let pool = pool.clone();
            loom::thread::spawn(move || pool.push())
        };
        let rescuer = rescuer(&pool, 2);
        pool.push();
        other.join().unwrap();
        rescuer.join().unwrap();
    });
}

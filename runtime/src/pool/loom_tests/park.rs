//! The word that the holder sleeps by: no worker that holds the core sleeps with work in inject.
//!
//! The word, the inject list and the holder are the real ones. `park()` follows `worker/park.rs`;
//! the driver is a lock with an event in it. A wait has no timeout here, so a lost wake is a
//! deadlock, which loom reports.

use super::super::park_word::{Bed, ParkWord};
use super::super::{Holder, Inject, NOBODY};
use crate::sync_types::atomic::{AtomicU32, Ordering, fence};
use crate::sync_types::{Mutex, bounded_model, lock};
use crate::task::Notified;
use crate::task::mock::Mock;
use crate::worker::handoff::has_lost;
use loom::sync::Condvar;
use std::sync::Arc;
use std::time::Duration;

const F: u32 = 0;
const S: u32 = 1;

struct Core {
    holder: Holder,
    inject: Inject,
    word: ParkWord,
    /// 1 while somebody is in the driver. Not loom's `Mutex`: a `try_lock` that meets a lock that
    /// was just taken blocks there.
    driver: AtomicU32,
    /// What makes a turn of the driver end.
    kicked: Mutex<bool>,
    kick: Condvar,
}

impl Core {
    fn held_by(worker: u32) -> Arc<Self> {
        let core = Self {
            holder: Holder::new(),
            inject: Inject::new(),
            word: ParkWord::new(),
            driver: AtomicU32::new(0),
            kicked: Mutex::new(false),
            kick: Condvar::new(),
        };
        assert!(core.holder.change(NOBODY, worker));
        Arc::new(core)
    }

    fn try_lock_driver(&self) -> bool {
        self.driver.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    fn unlock_driver(&self) {
        self.driver.store(0, Ordering::Release);
    }

    fn driver_is_taken(&self) -> bool {
        let taken = !self.try_lock_driver();
        if !taken {
            self.unlock_driver();
        }
        taken
    }

    /// As `look_at_io()`: somebody who looks at the sockets and does not sleep there.
    fn visit(&self) {
        if self.try_lock_driver() {
            self.unlock_driver();
            self.word.driver_is_free();
        }
    }

    fn kick(&self) {
        *lock(&self.kicked) = true;
        self.kick.notify_one();
    }

    fn turn(&self) {
        let mut kicked = lock(&self.kicked);
        while !std::mem::take(&mut *kicked) {
            kicked = self.kick.wait(kicked).unwrap();
        }
    }

    fn unpark(&self) {
        self.word.notify(|| self.kick());
    }

    fn inject(&self, task: Notified) {
        self.inject.push(task);
        self.unpark();
    }

    fn park(&self, me: u32) {
        if !self.try_lock_driver() {
            return self.park_on_word();
        }
        if self.holder.get() == me {
            if self.word.prepare(Bed::Driver, || self.kick()) && self.inject.is_empty() {
                self.turn();
            }
            self.word.finish(Bed::Driver, || self.kick());
        }
        self.unlock_driver();
        if self.holder.get() != me {
            self.unpark();
        }
    }

    /// Somebody else is in the driver.
    fn park_on_word(&self) {
        self.kick();
        if self.word.prepare(Bed::Futex, || self.kick())
            && self.inject.is_empty()
            && self.driver_is_taken()
        {
            self.word.wait(Duration::MAX);
        }
        self.word.finish(Bed::Futex, || self.kick());
    }

    /// Wakes whoever still sleeps, at the end of a model: a former holder sleeps on the word until
    /// its timeout if it came when the new one was in the driver.
    fn wake_all(&self) {
        self.kick();
        self.unpark();
    }

    /// The holder's loop until it has found a task.
    fn work(&self, me: u32) -> Notified {
        loop {
            let mut found = None;
            self.inject.pop_many(1, |task| found = Some(task));
            match found {
                Some(task) => return task,
                None => self.park(me),
            }
        }
    }

    fn take_over(&self) {
        assert!(self.holder.change(F, S));
        fence(Ordering::SeqCst);
    }
}

#[test]
fn waker_against_holder() {
    loom::model(|| {
        let (mock, core) = (Mock::new(), Core::held_by(S));
        let task = mock.task(async {}).0;
        let holder = loom::thread::spawn({
            let core = Arc::clone(&core);
            move || core.work(S).run()
        });
        core.inject(task);
        holder.join().unwrap();
        mock.assert_all_gone();
    });
}

#[test]
fn two_wakers_against_holder() {
    // The second notification may come while the first is being consumed.
    bounded_model(|| {
        let (mock, core) = (Mock::new(), Core::held_by(S));
        let (task, other) = (mock.task(async {}).0, mock.task(async {}).0);
        let holder = loom::thread::spawn({
            let core = Arc::clone(&core);
            move || {
                core.work(S).run();
                core.work(S).run();
            }
        });
        let waker = loom::thread::spawn({
            let core = Arc::clone(&core);
            move || core.inject(other)
        });
        core.inject(task);
        holder.join().unwrap();
        waker.join().unwrap();
        mock.assert_all_gone();
    });
}

#[test]
fn waker_against_takeover_with_former_holder_in_driver() {
    // F goes to sleep in the driver as it loses the core. S finds the driver locked, or not; the
    // task must reach S, whoever eats the notification.
    bounded_model(|| {
        let (mock, core) = (Mock::new(), Core::held_by(F));
        let task = mock.task(async {}).0;
        let former = loom::thread::spawn({
            let core = Arc::clone(&core);
            move || core.park(F)
        });
        let new = loom::thread::spawn({
            let core = Arc::clone(&core);
            move || {
                core.take_over();
                core.work(S).run();
            }
        });
        core.inject(task);
        new.join().unwrap();
        // F serves the driver until somebody wants it.
        core.wake_all();
        former.join().unwrap();
        mock.assert_all_gone();
    });
}

#[test]
fn former_holder_gives_back_the_driver() {
    // No task at all: S must not sleep on the word for ever while the driver is free, since then
    // nobody would see I/O.
    bounded_model(|| {
        let core = Core::held_by(F);
        let former = loom::thread::spawn({
            let core = Arc::clone(&core);
            move || core.park(F)
        });
        let new = loom::thread::spawn({
            let core = Arc::clone(&core);
            move || {
                core.take_over();
                while !core.try_lock_driver() {
                    core.park_on_word();
                }
                core.unlock_driver();
                core.wake_all();
            }
        });
        former.join().unwrap();
        new.join().unwrap();
    });
}

#[test]
fn surrender_against_park() {
    // H wakes a task in a poll during which it loses the core; S is about to sleep.
    bounded_model(|| {
        let (mock, core) = (Mock::new(), Core::held_by(F));
        let task = mock.task(async {}).0;
        let new = loom::thread::spawn({
            let core = Arc::clone(&core);
            move || {
                core.take_over();
                core.work(S).run();
            }
        });
        if has_lost(&core.holder, F, false) {
            core.inject(task);
        } else {
            // Its next look, at the end of the poll.
            while !has_lost(&core.holder, F, false) {
                loom::thread::yield_now();
            }
            core.inject(task);
        }
        new.join().unwrap();
        mock.assert_all_gone();
    });
}

#[test]
fn visitor_gives_back_the_driver() {
    // The holder meets a visitor in the driver, and must not sleep on the word when that has left.
    loom::model(|| {
        let core = Core::held_by(S);
        let visitor = loom::thread::spawn({
            let core = Arc::clone(&core);
            move || core.visit()
        });
        while !core.try_lock_driver() {
            core.park_on_word();
        }
        core.unlock_driver();
        visitor.join().unwrap();
    });
}

#[test]
fn visitor_against_waker_and_holder() {
    // What a visitor tells the holder must not cost it what others tell it.
    bounded_model(|| {
        let (mock, core) = (Mock::new(), Core::held_by(S));
        let task = mock.task(async {}).0;
        let holder = loom::thread::spawn({
            let core = Arc::clone(&core);
            move || core.work(S).run()
        });
        let waker = loom::thread::spawn({
            let core = Arc::clone(&core);
            move || core.inject(task)
        });
        core.visit();
        holder.join().unwrap();
        waker.join().unwrap();
        mock.assert_all_gone();
    });
}

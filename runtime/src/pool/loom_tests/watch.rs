//! The watcher's role: whoever wakes the watcher reaches it, and a new holder is watched.
//!
//! Role, set, holder and the words of the standbys are the real ones; the loops follow
//! `Local::stand_by()`, `watch_holder()`, `Local::take_charge()` and `Crew::signal()`. What the
//! watcher sleeps on is a flag with a condition variable, as an eventfd is.

use super::super::bits::AtomicBits;
use super::super::watch_role::WatchRole;
use super::super::{Holder, NOBODY};
use crate::sync_types::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::sync_types::{Mutex, bounded_model, lock};
use crate::worker::Signal;
use loom::sync::Condvar;
use std::sync::Arc;

const H: u32 = 0;
/// Standbys.
const S: u32 = 1;
const T: u32 = 2;

struct Core {
    holder: Holder,
    standby: AtomicBits,
    role: WatchRole,
    signals: Vec<Signal>,
    stopped: AtomicU32,
    /// Rings that were opened: those of the workers up to this one.
    opened: AtomicU64,
    /// Kicks, and whose rings are being watched.
    eventfd: Mutex<Eventfd>,
    kicked: Condvar,
    aimed: Condvar,
}

struct Eventfd {
    kicked: bool,
    /// By each worker, while it was the watcher.
    watched: [u64; 3],
}

impl Core {
    fn held_by(worker: u32) -> Arc<Self> {
        let core = Self {
            holder: Holder::new(),
            standby: AtomicBits::new(3),
            role: WatchRole::new(),
            signals: (0..3).map(|_| Signal::new()).collect(),
            stopped: AtomicU32::new(0),
            opened: AtomicU64::new(0),
            eventfd: Mutex::new(Eventfd { kicked: false, watched: [0; 3] }),
            kicked: Condvar::new(),
            aimed: Condvar::new(),
        };
        assert!(core.holder.change(NOBODY, worker));
        Arc::new(core)
    }

    fn has_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst) != 0
    }

    fn kick(&self) {
        lock(&self.eventfd).kicked = true;
        self.kicked.notify_one();
    }

    fn signal(&self, worker: u32) {
        self.signals[worker as usize].raise();
        if self.role.is(worker) {
            self.kick();
        }
    }

    fn wake_standby(&self) {
        if let Some(worker) = self.standby.take_first() {
            self.signal(worker as u32);
        }
    }

    fn stop(&self) {
        self.stopped.store(1, Ordering::SeqCst);
        for worker in [S, T] {
            self.standby.remove(worker as usize);
            self.signal(worker);
        }
    }

    /// A standby's loop, until the core stops or `wanted` says so.
    fn stand_by(&self, worker: u32, wanted: impl Fn() -> bool) {
        let signal = &self.signals[worker as usize];
        while !self.has_stopped() && !wanted() {
            self.standby.insert(worker as usize);
            if !self.has_stopped() && !wanted() {
                if self.role.claim(worker) {
                    self.watch(worker);
                    self.role.release();
                } else {
                    signal.wait();
                }
            }
            self.standby.remove(worker as usize);
            signal.lower();
        }
        // `pass_watch_on()`.
        if self.role.is_vacant() {
            self.wake_standby();
        }
    }

    fn watch(&self, worker: u32) {
        let signal = &self.signals[worker as usize];
        while !signal.is_raised() {
            let opened = self.opened.load(Ordering::SeqCst);
            self.role.learn(opened);
            let mut eventfd = lock(&self.eventfd);
            eventfd.watched[worker as usize] = opened;
            self.aimed.notify_all();
            while !std::mem::take(&mut eventfd.kicked) {
                eventfd = self.kicked.wait(eventfd).unwrap();
            }
        }
    }

    /// A new holder sees to it that it is watched.
    fn take_charge(&self) {
        if self.role.is_vacant() {
            self.wake_standby();
        } else if self.role.lacks(self.opened.load(Ordering::SeqCst)) {
            self.kick();
        }
    }

    /// A worker opens its ring, before it can become holder.
    fn announce(&self) {
        self.opened.fetch_add(1, Ordering::SeqCst);
    }

    /// Until this worker watches the newest ring: its owner would block for ever, and nobody notice.
    fn until_watched_by(&self, worker: u32) {
        let mut eventfd = lock(&self.eventfd);
        while eventfd.watched[worker as usize] < self.opened.load(Ordering::SeqCst) {
            eventfd = self.aimed.wait(eventfd).unwrap();
        }
    }

    fn standby(self: &Arc<Self>, worker: u32) -> loom::thread::JoinHandle<()> {
        let core = Arc::clone(self);
        loom::thread::spawn(move || core.stand_by(worker, || false))
    }
}

#[test]
fn signal_against_watcher() {
    loom::model(|| {
        let core = Core::held_by(H);
        let standby = core.standby(S);
        core.stop();
        standby.join().unwrap();
    });
}

#[test]
fn signal_against_two_standbys() {
    // The role may go from one to the other on the way.
    bounded_model(|| {
        let core = Core::held_by(H);
        let standbys = [core.standby(S), core.standby(T)];
        core.stop();
        standbys.into_iter().for_each(|standby| standby.join().unwrap());
    });
}

#[test]
fn new_holder_against_watcher() {
    // H, a new worker, took the core from somebody whom S watches, or is about to watch.
    bounded_model(|| {
        let core = Core::held_by(T);
        let standby = core.standby(S);
        core.announce();
        assert!(core.holder.change(T, H));
        core.take_charge();
        core.until_watched_by(S);
        core.stop();
        standby.join().unwrap();
    });
}

#[test]
fn watcher_that_becomes_holder_against_standby() {
    // S is the watcher, or T is. S takes the core over: T has to watch it, asleep or not.
    bounded_model(|| {
        let core = Core::held_by(H);
        core.announce();
        let new = loom::thread::spawn({
            let core = Arc::clone(&core);
            move || {
                core.stand_by(S, || core.holder.get() == NOBODY);
                assert!(core.holder.change(NOBODY, S));
                core.take_charge();
                core.until_watched_by(T);
                core.stop();
            }
        });
        let standby = core.standby(T);
        // `hand_over()`, for S: which of the two it is does not matter here.
        assert!(core.holder.change(H, NOBODY));
        core.signal(S);
        new.join().unwrap();
        standby.join().unwrap();
    });
}

#[test]
fn watcher_that_leaves_against_standby() {
    // S is sent home; T has to take the role over, or has it.
    bounded_model(|| {
        let core = Core::held_by(H);
        core.announce();
        let retired = Arc::new(AtomicU32::new(0));
        let leaving = loom::thread::spawn({
            let (core, retired) = (Arc::clone(&core), Arc::clone(&retired));
            move || core.stand_by(S, || retired.load(Ordering::SeqCst) != 0)
        });
        let standby = core.standby(T);
        retired.store(1, Ordering::SeqCst);
        core.signal(S);
        leaving.join().unwrap();
        core.until_watched_by(T);
        core.stop();
        standby.join().unwrap();
    });
}

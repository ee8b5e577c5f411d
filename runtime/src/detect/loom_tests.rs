//! Models of the words that monitor and sentinel sleep on: no holder goes to work unwatched.
//!
//! The words and the epoch are the real ones; the holder's side follows `Local::wake_guards()`. A
//! wait has no timeout here, so a lost wake is a deadlock, which loom reports.

use super::monitor_word::{MonitorWord, Nap};
use super::sentinel_word::Sentinel;
use crate::sync_types::atomic::{AtomicU32, Ordering, fence};
use crate::sync_types::bounded_model;
use crate::worker::{Epoch, Phase};
use std::sync::Arc;

#[derive(Default)]
struct Core {
    epoch: Epoch,
    monitor: MonitorWord,
    sentinel: Sentinel,
    /// What `Core::wants_worker` is.
    wanted: AtomicU32,
    stopped: AtomicU32,
}

impl Core {
    /// A holder that sleeps; after it has said so it looks at nothing of these words.
    fn parked() -> Arc<Self> {
        let core = Arc::new(Self::default());
        core.epoch.enter(Phase::Parked);
        core
    }

    fn is_parked(&self) -> bool {
        self.epoch.load().phase() == Phase::Parked
    }

    /// The holder leaves its park.
    fn rise(&self, phase: Phase) {
        self.epoch.enter(phase);
        fence(Ordering::SeqCst);
        self.monitor.wake_if_asleep();
        self.sentinel.arm();
    }

    /// `Monitor::request_worker()`.
    fn want_worker(&self) {
        if self.wanted.swap(1, Ordering::SeqCst) == 0 {
            self.monitor.kick();
        }
    }

    /// The monitor's loop, until a round finds something.
    fn monitor(&self) {
        loop {
            let ticket = self.monitor.ticket();
            if self.wanted.load(Ordering::SeqCst) != 0 || !self.is_parked() {
                return;
            }
            self.monitor.sleep(ticket, || self.is_parked().then_some(Nap::Endless));
        }
    }

    /// The sentinel's loop, until it finds the holder at work, or all is over.
    fn sentinel(&self) {
        while self.stopped.load(Ordering::SeqCst) == 0 {
            if !self.sentinel.is_armed() {
                self.sentinel.wait();
                continue;
            }
            let stamp = self.epoch.load();
            if stamp.phase() != Phase::Parked {
                return;
            }
            self.sentinel.disarm_while(|| self.epoch.load() == stamp);
        }
    }
}

fn thread(core: &Arc<Core>, body: impl FnOnce(&Core) + 'static) -> loom::thread::JoinHandle<()> {
    let core = Arc::clone(core);
    loom::thread::spawn(move || body(&core))
}

#[test]
fn monitor_against_holder_that_rises() {
    loom::model(|| {
        let core = Core::parked();
        let monitor = thread(&core, Core::monitor);
        core.rise(Phase::Runtime);
        monitor.join().unwrap();
    });
}

#[test]
fn monitor_against_request_for_a_worker() {
    // The request may come between the look at it and the sleep: the ticket is older then.
    loom::model(|| {
        let core = Core::parked();
        let monitor = thread(&core, Core::monitor);
        core.want_worker();
        monitor.join().unwrap();
    });
}

#[test]
fn monitor_against_holder_and_request() {
    // A kick that has ended one sleep clears `asleep` for both.
    bounded_model(|| {
        let core = Core::parked();
        let monitor = thread(&core, |core| {
            core.monitor();
            // What the request was for has been done; the holder is at work, or about to be.
            core.wanted.store(0, Ordering::SeqCst);
            core.monitor();
        });
        let other = thread(&core, Core::want_worker);
        core.rise(Phase::Runtime);
        other.join().unwrap();
        // A request that came after the monitor had seen the holder's work is no loss; one that it
        // has cleared together with an older one is none either.
        monitor.join().unwrap();
    });
}

#[test]
fn sentinel_against_holder_that_rises() {
    // Armed from a time before, as it finds the core quiet.
    loom::model(|| {
        let core = Core::parked();
        core.sentinel.arm();
        let sentinel = thread(&core, Core::sentinel);
        core.rise(Phase::User);
        sentinel.join().unwrap();
    });
}

#[test]
fn sentinel_against_holder_that_parks_and_rises() {
    // The stamp of the second work is not that of the first look.
    bounded_model(|| {
        let core = Core::parked();
        let sentinel = thread(&core, Core::sentinel);
        core.rise(Phase::Runtime);
        core.epoch.enter(Phase::Parked);
        core.rise(Phase::User);
        sentinel.join().unwrap();
    });
}

#[test]
fn sentinel_against_stop() {
    loom::model(|| {
        let core = Core::parked();
        core.sentinel.arm();
        let sentinel = thread(&core, Core::sentinel);
        core.stopped.store(1, Ordering::SeqCst);
        core.sentinel.stop();
        sentinel.join().unwrap();
    });
}

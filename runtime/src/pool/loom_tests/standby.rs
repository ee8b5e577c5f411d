//! From a verdict to a standby: no verdict is left with everybody asleep.
//!
//! The set, the latch and the word that a standby sleeps on are the real ones; the loop follows
//! `Local::stand_by()`, the accuser `Core::accuse()`. A lost verdict is a deadlock.

use super::super::bits::AtomicBits;
use super::super::verdict::{Claim, Verdict};
use crate::sync_types::atomic::{AtomicU32, Ordering};
use crate::sync_types::bounded_model;
use crate::worker::{Signal, Stamp};
use std::sync::Arc;

struct Crew {
    standby: AtomicBits,
    verdict: Verdict,
    signals: Vec<Signal>,
    stopped: AtomicU32,
}

impl Crew {
    fn of(workers: usize) -> Arc<Self> {
        Arc::new(Self {
            standby: AtomicBits::new(workers),
            verdict: Verdict::default(),
            signals: (0..workers).map(|_| Signal::new()).collect(),
            stopped: AtomicU32::new(0),
        })
    }

    fn wake_standby(&self) {
        if let Some(worker) = self.standby.take_first() {
            self.signals[worker].raise();
        }
    }

    fn accuse(&self, claim: Claim) {
        self.verdict.give(claim, 0);
        self.wake_standby();
    }

    fn has_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst) != 0
    }

    fn stop(&self) {
        self.stopped.store(1, Ordering::SeqCst);
        for (worker, signal) in self.signals.iter().enumerate() {
            self.standby.remove(worker);
            signal.raise();
        }
    }

    /// Until the worker has acted on a verdict, or all is over.
    fn stand_by(&self, worker: usize) -> Option<Claim> {
        loop {
            if self.has_stopped() {
                return None;
            }
            if let Some(claim) = self.verdict.read() {
                self.verdict.clear(claim);
                return Some(claim);
            }
            self.standby.insert(worker);
            if self.verdict.read().is_none() && !self.has_stopped() {
                self.signals[worker].wait();
            }
            self.standby.remove(worker);
            self.signals[worker].lower();
        }
    }
}

fn claim() -> Claim {
    Claim::blocked(7, Stamp::default())
}

#[test]
fn verdict_against_standby() {
    loom::model(|| {
        let crew = Crew::of(1);
        let standby = loom::thread::spawn({
            let crew = Arc::clone(&crew);
            move || crew.stand_by(0)
        });
        crew.accuse(claim());
        assert!(standby.join().unwrap() == Some(claim()));
        assert!(crew.verdict.read().is_none());
    });
}

#[test]
fn two_verdicts_against_standby() {
    // The second may overwrite the first, or be cleared with it only if it is the same.
    bounded_model(|| {
        let crew = Crew::of(1);
        let other = Claim::hog(7, Stamp::default());
        let standby = loom::thread::spawn({
            let crew = Arc::clone(&crew);
            move || while crew.stand_by(0) != Some(Claim::hog(7, Stamp::default())) {}
        });
        crew.accuse(claim());
        crew.accuse(other);
        standby.join().unwrap();
        assert!(crew.verdict.read().is_none());
    });
}

#[test]
fn verdict_against_two_standbys() {
    // Whichever is woken: somebody acts. The other is sent home by the one who did.
    bounded_model(|| {
        let crew = Crew::of(2);
        let standbys = [0, 1].map(|worker| {
            let crew = Arc::clone(&crew);
            loom::thread::spawn(move || {
                let acted = crew.stand_by(worker).is_some();
                if acted {
                    crew.stop();
                }
                acted
            })
        });
        crew.accuse(claim());
        let acted = standbys.map(|standby| standby.join().unwrap());
        assert!(acted.contains(&true));
        assert!(crew.verdict.read().is_none());
    });
}

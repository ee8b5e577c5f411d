//! Waiting to be needed.
//!
//! A standby says in the crew's set that it waits, then looks once more at everything that could
//! make it needed, then sleeps on its own word. Whoever needs one first writes what for (a verdict,
//! an unheld core), then takes a standby from the set. One of them sees the other.

use super::run::End;
use super::{Flag, Local, Main, Phase};
use crate::detect::{Detector, asleep, watch_holder};
use crate::pool::{Watch, Witness};
use std::sync::atomic::Ordering;

impl Local {
    pub(super) fn stand_by<M: Main>(&self, main: &mut M) -> End {
        let (core, worker) = (self.core(), self.worker());
        let mut arrives = true;
        loop {
            if self.must_end() || worker.flags.take(Flag::Retire) {
                self.pass_watch_on();
                return End::Done;
            }
            if std::mem::take(&mut arrives) {
                self.relieve();
            }
            // Before the main future: a holder's polls are watched. The first guest holds the core already.
            if self.is_holder() || core.adopt(worker.index()) || core.take_over(self) {
                self.arrive();
                worker.epoch.enter(Phase::Runtime);
                return End::Changed;
            }
            if main.is_woken() {
                // The poll may block, or be the last.
                self.pass_watch_on();
            }
            if main.poll_if_woken(self) {
                return End::Done;
            }
            // A guest is never sent home.
            let idle_since = if M::IS_GUEST { u64::MAX } else { crate::time::now_ns() };
            worker.idle_since.store(idle_since, Ordering::Relaxed);
            worker.epoch.enter(Phase::Parked);
            core.crew.standby().insert(worker.index() as usize);
            self.arrive();
            if core.crew.has_surplus() {
                // Or it sleeps without an end, and nobody sends the surplus home.
                self.shared().monitor.wake_if_asleep();
            }
            if !(core.needs_worker() || main.is_woken() || self.must_end()) {
                self.sleep();
            }
            core.crew.standby().remove(worker.index() as usize);
            // In this order: a paused clock stands still for a worker that is signalled or awake.
            worker.epoch.enter(Phase::Runtime);
            worker.signal.lower();
        }
    }

    /// This worker was away, or is new, and the one that holds the core may sleep by now. Nobody has to
    /// be woken to take over from it. A verdict that is there stands: it may be about a hog.
    fn relieve(&self) {
        let core = self.core();
        if self.shared().detector() == Detector::Off || core.verdict.read().is_some() {
            return;
        }
        if let Some(claim) = asleep(core) {
            core.latch(claim, Witness::Worker);
        }
    }

    fn must_end(&self) -> bool {
        self.shared().has_stopped() || self.core().is_shut()
    }

    /// Sleeps until signalled; with the perf and bpf detectors one or two watch the holder instead.
    fn sleep(&self) {
        let (core, worker) = (self.core(), self.worker());
        let watch = core.crew.watch();
        if let Some((watch, post)) = watch.and_then(|w| Some((w, w.claim(worker.index())?))) {
            let watched = watch_holder(self, watch, post, &mut self.watcher.borrow_mut());
            post.leave();
            if watched {
                return;
            }
        }
        worker.signal.wait();
    }

    /// This worker leaves, or may be away for long; if it was the watcher, another standby has to be.
    fn pass_watch_on(&self) {
        let crew = &self.core().crew;
        if crew.watch().is_some_and(Watch::is_deserted) {
            crew.wake_standby();
        }
    }

    /// This worker is the holder now: makes sure that somebody is ready to follow it.
    pub(super) fn take_charge(&self) {
        if self.core().crew.lacks_standby() {
            self.shared().monitor.request_worker(self.core());
        }
        if let Some(watch) = self.core().crew.watch() {
            if watch.is_deserted() {
                self.core().crew.wake_standby();
            } else {
                watch.redirect();
            }
        }
        if self.worker().flags.take(Flag::Unpinned) {
            self.core().place_current_thread(self.shared());
        }
        self.return_to_group();
        self.awake_since.set(crate::time::now_ns());
        self.wake_guards(self.awake_since.get());
    }

    /// Of an unbound pool, and woken: runs on the CPUs of its group from here on.
    pub(super) fn return_to_group(&self) {
        if self.core().pool.put_back(self.shared()) {
            self.worker().flags.set(Flag::Repatriated);
        }
    }

    /// This worker is not the holder any more.
    pub(super) fn surrender(&self) {
        self.stop_searching(false);
        self.give_away();
        let flags = &self.worker().flags;
        flags.take(Flag::Lost);
        if flags.take(Flag::Unpinned) {
            self.core().place_current_thread(self.shared());
        }
        if self.core().unmark_hog(self.worker())
            && let Some(location) = self.worker().location()
        {
            self.in_user_caught(|| self.shared().offences.report(location));
        }
    }
}

//! How the holder sleeps.
//!
//! Normally in the core's driver, so that I/O and timers wake it. If somebody else is in the driver
//! (the monitor, or a worker that had the core before) it kicks them out and sleeps on the core's
//! park word until they have left.
//!
//! Before it sleeps: holder checked under the driver's lock; park word set, fence, then a last look
//! at the inject list and its own queues (and, where nobody searches, at all queues).

use super::{Local, Main, Phase};
use crate::pool::{Bed, DriverGuard, LOOK_NS};
use cmwq_io::driver::Wait;
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

/// How long to wait for a driver that somebody else is in before trying again.
const KICKED_OUT: Duration = Duration::from_millis(1);

/// With a paused clock: how often a holder looks whether it may move on.
const PAUSED_LOOK_NS: u64 = 1_000_000;

impl Local {
    pub(super) fn park<M: Main>(&self, main: &M) {
        let core = self.core();
        // Not under the driver's lock: it may block.
        self.hook(|hooks| hooks.on_park.as_ref());
        let Some(driver) = core.try_driver() else {
            core.park.io().unpark();
            self.park_on_word(main);
            return;
        };
        if self.is_holder() {
            self.park_in_driver(main, driver);
        } else {
            drop(driver);
            self.unparked();
        }
        if !self.is_holder() {
            // The new holder may be waiting for the driver.
            core.park.unpark();
        }
    }

    fn park_in_driver<M: Main>(&self, main: &M, mut driver: DriverGuard<'_>) {
        let core = self.core();
        let was_last = self.announce_sleep();
        let prepared = core.park.prepare(Bed::Driver);
        let awake = !prepared
            || !core.inject.is_empty()
            || !core.pool.worklist.is_empty()
            || main.is_woken()
            || core.has_chores()
            || self.has_work()
            || self.shared().has_stopped()
            || (was_last && self.sees_work());
        if awake || self.moves_time(&mut driver) {
            core.park.finish(Bed::Driver);
            drop(driver);
            self.rise();
            self.unparked();
            self.fire_timers(crate::time::now_ns());
            self.settle_batch();
            self.wake_foreign();
            self.run_chores();
            return;
        }

        let since = self.account_busy();
        self.worker().epoch.enter(Phase::Parked);
        let deadline = core.timers.next_deadline();
        let wait = match deadline {
            // Somebody has to notice that nothing can happen any more; see paused.rs.
            _ if self.clock_is_paused() => Wait::Until(crate::time::now_ns() + PAUSED_LOOK_NS),
            deadline if core.pool.is_released() => {
                Wait::Until(deadline.min(crate::time::now_ns() + LOOK_NS))
            }
            u64::MAX => Wait::Forever,
            deadline => Wait::Until(deadline),
        };
        let turned = self.dispatch(|| driver.turn(wait, &mut |waker| self.sink(waker)));
        self.worker().epoch.enter(Phase::Runtime);
        core.park.finish(Bed::Driver);
        drop(driver);
        let events = turned.expect("epoll_wait failed on a valid descriptor");

        self.rise();
        self.settle_batch();
        let now = crate::time::now_ns();
        self.awake_since.set(now);
        self.driven_at.set(now);
        self.short_sleeps.note(now.saturating_sub(since), events == 0 && now < deadline);
        self.wake_guards(now);
        self.unparked();
        self.fire_timers(now);
        self.settle_batch();
        self.wake_foreign();
        self.run_chores();
    }

    /// Once for each call of the other hook.
    fn unparked(&self) {
        self.hook(|hooks| hooks.on_unpark.as_ref());
    }

    pub(super) fn clock_is_paused(&self) -> bool {
        self.shared().clock.is_paused()
    }

    /// With a paused clock: looks at the sockets, and moves the clock if they are quiet too. `true` if
    /// there is something to do.
    fn moves_time(&self, driver: &mut cmwq_io::driver::Driver) -> bool {
        if !self.clock_is_paused() {
            return false;
        }
        let events = self.dispatch(|| driver.turn(Wait::Poll, &mut |waker| self.sink(waker)));
        !matches!(events, Ok(0)) || self.advance_paused_clock()
    }

    /// Says that the core is about to sleep. `true` for the last searcher, which has to look at all
    /// queues again.
    fn announce_sleep(&self) -> bool {
        let core = self.core();
        if !core.is_default {
            core.pool.announce_sleep(core.index);
            return false;
        }
        self.shared().idle.park(core.index, self.searching.replace(false))
    }

    /// The core is awake. If a thief was wanted, this is it, and it counts as searching.
    fn rise(&self) {
        let core = self.core();
        if !core.is_default {
            core.pool.rise(core.index);
            self.return_to_group();
        } else if !self.shared().idle.unpark(core.index) {
            self.searching.set(true);
        }
    }

    /// Does something wait in its own queues? A hook or a foreign waker may have put it there.
    pub(super) fn has_work(&self) -> bool {
        let worker = self.worker();
        !worker.ring.is_empty() || !worker.slot.is_empty()
    }

    /// Waits for the driver to become free.
    #[cold]
    fn park_on_word<M: Main>(&self, main: &M) {
        let core = self.core();
        // It is not to be counted on meanwhile.
        self.end_search();
        let was_last = !self.shared().idle.is_any_searching();
        if core.park.prepare(Bed::Futex)
            && core.inject.is_empty()
            && core.pool.worklist.is_empty()
            && !main.is_woken()
            && !self.has_work()
            && !(was_last && self.sees_work())
            && core.try_driver().is_none()
        {
            self.worker().epoch.enter(Phase::Parked);
            core.park.wait(KICKED_OUT);
            self.worker().epoch.enter(Phase::Runtime);
        }
        core.park.finish(Bed::Futex);
        self.return_to_group();
        let now = crate::time::now_ns();
        self.wake_guards(now);
        self.unparked();
        self.fire_timers(now);
        self.settle_batch();
        self.wake_foreign();
    }

    /// A worker that starts to work wakes those who watch it: the monitor if it sleeps, and the
    /// sentinel on a core that saw a block of late.
    ///
    /// The fence: epoch first, then the looks at their words.
    pub(super) fn wake_guards(&self, now: u64) {
        fence(Ordering::SeqCst);
        self.shared().monitor.wake_if_asleep();
        let core = self.core();
        core.arm(self.shared(), now);
        if core.bound_to.is_none() && core.habit.blocked_lately(now) {
            self.shared().arm_sentinel_here();
        }
    }

    /// Returns the time of now.
    fn account_busy(&self) -> u64 {
        let now = crate::time::now_ns();
        let stats = &self.core().stats;
        stats.parks.increment();
        stats.busy_ns.add(now.saturating_sub(self.awake_since.get()));
        now
    }
}

//! Tests that call the timers directly, without a runtime.

mod clock;
mod coalescing;
mod interval;
mod model;
mod race;
mod sleep;
mod timers;

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::time::Duration;

use super::entry::{Entry, State};
use super::timers::Armed;
use super::{Clock, Timers, now_ns};

pub(super) const US: u64 = 1_000;
pub(super) const MS: u64 = 1_000_000;
pub(super) const SECOND: u64 = 1_000_000_000;

/// Timers with a counter of unparks.
pub(super) fn timers(granularity: Duration) -> (Arc<Timers>, Arc<AtomicUsize>) {
    let unparks = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&unparks);
    let unpark = Box::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    (Timers::new(Arc::new(Clock::new()), granularity, unpark), unparks)
}

/// The ids of timers in the order in which they fired.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<usize>>>);

impl Log {
    pub(super) fn take(&self) -> Vec<usize> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    pub(super) fn waker(&self, id: usize) -> Waker {
        Waker::from(Arc::new(Logged { id, log: self.clone() }))
    }
}

struct Logged {
    id: usize,
    log: Log,
}

impl Wake for Logged {
    fn wake(self: Arc<Self>) {
        self.log.0.lock().unwrap().push(self.id);
    }
}

/// A bare entry with its owner's part, as `Sleep` plays it, in nanoseconds of the tests' choice.
pub(super) struct Timer {
    timers: Arc<Timers>,
    entry: Pin<Box<Entry>>,
}

impl Timer {
    pub(super) fn idle(timers: &Arc<Timers>) -> Timer {
        Timer { timers: Arc::clone(timers), entry: Box::pin(Entry::new()) }
    }

    /// A timer that is armed as by a thread that drives the core.
    pub(super) fn armed(timers: &Arc<Timers>, when: u64, waker: Waker) -> Timer {
        let mut timer = Timer::idle(timers);
        assert_eq!(timer.arm(when, waker, true), Armed::Pending);
        timer
    }

    pub(super) fn arm(&mut self, when: u64, waker: Waker, driven: bool) -> Armed {
        // SAFETY: idle, as the callers see to, and cancelled on drop.
        unsafe { self.timers.arm(self.entry.as_ref(), when, waker, driven) }
    }

    pub(super) fn put_off(&mut self, to: u64) {
        let State::Armed { deadline } = self.state() else { panic!("not armed") };
        assert!(self.entry.put_off(deadline, to));
    }

    pub(super) fn bring_forward(&mut self, to: u64, driven: bool) -> bool {
        // SAFETY: the owner.
        unsafe { self.timers.bring_forward(self.entry.as_ref(), to, driven) }
    }

    pub(super) fn replace_waker(&mut self, waker: Waker) {
        // SAFETY: the owner.
        unsafe { self.timers.replace_waker(self.entry.as_ref(), waker) }
    }

    pub(super) fn state(&self) -> State {
        self.entry.state()
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: the owner.
        unsafe { self.timers.cancel(self.entry.as_ref()) }
    }
}

/// Fires by waking. Returns how many.
pub(super) fn fire(timers: &Timers, now: u64) -> usize {
    timers.fire(now, &mut |waker| waker.wake())
}

/// A small deterministic generator (xorshift64*), so that a failure can be repeated.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % bound
    }
}

/// A present for tests that choose their own times.
pub(super) fn base() -> u64 {
    now_ns() + SECOND
}

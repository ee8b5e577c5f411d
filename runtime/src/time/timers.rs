//! The timers of one core: the wheel, its lock, and the time of the next wakeup.

use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::clock::Clock;
use super::entry::{Entry, State};
use super::now_ns;
use super::wheel::{Batch, Wheel};
use crate::sync_types::atomic::{AtomicU64, Ordering};
use crate::sync_types::{Mutex, MutexGuard, lock, try_lock};

/// The timers of one core pool.
///
/// Any thread may arm and cancel; any thread may fire, and whoever holds the core does.
pub(crate) struct Timers {
    shared: Mutex<Shared>,
    /// When `fire` is wanted, in clock nanoseconds. Written under the lock, read by anyone.
    next: AtomicU64,
    clock: Arc<Clock>,
    /// Makes whoever waits for `next_deadline` look again.
    unpark: Box<dyn Fn() + Send + Sync>,
    granularity: u64,
}

struct Shared {
    wheel: Wheel,
    /// No wakeup before this time: the last one was a granularity earlier.
    quiet_until: u64,
    closed: bool,
}

/// How [`Timers::arm`] went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Armed {
    /// The entry will fire.
    Pending,
    /// The deadline has passed; the entry was not armed.
    Elapsed,
    /// The runtime shuts down; the entry was not armed.
    Closed,
}

impl Timers {
    /// The timers of a core on `clock`, whose wakeups are at least `granularity` apart.
    ///
    /// `unpark` is called, without a lock, when a timer was armed that is due before all others by
    /// a thread that does not drive this core. It must not block.
    pub(crate) fn new(
        clock: Arc<Clock>,
        granularity: Duration,
        unpark: Box<dyn Fn() + Send + Sync>,
    ) -> Arc<Timers> {
        let wheel = Wheel::new(clock.at(now_ns()));
        let timers = Arc::new(Timers {
            shared: Mutex::new(Shared { wheel, quiet_until: 0, closed: false }),
            next: AtomicU64::new(u64::MAX),
            clock,
            unpark,
            granularity: u64::try_from(granularity.as_nanos()).unwrap_or(u64::MAX),
        });
        #[cfg(feature = "test-util")]
        timers.clock.attach(&timers);
        timers
    }

    /// The clock that the deadlines are measured on.
    pub(crate) fn clock(&self) -> &Arc<Clock> {
        &self.clock
    }

    /// The earliest time at which [`Timers::fire`] has something to do, in `CLOCK_MONOTONIC`
    /// nanoseconds; `u64::MAX` if there is none. While the clock is paused it is 0 if something is
    /// due at the time at which it stands, else `u64::MAX`.
    ///
    /// Never later than the earliest deadline plus the granularity. May be earlier than the first
    /// deadline after a timer was cancelled or put off. One atomic load.
    pub(crate) fn next_deadline(&self) -> u64 {
        self.clock.monotonic_of(self.next.load(Ordering::Acquire))
    }

    /// Is no timer armed? One atomic load; `false` for a while after the last one was cancelled.
    pub(crate) fn is_empty(&self) -> bool {
        self.next.load(Ordering::Acquire) == u64::MAX
    }

    /// The earliest deadline in clock nanoseconds without regard to the granularity, for moving a
    /// paused clock. May be earlier than the first deadline after a timer was cancelled or put off;
    /// firing at it then fires nothing, and the next answer is later.
    #[cfg(feature = "test-util")]
    pub(crate) fn raw_next(&self) -> Option<u64> {
        Some(lock(&self.shared).wheel.earliest()).filter(|&next| next != u64::MAX)
    }

    /// Fires everything due at `now` (`CLOCK_MONOTONIC` nanoseconds; ignored while the clock is
    /// paused) and hands the wakers to `sink`, in the order of their deadlines, without the lock.
    /// Returns how many fired.
    pub(crate) fn fire(&self, now: u64, sink: &mut dyn FnMut(Waker)) -> usize {
        self.fire_locked(lock(&self.shared), now, sink, |shared| Some(lock(shared)))
    }

    /// Like [`Timers::fire`], but never waits: `None` if the lock is taken. If the lock is lost to
    /// another thread between two batches, the rest is left and `next_deadline` says so.
    pub(crate) fn try_fire(&self, now: u64, sink: &mut dyn FnMut(Waker)) -> Option<usize> {
        Some(self.fire_locked(try_lock(&self.shared)?, now, sink, try_lock))
    }

    fn fire_locked<'a>(
        &'a self,
        mut shared: MutexGuard<'a, Shared>,
        now: u64,
        sink: &mut dyn FnMut(Waker),
        relock: fn(&'a Mutex<Shared>) -> Option<MutexGuard<'a, Shared>>,
    ) -> usize {
        let now = self.clock.at(now);
        let mut fired = 0;
        loop {
            let mut batch = Batch::new();
            if shared.wheel.earliest() <= now {
                shared.quiet_until = now.saturating_add(self.granularity);
            }
            let more = shared.wheel.expire(now, &mut batch);
            if more {
                // Somebody has to come back, at once, should this thread not get the lock again.
                shared.quiet_until = now;
            }
            // Before the sink, which may panic.
            self.publish(&shared);
            drop(shared);
            fired += batch.len();
            batch.hand_to(sink);
            if !more {
                return fired;
            }
            match relock(&self.shared) {
                Some(guard) => shared = guard,
                None => return fired,
            }
        }
    }

    /// Ends all timers and lets none be armed any more. Tasks that wait are woken through `sink`;
    /// their sleeps panic when they are polled.
    pub(crate) fn close(&self, sink: &mut dyn FnMut(Waker)) {
        loop {
            let mut batch = Batch::new();
            let mut shared = lock(&self.shared);
            shared.closed = true;
            let more = shared.wheel.end_all(&mut batch);
            self.publish(&shared);
            drop(shared);
            batch.hand_to(sink);
            if !more {
                return;
            }
        }
    }

    /// Arms an idle entry. `driven` says that the caller will look at `next_deadline` by itself
    /// before it waits.
    ///
    /// # Safety
    /// The entry is idle, and the caller is its owner, who cancels it in these timers before its
    /// memory goes away.
    pub(super) unsafe fn arm(
        &self,
        entry: Pin<&Entry>,
        when: u64,
        waker: Waker,
        driven: bool,
    ) -> Armed {
        let mut shared = lock(&self.shared);
        let outcome = if shared.closed {
            Armed::Closed
        } else if when <= shared.wheel.elapsed() {
            Armed::Elapsed
        } else {
            // SAFETY: idle, hence in no wheel; it stays until it is cancelled, by the caller's
            // promise, and pinned.
            unsafe {
                entry.arm(when, waker);
                shared.wheel.insert(NonNull::from(entry.get_ref()), when);
            }
            self.publish_and_unpark(shared, driven);
            return Armed::Pending;
        };
        // A waker's drop is user code.
        drop(shared);
        drop(waker);
        outcome
    }

    /// Exchanges the waker of an entry if it is armed.
    ///
    /// # Safety
    /// The caller is the owner, who has armed the entry in these timers.
    pub(super) unsafe fn replace_waker(&self, entry: Pin<&Entry>, waker: Waker) {
        let shared = lock(&self.shared);
        let old = match entry.state() {
            // SAFETY: armed, and the lock is held.
            State::Armed { .. } => unsafe { entry.replace_waker(waker) },
            _ => waker,
        };
        drop(shared);
        drop(old);
    }

    /// Moves the deadline of an entry to an earlier time if it is armed, else returns false. If that
    /// time has passed already, it fires here and now.
    ///
    /// # Safety
    /// As for [`Timers::replace_waker`].
    pub(super) unsafe fn bring_forward(&self, entry: Pin<&Entry>, when: u64, driven: bool) -> bool {
        let mut shared = lock(&self.shared);
        if !matches!(entry.state(), State::Armed { .. }) {
            return false;
        }
        let pointer = NonNull::from(entry.get_ref());
        // SAFETY: armed, hence in this wheel, and the lock is held.
        unsafe {
            shared.wheel.remove(pointer);
            entry.set_deadline(when);
        }
        if when > shared.wheel.elapsed() {
            // SAFETY: it is in no wheel now; the rest is as when it was armed.
            unsafe { shared.wheel.insert(pointer, when) };
            self.publish_and_unpark(shared, driven);
            return true;
        }
        // SAFETY: armed, in no list, and the lock is held.
        let due = unsafe { entry.fire(when) };
        self.publish(&shared);
        drop(shared);
        if let Ok(waker) = due {
            waker.wake();
        }
        true
    }

    /// Takes an entry out if it is armed.
    ///
    /// # Safety
    /// As for [`Timers::replace_waker`].
    pub(super) unsafe fn cancel(&self, entry: Pin<&Entry>) {
        // Once it is fired or closed nobody but the owner knows it.
        if !matches!(entry.state(), State::Armed { .. }) {
            return;
        }
        let mut shared = lock(&self.shared);
        if !matches!(entry.state(), State::Armed { .. }) {
            return;
        }
        // SAFETY: armed, hence in this wheel, and the lock is held.
        let waker = unsafe {
            shared.wheel.remove(NonNull::from(entry.get_ref()));
            entry.disarm()
        };
        self.publish(&shared);
        drop(shared);
        drop(waker);
    }

    /// Makes the thread that waits for `next_deadline` look at the clock and the deadline again.
    pub(super) fn unpark(&self) {
        (self.unpark)();
    }

    /// Publishes after an insertion, and tells the thread that drives the core if it matters.
    fn publish_and_unpark(&self, shared: MutexGuard<'_, Shared>, driven: bool) {
        let earlier = self.publish(&shared);
        drop(shared);
        if earlier && !driven {
            (self.unpark)();
        }
    }

    /// Brings `next` up to date. True if it has become earlier.
    fn publish(&self, shared: &Shared) -> bool {
        let next = match shared.wheel.earliest() {
            u64::MAX => u64::MAX,
            // No wakeups to be saved, and what is due now must not wait for time to move.
            earliest if self.clock.is_paused() => earliest,
            earliest => earliest.max(shared.quiet_until),
        };
        let before = self.next.load(Ordering::Relaxed);
        if next != before {
            self.next.store(next, Ordering::Release);
        }
        next < before
    }
}

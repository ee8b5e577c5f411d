//! A clock that tests can stop and move (feature `test-util`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use super::clock::Clock;
use super::{Instant, Timers, now_ns};
use crate::contain::contain;
use crate::context::with_timers;
use crate::sync_types::{Mutex, lock};

/// Whether any clock of the process was ever paused: until then `Instant::now` asks nobody.
static EVER_PAUSED: AtomicBool = AtomicBool::new(false);

/// A paused clock goes to here at the latest, 292 years of uptime. As long again is left for timers: at
/// the end of the clock none could wait. It is also what [`resume`] can be ahead.
const FURTHEST: u64 = i64::MAX as u64;

/// Why a clock was not moved.
enum Refused {
    NotPaused,
    /// It goes only this much further.
    TooFar(Duration),
}

/// The part of a [`Clock`] that is there for tests.
pub(super) struct TestClock {
    /// Whether this clock was ever paused. Until then its time is `CLOCK_MONOTONIC`.
    touched: AtomicBool,
    time: Mutex<Time>,
    /// All wheels of the runtime, which have to look again when the clock jumps.
    timers: Mutex<Vec<Weak<Timers>>>,
}

#[derive(Clone, Copy)]
enum Time {
    /// This many nanoseconds ahead of `CLOCK_MONOTONIC`.
    Running { ahead: i64 },
    /// Paused at this clock time.
    Paused { at: u64 },
}

impl TestClock {
    pub(super) fn new() -> TestClock {
        TestClock {
            touched: AtomicBool::new(false),
            time: Mutex::new(Time::Running { ahead: 0 }),
            timers: Mutex::new(Vec::new()),
        }
    }

    pub(super) fn at(&self, monotonic: u64) -> u64 {
        match self.time() {
            Time::Running { ahead } => monotonic.saturating_add_signed(ahead),
            Time::Paused { at } => at,
        }
    }

    pub(super) fn monotonic_of(&self, clock: u64) -> u64 {
        match self.time() {
            _ if clock == u64::MAX => u64::MAX,
            Time::Running { ahead } => clock.saturating_add_signed(-ahead),
            Time::Paused { at } if clock <= at => 0,
            Time::Paused { .. } => u64::MAX,
        }
    }

    pub(super) fn is_paused(&self) -> bool {
        matches!(self.time(), Time::Paused { .. })
    }

    fn time(&self) -> Time {
        if self.touched.load(Ordering::Acquire) {
            *lock(&self.time)
        } else {
            Time::Running { ahead: 0 }
        }
    }

    /// Changes the time by what `change` makes of it; false if it declines.
    fn change(&self, change: impl FnOnce(Time) -> Option<Time>) -> bool {
        let mut time = lock(&self.time);
        let Some(new) = change(*time) else { return false };
        *time = new;
        self.touched.store(true, Ordering::Release);
        true
    }

    /// The wheels, without the lock, since firing runs wakers.
    fn timers(&self) -> Vec<Arc<Timers>> {
        let timers = lock(&self.timers);
        timers.iter().filter_map(Weak::upgrade).collect()
    }
}

impl Clock {
    /// What [`Instant::now`] says inside of the runtime.
    pub(super) fn now(&self) -> Instant {
        match self.test.time() {
            Time::Running { ahead: 0 } => Instant::from_std(std::time::Instant::now()),
            Time::Running { .. } => self.instant_of(self.at(now_ns())),
            Time::Paused { at } => self.instant_of(at),
        }
    }

    /// Makes a wheel one of those that follow this clock's jumps.
    pub(super) fn attach(&self, timers: &Arc<Timers>) {
        let mut all = lock(&self.test.timers);
        all.retain(|timers| timers.strong_count() > 0);
        all.push(Arc::downgrade(timers));
    }

    /// Stops the clock. False if it stood already.
    pub(crate) fn pause(&self) -> bool {
        let now = self.ns_of(self.now());
        let paused = self.test.change(|time| match time {
            Time::Running { .. } => Some(Time::Paused { at: now }),
            Time::Paused { .. } => None,
        });
        EVER_PAUSED.store(true, Ordering::Release);
        paused
    }

    /// Lets a paused clock go on from where it stands. False if it was not paused.
    pub(super) fn resume(&self) -> bool {
        let resumed = self.test.change(|time| match time {
            Time::Running { .. } => None,
            Time::Paused { at } => Some(Time::Running { ahead: at.wrapping_sub(now_ns()) as i64 }),
        });
        // They wait for nothing, since a paused clock has no next deadline.
        self.test.timers().iter().for_each(|timers| timers.unpark());
        resumed
    }

    /// Moves a paused clock forward, or leaves it where it is.
    fn advance(&self, duration: Duration) -> Result<(), Refused> {
        let by = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let mut refused = Refused::NotPaused;
        let moved = self.test.change(|time| {
            let Time::Paused { at } = time else { return None };
            let left = FURTHEST.saturating_sub(at);
            if by > left {
                refused = Refused::TooFar(Duration::from_nanos(left));
                return None;
            }
            Some(Time::Paused { at: at + by })
        });
        if moved { Ok(()) } else { Err(refused) }
    }

    /// Moves a paused clock to `ns` (clock nanoseconds), unless it is already later. The caller
    /// fires the timers. False if the clock is not paused or does not go that far.
    ///
    /// It is for the runtime to call, with the smallest [`Timers::raw_next`] of all its cores, when
    /// no task can run and no worker is in user code.
    pub(crate) fn auto_advance_to(&self, ns: u64) -> bool {
        self.test.change(|time| match time {
            Time::Running { .. } => None,
            Time::Paused { .. } if ns > FURTHEST => None,
            Time::Paused { at } => Some(Time::Paused { at: at.max(ns) }),
        })
    }
}

/// The present for [`Instant::now`]: that of the runtime's clock if there is one.
pub(super) fn now() -> Instant {
    if !EVER_PAUSED.load(Ordering::Acquire) {
        return Instant::from_std(std::time::Instant::now());
    }
    with_timers(|current| match current {
        Some(current) => current.timers.clock().now(),
        None => Instant::from_std(std::time::Instant::now()),
    })
}

#[track_caller]
fn current_clock(asked: &str) -> Arc<Clock> {
    match with_timers(|current| current.map(|current| Arc::clone(current.timers.clock()))) {
        Some(clock) => clock,
        None => panic!("`time::{asked}()` must be called from the context of a cmwq runtime"),
    }
}

/// Pauses the time of this runtime.
///
/// From now on [`Instant::now`] returns the same value until [`advance`] or the runtime moves it;
/// `std::time::Instant` goes on as always. When no task of the runtime can run, no worker is in user
/// code, no closure of `spawn_blocking` runs and every thread in `block_on` waits, time jumps to the
/// next deadline by itself, so that a test with hour-long sleeps ends at once. It stands still before
/// deadlines that are more than 292 years after the start of the machine.
///
/// Unlike tokio this does not need a current-thread runtime: the whole runtime has one clock.
///
/// # Panics
///
/// If time is paused already, or outside of a runtime.
///
/// # Examples
///
/// ```
/// use cmwq::time::{self, Duration, Instant};
///
/// # #[cmwq::main(flavor = "current_thread")]
/// # async fn main() {
/// time::pause();
/// let start = Instant::now();
/// time::sleep(Duration::from_secs(3600)).await; // does not take an hour
/// assert_eq!(start.elapsed(), Duration::from_secs(3600));
/// # }
/// ```
#[track_caller]
pub fn pause() {
    if !current_clock("pause").pause() {
        panic!("`time::pause()`: time is already paused; call `time::resume()` first");
    }
}

/// Lets paused time go on from where it stands.
///
/// # Panics
///
/// If time is not paused, or outside of a runtime.
///
/// # Examples
///
/// ```
/// use cmwq::time::{self, Duration, Instant};
///
/// # #[cmwq::main(flavor = "current_thread")]
/// # async fn main() {
/// time::pause();
/// time::advance(Duration::from_secs(60)).await;
/// time::resume();
/// let start = Instant::now();
/// time::sleep(Duration::from_millis(1)).await; // takes a millisecond
/// assert!(start.elapsed() >= Duration::from_millis(1));
/// # }
/// ```
#[track_caller]
pub fn resume() {
    if !current_clock("resume").resume() {
        panic!("`time::resume()`: time is not paused; call `time::pause()` first");
    }
}

/// Moves paused time forward by `duration`, in one jump.
///
/// Every timer of the runtime that is due then fires, and the calling task yields once. The tasks
/// woken by it need not have run when this returns. To let each of them see its own time, sleep
/// instead: paused time moves from deadline to deadline by itself.
///
/// # Panics
///
/// If time is not paused, or outside of a runtime; or if it would be more than 292 years after the start
/// of the machine: a clock at its end could make no timer wait. Time has not moved then.
///
/// # Cancel safety
///
/// The clock moves at the first poll; dropping the future after that takes nothing back.
///
/// # Examples
///
/// ```
/// use cmwq::time::{self, Duration, Instant};
///
/// # #[cmwq::main(flavor = "current_thread")]
/// # async fn main() {
/// time::pause();
/// let start = Instant::now();
/// time::advance(Duration::from_millis(1500)).await;
/// assert_eq!(start.elapsed(), Duration::from_millis(1500));
/// # }
/// ```
pub async fn advance(duration: Duration) {
    let clock = current_clock("advance");
    match clock.advance(duration) {
        Ok(()) => {}
        Err(Refused::NotPaused) => {
            panic!("`time::advance()`: time is not paused; call `time::pause()` first")
        }
        Err(Refused::TooFar(left)) => panic!(
            "`time::advance({duration:?})`: the clock goes no more than {left:?} further; advance by \
             less"
        ),
    }
    for timers in clock.test.timers() {
        timers.fire(now_ns(), &mut |waker| contain(|| waker.wake()));
    }
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        // After the others, so that they run first where the queue is first in, first out.
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

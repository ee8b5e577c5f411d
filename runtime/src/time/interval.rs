//! Ticks at a fixed period.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::{Instant, Sleep, sleep_until};
use crate::budget;

/// Lateness that never counts as a missed tick: it is the scheduler's, not the program's.
const TOLERANCE: Duration = Duration::from_millis(5);

/// Ticks every `period`, for the first time at once.
///
/// The same as [`interval_at`]`(Instant::now(), period)`. Unlike a loop around
/// [`sleep`](super::sleep) it does not drift: the time that the program spends between two ticks is
/// part of the period.
///
/// # Panics
///
/// If `period` is zero. [`Interval::tick`] panics if it has to wait outside of a runtime.
///
/// # Examples
///
/// ```
/// use cmwq::time::{self, Duration, Instant};
///
/// # #[cmwq::main]
/// # async fn main() {
/// let start = Instant::now();
/// let mut interval = time::interval(Duration::from_millis(2));
/// interval.tick().await; // at once
/// interval.tick().await; // after 2 ms
/// interval.tick().await; // after 4 ms
/// assert!(start.elapsed() >= Duration::from_millis(4));
/// # }
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    assert!(period > Duration::ZERO, "`period` must be non-zero.");
    Interval::new(Instant::now(), period)
}

/// Ticks every `period`, for the first time at `start`.
///
/// # Panics
///
/// If `period` is zero. [`Interval::tick`] panics if it has to wait outside of a runtime.
///
/// # Examples
///
/// ```
/// use cmwq::time::{Duration, Instant, interval_at};
///
/// # #[cmwq::main]
/// # async fn main() {
/// let start = Instant::now() + Duration::from_millis(3);
/// let mut interval = interval_at(start, Duration::from_millis(1));
/// assert_eq!(interval.tick().await, start);
/// assert_eq!(interval.tick().await, start + Duration::from_millis(1));
/// # }
/// ```
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    assert!(period > Duration::ZERO, "`period` must be non-zero.");
    Interval::new(start, period)
}

/// What an [`Interval`] does when ticks were missed: when [`tick`](Interval::tick) is called, or its
/// task gets to run, too late.
///
/// Lateness counts from 5 ms or one period, whichever is smaller. (In tokio, always from 5 ms, so
/// that an interval of 1 ms that skips may still burst.)
///
/// # Examples
///
/// ```
/// use cmwq::time::{Duration, Instant, MissedTickBehavior, interval};
///
/// # #[cmwq::main]
/// # async fn main() {
/// let mut interval = interval(Duration::from_millis(100));
/// interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
/// let first = interval.tick().await;
/// std::thread::sleep(Duration::from_millis(250)); // misses the tick at 200 ms
/// assert_eq!(interval.tick().await - first, Duration::from_millis(100)); // late, at once
/// let next = interval.tick().await - first;
/// assert!(next >= Duration::from_millis(300)); // not the one at 200 ms
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedTickBehavior {
    /// The ticks that were missed follow at once, until the interval has caught up. The times are
    /// those that there would have been without a delay.
    ///
    /// ```text
    /// expected: |     1     |     2     |     3     |     4     |     5     |     6     |
    /// actual:   | work -----|          delay          | work | work | work -| work -----|
    /// ```
    #[default]
    Burst,
    /// The next tick is one period after the late one, and all others after it: the ticks move.
    ///
    /// ```text
    /// expected: |     1     |     2     |     3     |     4     |     5     |     6     |
    /// actual:   | work -----|          delay          | work -----| work -----| work -----|
    /// ```
    Delay,
    /// The next tick is at the next multiple of the period from the start: those missed are left
    /// out, and the others stay where they were.
    ///
    /// ```text
    /// expected: |     1     |     2     |     3     |     4     |     5     |     6     |
    /// actual:   | work -----|          delay          | work ---| work -----| work -----|
    /// ```
    Skip,
}

impl MissedTickBehavior {
    /// When to tick after the tick of `tick`, which is handed out at `now`.
    pub(super) fn next(self, tick: Instant, now: Instant, period: Duration) -> Option<Instant> {
        let late = now.saturating_duration_since(tick);
        if late <= TOLERANCE.min(period) {
            return tick.checked_add(period);
        }
        match self {
            MissedTickBehavior::Burst => tick.checked_add(period),
            MissedTickBehavior::Delay => now.checked_add(period),
            MissedTickBehavior::Skip => {
                let into_period = late.as_nanos() % period.as_nanos();
                // Smaller than `late`, which came from a Duration.
                now.checked_add(period)?.checked_sub(Duration::new(
                    (into_period / 1_000_000_000) as u64,
                    (into_period % 1_000_000_000) as u32,
                ))
            }
        }
    }
}

/// Ticks at a fixed period. Made by [`interval`] and [`interval_at`].
///
/// Dropping it ends it.
#[derive(Debug)]
pub struct Interval {
    /// Waits for the next tick; its deadline is the time of that tick.
    delay: Pin<Box<Sleep>>,
    period: Duration,
    missed_tick_behavior: MissedTickBehavior,
}

impl Interval {
    fn new(start: Instant, period: Duration) -> Interval {
        Interval {
            delay: Box::pin(sleep_until(start)),
            period,
            missed_tick_behavior: MissedTickBehavior::default(),
        }
    }

    /// Waits for the next tick and returns the time that it was due at.
    ///
    /// # Panics
    ///
    /// If it has to wait outside of a runtime, or while the runtime shuts down.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, no tick is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use cmwq::time::{self, Duration};
    ///
    /// # #[cmwq::main]
    /// # async fn main() {
    /// let mut interval = time::interval(Duration::from_millis(1));
    /// let first = interval.tick().await;
    /// let second = interval.tick().await;
    /// assert_eq!(second - first, Duration::from_millis(1));
    /// # }
    /// ```
    pub async fn tick(&mut self) -> Instant {
        poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// Returns the time of the next tick if it has come; if not, the task of `cx`, and no other, is
    /// woken when it does.
    ///
    /// # Panics
    ///
    /// As for [`Interval::tick`].
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        let unit = ready!(budget::poll_proceed(cx));
        let tick = self.delay.deadline();
        let mut now = Instant::now();
        // A tick that is late already, such as the first or one of a burst, needs no timer.
        if now < tick {
            ready!(self.delay.as_mut().poll_elapsed(cx));
            now = Instant::now();
        }
        unit.made_progress();
        let next = self.missed_tick_behavior.next(tick, now, self.period);
        self.delay.as_mut().reset(next.unwrap_or_else(Instant::far_future));
        Poll::Ready(tick)
    }

    /// The next tick comes one period from now.
    ///
    /// # Examples
    ///
    /// ```
    /// use cmwq::time::{self, Duration, Instant};
    ///
    /// # #[cmwq::main]
    /// # async fn main() {
    /// let mut interval = time::interval(Duration::from_millis(3));
    /// interval.tick().await;
    /// time::sleep(Duration::from_millis(1)).await;
    /// let now = Instant::now();
    /// interval.reset();
    /// assert!(interval.tick().await - now >= Duration::from_millis(3));
    /// # }
    /// ```
    pub fn reset(&mut self) {
        self.reset_after(self.period);
    }

    /// The next tick comes at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use cmwq::time::{self, Duration};
    ///
    /// # #[cmwq::main]
    /// # async fn main() {
    /// let mut interval = time::interval(Duration::from_secs(60));
    /// interval.tick().await;
    /// interval.reset_immediately();
    /// interval.tick().await; // does not take a minute
    /// # }
    /// ```
    pub fn reset_immediately(&mut self) {
        self.reset_at(Instant::now());
    }

    /// The next tick comes `after` from now, and the others at the period after it.
    ///
    /// # Examples
    ///
    /// ```
    /// use cmwq::time::{self, Duration};
    ///
    /// # #[cmwq::main]
    /// # async fn main() {
    /// let mut interval = time::interval(Duration::from_secs(60));
    /// interval.tick().await;
    /// interval.reset_after(Duration::from_millis(1));
    /// interval.tick().await; // takes 1 ms
    /// # }
    /// ```
    pub fn reset_after(&mut self, after: Duration) {
        self.reset_at(Instant::after(after));
    }

    /// The next tick comes at `deadline`, and the others at the period after it. It may lie in the
    /// past.
    ///
    /// # Examples
    ///
    /// ```
    /// use cmwq::time::{self, Duration, Instant};
    ///
    /// # #[cmwq::main]
    /// # async fn main() {
    /// let mut interval = time::interval(Duration::from_secs(60));
    /// interval.tick().await;
    /// let deadline = Instant::now() + Duration::from_millis(1);
    /// interval.reset_at(deadline);
    /// assert_eq!(interval.tick().await, deadline);
    /// # }
    /// ```
    pub fn reset_at(&mut self, deadline: Instant) {
        self.delay.as_mut().reset(deadline);
    }

    /// What it does when ticks were missed.
    pub fn missed_tick_behavior(&self) -> MissedTickBehavior {
        self.missed_tick_behavior
    }

    /// Sets what it does when ticks were missed.
    pub fn set_missed_tick_behavior(&mut self, behavior: MissedTickBehavior) {
        self.missed_tick_behavior = behavior;
    }

    /// The time between two ticks.
    pub fn period(&self) -> Duration {
        self.period
    }
}

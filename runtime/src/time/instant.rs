//! A moment on the runtime's clock.

use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::Duration;

/// As far as a deadline that cannot be represented is put off.
const FAR_FUTURE: Duration = Duration::from_secs(86_400 * 365 * 30);

/// A moment of the monotonic clock, as `std::time::Instant`.
///
/// It is a type of its own so that tests can pause and move the time that
/// [`now`](Instant::now) tells (feature `test-util`). It converts to and from `std`'s at no cost.
///
/// # Examples
///
/// ```
/// use cmwq::time::{Duration, Instant};
///
/// let start = Instant::now();
/// let deadline = start + Duration::from_millis(5);
/// assert_eq!(deadline - start, Duration::from_millis(5));
/// assert_eq!(start.saturating_duration_since(deadline), Duration::ZERO);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    std: std::time::Instant,
}

impl Instant {
    /// The present.
    ///
    /// With feature `test-util`, inside of a runtime, that of the runtime's clock, which may be
    /// paused.
    #[must_use]
    pub fn now() -> Instant {
        #[cfg(feature = "test-util")]
        return super::test_clock::now();
        #[cfg(not(feature = "test-util"))]
        Instant::from_std(std::time::Instant::now())
    }

    /// The same moment, from `std`'s type.
    #[must_use]
    pub fn from_std(std: std::time::Instant) -> Instant {
        Instant { std }
    }

    /// The same moment in `std`'s type.
    #[must_use]
    pub fn into_std(self) -> std::time::Instant {
        self.std
    }

    /// Thirty years from now: later than anybody waits, and early enough to be calculated with.
    pub(super) fn far_future() -> Instant {
        Instant::now() + FAR_FUTURE
    }

    /// Now and `duration` later, or thirty years if that is out of range.
    pub(super) fn after(duration: Duration) -> Instant {
        Instant::now().checked_add(duration).unwrap_or_else(Instant::far_future)
    }

    /// The time from `earlier` to this moment, zero if `earlier` is later.
    #[must_use]
    pub fn duration_since(&self, earlier: Instant) -> Duration {
        self.std.saturating_duration_since(earlier.std)
    }

    /// The time from `earlier` to this moment, `None` if `earlier` is later.
    #[must_use]
    pub fn checked_duration_since(&self, earlier: Instant) -> Option<Duration> {
        self.std.checked_duration_since(earlier.std)
    }

    /// The time from `earlier` to this moment, zero if `earlier` is later.
    #[must_use]
    pub fn saturating_duration_since(&self, earlier: Instant) -> Duration {
        self.std.saturating_duration_since(earlier.std)
    }

    /// The time from this moment to the present, zero if it is yet to come.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Instant::now().duration_since(*self)
    }

    /// This moment and `duration` later, `None` if that cannot be represented.
    #[must_use]
    pub fn checked_add(&self, duration: Duration) -> Option<Instant> {
        self.std.checked_add(duration).map(Instant::from_std)
    }

    /// This moment and `duration` earlier, `None` if that cannot be represented.
    #[must_use]
    pub fn checked_sub(&self, duration: Duration) -> Option<Instant> {
        self.std.checked_sub(duration).map(Instant::from_std)
    }
}

impl From<std::time::Instant> for Instant {
    fn from(std: std::time::Instant) -> Instant {
        Instant::from_std(std)
    }
}

impl From<Instant> for std::time::Instant {
    fn from(instant: Instant) -> std::time::Instant {
        instant.into_std()
    }
}

/// Panics if the result cannot be represented.
impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        Instant::from_std(self.std + duration)
    }
}

/// Panics if the result cannot be represented.
impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

/// Zero if the second moment is later.
impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.duration_since(earlier)
    }
}

/// Panics if the result cannot be represented.
impl Sub<Duration> for Instant {
    type Output = Instant;

    fn sub(self, duration: Duration) -> Instant {
        Instant::from_std(self.std - duration)
    }
}

/// Panics if the result cannot be represented.
impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.std.fmt(f)
    }
}

//! What time it is for the timers of a runtime.

use super::Instant;
use super::entry::LATEST;
use super::now_ns;
#[cfg(feature = "test-util")]
use super::test_clock::TestClock;

/// How often [`Clock::new`] tries to read both clocks without being interrupted.
const TRIES: u32 = 8;

/// The clock of a runtime: `CLOCK_MONOTONIC`, unless a test has paused it.
///
/// *Clock nanoseconds* are what the wheels count in. They equal `CLOCK_MONOTONIC` until the clock
/// is paused for the first time.
pub(crate) struct Clock {
    /// One moment on both scales, since `std` does not tell the nanoseconds of an `Instant`.
    base: std::time::Instant,
    base_ns: u64,
    #[cfg(feature = "test-util")]
    pub(super) test: TestClock,
}

impl Clock {
    /// A running clock.
    pub(crate) fn new() -> Clock {
        let (base, base_ns) = (0..TRIES)
            .map(|_| {
                let before = now_ns();
                let base = std::time::Instant::now();
                (now_ns(), base, before)
            })
            // The later reading: an Instant then maps to its own time or some 20 ns later, hence
            // never early. The narrowest of some pairs, in case one was interrupted.
            .min_by_key(|(after, _, before)| after - before)
            .map_or_else(
                || (std::time::Instant::now(), now_ns()),
                |(after, base, _)| (base, after),
            );
        Clock {
            base,
            base_ns,
            #[cfg(feature = "test-util")]
            test: TestClock::new(),
        }
    }

    /// A moment in clock nanoseconds, at most the latest deadline there is.
    pub(super) fn ns_of(&self, instant: Instant) -> u64 {
        let instant = instant.into_std();
        let ns = match instant.checked_duration_since(self.base) {
            Some(after) => saturating_ns(after).saturating_add(self.base_ns),
            None => self.base_ns.saturating_sub(saturating_ns(self.base - instant)),
        };
        ns.min(LATEST)
    }

    /// The clock time at a reading of `CLOCK_MONOTONIC`.
    pub(super) fn at(&self, monotonic: u64) -> u64 {
        #[cfg(feature = "test-util")]
        return self.test.at(monotonic);
        #[cfg(not(feature = "test-util"))]
        monotonic
    }

    /// What `CLOCK_MONOTONIC` reads when the clock shows `clock`; `u64::MAX` for never, and 0 for a
    /// time that a paused clock has reached.
    pub(super) fn monotonic_of(&self, clock: u64) -> u64 {
        #[cfg(feature = "test-util")]
        return self.test.monotonic_of(clock);
        #[cfg(not(feature = "test-util"))]
        clock
    }

    /// Whether time stands still.
    pub(crate) fn is_paused(&self) -> bool {
        #[cfg(feature = "test-util")]
        return self.test.is_paused();
        #[cfg(not(feature = "test-util"))]
        false
    }

    /// The moment of a time in clock nanoseconds: the inverse of [`Clock::ns_of`].
    #[cfg(feature = "test-util")]
    pub(super) fn instant_of(&self, ns: u64) -> Instant {
        use std::time::Duration;
        Instant::from_std(match ns.checked_sub(self.base_ns) {
            Some(after) => self.base + Duration::from_nanos(after),
            None => self.base - Duration::from_nanos(self.base_ns - ns),
        })
    }
}

fn saturating_ns(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

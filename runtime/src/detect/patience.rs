//! How often the monitor looks.
//!
//! Short periods while something is suspicious (a block, a long poll) or blocking is the habit of
//! the program; doubling up to a few milliseconds while polls come and go; sleep after some looks
//! at which every core was parked and had not moved. A look costs more than it seems: an interrupt, two
//! context switches, and in a virtual machine the exits for the timer, some 20 us.

use std::time::Duration;

/// What a round of looks found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Found {
    /// All cores parked, none has moved since the last look.
    Nothing,
    /// Polls come and go, or wait for the CPU.
    Activity,
    /// A poll that was there at the last look, or waits for a lock: the next look tells more.
    Doubt,
    /// A poll that sleeps, or runs for long.
    Suspicion,
}

pub(super) struct Patience {
    base: Duration,
    period: Duration,
    quiet: u32,
    busy: u32,
    /// The last look left a doubt.
    doubted: bool,
}

const MAX_PERIOD: Duration = Duration::from_millis(4);
/// Looks without suspicion before the period doubles.
const LOOKS: u32 = 8;

pub(super) enum Next {
    Look(Duration),
    Sleep,
}

impl Patience {
    pub(super) fn new(base: Duration) -> Self {
        Self { base, period: base, quiet: 0, busy: 0, doubted: false }
    }

    pub(super) fn after(&mut self, found: Found, habit: bool) -> Next {
        let doubted = std::mem::take(&mut self.doubted);
        match found {
            Found::Nothing => {
                self.quiet += 1;
                if self.quiet > LOOKS {
                    self.reset();
                    return Next::Sleep;
                }
            }
            Found::Doubt if !doubted => {
                self.quiet = 0;
                self.doubted = true;
                return Next::Look(self.base);
            }
            // Of a doubt after a doubt the first was none: contended locks make one at every look.
            Found::Activity | Found::Doubt => self.quiet = 0,
            Found::Suspicion => {
                self.reset();
                return Next::Look(self.period);
            }
        }
        self.busy += 1;
        if habit {
            self.period = self.base;
        } else if self.busy >= LOOKS {
            self.busy = 0;
            self.period = (self.period * 2).min(MAX_PERIOD);
        }
        Next::Look(self.period)
    }

    pub(super) fn reset(&mut self) {
        *self = Self::new(self.base);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Duration = Duration::from_micros(250);

    fn period(next: Next) -> Option<Duration> {
        match next {
            Next::Look(period) => Some(period),
            Next::Sleep => None,
        }
    }

    #[test]
    fn backs_off_while_polls_come_and_go() {
        let mut patience = Patience::new(BASE);
        let last = (0..100).map(|_| period(patience.after(Found::Activity, false))).last();
        assert_eq!(last, Some(Some(MAX_PERIOD)));
    }

    #[test]
    fn stays_short_where_blocking_is_a_habit() {
        let mut patience = Patience::new(BASE);
        assert!((0..100).all(|_| period(patience.after(Found::Activity, true)) == Some(BASE)));
    }

    #[test]
    fn a_suspicion_brings_the_short_period_back() {
        let mut patience = Patience::new(BASE);
        for _ in 0..100 {
            patience.after(Found::Activity, false);
        }
        assert_eq!(period(patience.after(Found::Suspicion, false)), Some(BASE));
    }

    #[test]
    fn a_doubt_brings_it_back_once() {
        let mut patience = Patience::new(BASE);
        for _ in 0..100 {
            patience.after(Found::Activity, false);
        }
        assert_eq!(period(patience.after(Found::Doubt, false)), Some(BASE));
        assert_eq!(period(patience.after(Found::Activity, false)), Some(MAX_PERIOD));
    }

    #[test]
    fn doubts_in_a_row_bring_it_back_every_other_time() {
        let mut patience = Patience::new(BASE);
        for _ in 0..100 {
            patience.after(Found::Activity, false);
        }
        for _ in 0..10 {
            assert_eq!(period(patience.after(Found::Doubt, false)), Some(BASE));
            assert_eq!(period(patience.after(Found::Doubt, false)), Some(MAX_PERIOD));
        }
    }

    #[test]
    fn sleeps_after_some_quiet_looks() {
        let mut patience = Patience::new(BASE);
        let looks =
            (0..100).take_while(|_| period(patience.after(Found::Nothing, false)).is_some());
        assert_eq!(looks.count() as u32, LOOKS);
    }
}

//! Something that is due every so many polls.

use std::cell::Cell;

/// Counts down rather than asking for a remainder: a division by a setting costs as much as the rest
/// of the loop's own work.
#[derive(Default)]
pub(super) struct Countdown(Cell<u32>);

impl Countdown {
    /// One poll more; `true` at the first, and then at each `interval`th.
    #[inline]
    pub(super) fn strikes(&self, interval: u32) -> bool {
        let left = self.0.get();
        self.0.set(left.checked_sub(1).unwrap_or(interval - 1));
        left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::Countdown;

    #[test]
    fn strikes_once_per_interval() {
        for interval in [1, 2, 7] {
            let countdown = Countdown::default();
            let strikes = (0..10 * interval).filter(|_| countdown.strikes(interval)).count();
            assert_eq!(strikes, 10, "interval {interval}");
        }
    }
}

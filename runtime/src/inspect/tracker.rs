//! When a pool counts as stalled, from one look to the next.

/// What one look finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sign {
    /// Who holds which core of it in which epoch, as one number.
    pub(super) holders: u64,
    /// How much work waits.
    pub(super) pending: usize,
}

/// Of one pool.
#[derive(Clone, Copy, Default)]
pub(super) struct Tracker {
    last: Option<Sign>,
    /// When it was first seen like this, with work.
    since: u64,
    is_told: bool,
}

impl Tracker {
    /// For how long it has been stalled, if that is to be reported now.
    pub(super) fn look(&mut self, sign: Sign, now: u64, period: u64) -> Option<u64> {
        let same = self.last.is_some_and(|last| {
            last.holders == sign.holders && 0 < last.pending && last.pending <= sign.pending
        });
        self.last = Some(sign);
        if !same {
            (self.since, self.is_told) = (now, false);
            return None;
        }
        let stalled = now.saturating_sub(self.since);
        if self.is_told || stalled < period {
            return None;
        }
        self.is_told = true;
        Some(stalled)
    }
}

#[cfg(all(test, not(cmwq_loom)))]
mod tests {
    use super::*;

    /// Looks at these times and signs with a period of 10; which of them report, and what.
    fn reports(looks: &[(u64, u64, usize)]) -> Vec<(u64, u64)> {
        let mut tracker = Tracker::default();
        let look = |&(now, holders, pending): &(u64, u64, usize)| {
            tracker.look(Sign { holders, pending }, now, 10).map(|stalled| (now, stalled))
        };
        looks.iter().filter_map(look).collect()
    }

    #[test]
    fn a_stall_is_told_once() {
        assert_eq!(reports(&[(100, 7, 1), (105, 7, 1), (111, 7, 2), (130, 7, 2)]), [(111, 11)]);
    }

    #[test]
    fn a_pool_without_work_does_not_stall() {
        assert_eq!(reports(&[(100, 7, 0), (120, 7, 0), (140, 7, 0)]), []);
        // The time counts from the look that finds work.
        assert_eq!(reports(&[(100, 7, 0), (120, 7, 1), (125, 7, 1), (130, 7, 1)]), [(130, 10)]);
    }

    #[test]
    fn progress_of_workers_or_thieves_starts_again() {
        assert_eq!(reports(&[(100, 7, 3), (120, 8, 3), (125, 8, 3)]), []);
        assert_eq!(reports(&[(100, 7, 3), (120, 7, 2), (125, 7, 2)]), []);
    }

    #[test]
    fn the_next_stall_is_told_again() {
        let looks = [(100, 7, 1), (110, 7, 1), (120, 8, 1), (130, 8, 1), (140, 8, 1)];
        assert_eq!(reports(&looks), [(110, 10), (130, 10)]);
    }
}

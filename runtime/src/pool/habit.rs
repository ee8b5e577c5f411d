//! How often tasks of a core block: what decides who looks out for the next block.
//!
//! After any block of a core its sentinel is armed at every unpark for a while: it costs little where the
//! CPU is busy, and runs only where it would be idle. The monitor looks often only where several blocks
//! came within that time, on one core or on several. Its looks interrupt whoever runs, and a program that
//! blocks once a second, in a page fault for instance, would pay more for them than for a block that is
//! noticed later.
//!
//! A wait for a lock or a page is no habit of the program unless it lasts: it is left *in doubt*, and
//! whoever looks at the core a while later, and finds it still there, notes it. Contended locks make a
//! few of them every millisecond, and a program whose locks are held for a microsecond would pay for
//! guards that find nothing.
//!
//! Everything here is a hint: threads that note at the same time may lose a block.

use super::Claim;
use crate::sync_types::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How long a block counts.
const WINDOW_NS: u64 = 1_000_000_000;

/// So many within the window are a habit.
pub(crate) const MANY: usize = 4;

/// A wait that lasts for so long is a block like any other.
const LASTING_NS: u64 = 100_000;

#[derive(Default)]
pub(crate) struct Habit {
    /// Times of the last blocks, CLOCK_MONOTONIC ns; the oldest is overwritten.
    times: [AtomicU64; MANY],
    next: AtomicUsize,
    /// The last one, which is accused again and again while nobody can take over.
    last: AtomicU64,
    doubt: Doubt,
}

/// The last wait that is left in doubt.
#[derive(Default)]
struct Doubt {
    /// A [`Claim`], or 0.
    claim: AtomicU64,
    /// When it was seen, CLOCK_MONOTONIC ns.
    at: AtomicU64,
}

impl Habit {
    /// A block was seen.
    pub(crate) fn note(&self, claim: Claim, now: u64) {
        let is_known = self.last.swap(claim.bits(), Ordering::Relaxed) == claim.bits();
        let place = match is_known {
            true => self.next.load(Ordering::Relaxed).wrapping_sub(1),
            false => self.next.fetch_add(1, Ordering::Relaxed),
        };
        self.times[place % MANY].store(now, Ordering::Relaxed);
    }

    /// A wait was seen that may be over in a moment.
    pub(crate) fn doubt(&self, claim: Claim, now: u64) {
        self.doubt.at.store(now, Ordering::Relaxed);
        self.doubt.claim.store(claim.bits(), Ordering::Relaxed);
    }

    /// Takes the wait that was left in doubt, once it is time to see whether it lasts.
    pub(crate) fn take_doubt(&self, now: u64) -> Option<Claim> {
        let claim = Claim::of(self.doubt.claim.load(Ordering::Relaxed))?;
        let lasted = now.saturating_sub(self.doubt.at.load(Ordering::Relaxed));
        if lasted < LASTING_NS {
            return None;
        }
        self.doubt.claim.store(0, Ordering::Relaxed);
        Some(claim)
    }

    /// Was there one of late?
    pub(crate) fn blocked_lately(&self, now: u64) -> bool {
        let newest = self.next.load(Ordering::Relaxed).wrapping_sub(1);
        self.counts(newest, now)
    }

    /// Were there several?
    pub(crate) fn blocks_often(&self, now: u64) -> bool {
        let oldest = self.next.load(Ordering::Relaxed);
        self.counts(oldest, now)
    }

    fn counts(&self, place: usize, now: u64) -> bool {
        let time = self.times[place % MANY].load(Ordering::Relaxed);
        time != 0 && now.saturating_sub(time) < WINDOW_NS
    }
}

#[cfg(all(test, not(cmwq_loom)))]
mod tests {
    use super::*;
    use crate::worker::Stamp;

    const START: u64 = 5 * WINDOW_NS;

    fn claim(worker: u32) -> Claim {
        Claim::blocked(worker, Stamp::default())
    }

    #[test]
    fn none_is_neither() {
        let habit = Habit::default();
        // Also just after the machine has started.
        for now in [1, START] {
            assert!(!habit.blocked_lately(now) && !habit.blocks_often(now));
        }
    }

    #[test]
    fn one_counts_for_a_while() {
        let habit = Habit::default();
        habit.note(claim(1), START);
        assert!(habit.blocked_lately(START + WINDOW_NS - 1));
        assert!(!habit.blocked_lately(START + WINDOW_NS));
        assert!(!habit.blocks_often(START));
    }

    #[test]
    fn several_within_the_window_are_a_habit() {
        let habit = Habit::default();
        for block in 0..MANY as u64 {
            assert!(!habit.blocks_often(START + block));
            habit.note(claim(block as u32), START + block);
        }
        assert!(habit.blocks_often(START + MANY as u64));
        assert!(!habit.blocks_often(START + WINDOW_NS));
        assert!(habit.blocked_lately(START + WINDOW_NS));
    }

    #[test]
    fn a_doubt_is_no_block_and_is_taken_once() {
        let habit = Habit::default();
        assert!(habit.take_doubt(START).is_none());
        habit.doubt(claim(7), START);
        assert!(!habit.blocked_lately(START));
        assert!(habit.take_doubt(START + LASTING_NS - 1).is_none());
        let taken = habit.take_doubt(START + LASTING_NS);
        assert_eq!(taken.map(Claim::worker), Some(7));
        assert!(habit.take_doubt(START + LASTING_NS).is_none());
    }

    #[test]
    fn one_that_is_seen_again_and_again_counts_once() {
        let habit = Habit::default();
        for look in 0..100 {
            habit.note(claim(1), START + look);
        }
        assert!(habit.blocked_lately(START + 100) && !habit.blocks_often(START + 100));
        // As long as it lasts.
        habit.note(claim(1), START + 2 * WINDOW_NS);
        assert!(habit.blocked_lately(START + 2 * WINDOW_NS));
    }
}

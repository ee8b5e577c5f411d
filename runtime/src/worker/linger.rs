//! A holder without work that expects some soon stays awake a little longer.
//!
//! Where tasks of two cores work for each other, a core runs out of work for microseconds at a time.
//! To park and be woken takes longer, of both cores: the one that wakes writes to a descriptor and
//! interrupts the other CPU. So a core whose last sleeps were cut short by other cores looks on for
//! about as long as a wakeup takes, and nobody needs to wake it meanwhile, since it counts as
//! searching: hence about half of the cores do this at most. At worst it is twice as expensive as
//! parking at once.
//!
//! Sleeps that sockets and timers end do not count: what they wait for may need this very CPU.

use super::{Local, Main};
use std::cell::Cell;

/// How long to look on.
const LINGER_NS: u64 = 10_000;
/// A sleep that was cut short was not longer than this, its wakeup included.
const SHORT_NS: u64 = 30_000;
/// So many short sleeps in a row make it worth a try.
const MANY: u8 = 2;
/// Pauses between two looks: each takes cache lines from the cores that it looks at.
const PAUSES: u32 = 8;

/// The last sleeps in a row that other cores have cut short.
#[derive(Default)]
pub(super) struct ShortSleeps(Cell<u8>);

impl ShortSleeps {
    /// A sleep is over. `by_others`: neither a socket nor a timer has ended it.
    pub(super) fn note(&self, slept_ns: u64, by_others: bool) {
        let is_short = by_others && slept_ns < SHORT_NS;
        self.0.set(if is_short { self.0.get().saturating_add(1) } else { 0 });
    }

    fn are_usual(&self) -> bool {
        self.0.get() >= MANY
    }
}

impl Local {
    /// `true` if there seems to be something to do.
    pub(super) fn linger<M: Main>(&self, main: &M) -> bool {
        if !self.short_sleeps.are_usual() || !self.searching.get() {
            return false;
        }
        // Once in an epoch: what it saw may not be to be had.
        let stamp = self.worker().epoch.load();
        if self.lingered_at.replace(stamp) == stamp {
            return false;
        }
        let core = self.core();
        let mut now = crate::time::now_ns();
        let end = now + LINGER_NS;
        while now < end {
            if self.sees_work()
                || !core.inject.is_empty()
                || !core.pool.worklist.is_empty()
                || core.has_chores()
                || main.is_woken()
                || self.has_lost()
                || self.shared().has_stopped()
                || core.timers.next_deadline() <= now
            {
                // It does not park, where it would look at its sockets and timers.
                self.drive_if_due();
                return true;
            }
            (0..PAUSES).for_each(|_| std::hint::spin_loop());
            now = crate::time::now_ns();
        }
        false
    }
}

#[cfg(all(test, not(cmwq_loom)))]
mod tests {
    use super::*;

    #[test]
    fn short_sleeps_in_a_row_are_usual() {
        let sleeps = ShortSleeps::default();
        assert!(!sleeps.are_usual());
        sleeps.note(1, true);
        assert!(!sleeps.are_usual());
        sleeps.note(SHORT_NS - 1, true);
        assert!(sleeps.are_usual());
        (0..1000).for_each(|_| sleeps.note(1, true));
        assert!(sleeps.are_usual());
    }

    #[test]
    fn one_that_others_have_not_cut_short_ends_the_row() {
        for (slept, by_others) in [(SHORT_NS, true), (1, false)] {
            let sleeps = ShortSleeps::default();
            (0..5).for_each(|_| sleeps.note(1, true));
            sleeps.note(slept, by_others);
            assert!(!sleeps.are_usual());
            sleeps.note(1, true);
            assert!(!sleeps.are_usual());
        }
    }
}

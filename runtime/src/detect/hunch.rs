//! Whether a holder sleeps, guessed from how it was so far.
//!
//! To ask the kernel takes 2 to 4 us, a quarter of what a block of 100 us costs. A core of which every
//! worker that returned found the holder asleep spends its time in blocks; there one look of
//! [`CHECK`] is enough. A wrong guess takes the core from a holder that is only preempted: one task
//! too many is polled, as after any verdict that came late. A hog that is met like this is found as one
//! that has lost the core ([`super::strays`]).

use std::sync::atomic::{AtomicU32, Ordering};

/// How many looks in a row found the holder asleep. Written without care for others, since a lost
/// count means a look more or less.
#[derive(Default)]
pub(crate) struct Hunch(AtomicU32);

/// So many looks in a row are believed.
const SURE: u32 = 16;
/// From then on each of so many guesses is checked.
const CHECK: u32 = 8;

impl Hunch {
    /// Does the holder sleep? `look` asks the kernel.
    pub(super) fn guess(&self, look: impl FnOnce() -> bool) -> bool {
        let count = self.0.load(Ordering::Relaxed);
        let asleep = count >= SURE && !count.is_multiple_of(CHECK) || look();
        self.0.store(if asleep { count.wrapping_add(1) } else { 0 }, Ordering::Relaxed);
        asleep
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 80 guesses about a holder that always sleeps, how many were looks?
    fn looks(hunch: &Hunch) -> u32 {
        let mut looks = 0;
        for _ in 0..80 {
            assert!(hunch.guess(|| {
                looks += 1;
                true
            }));
        }
        looks
    }

    #[test]
    fn looks_become_rare_while_the_answer_is_the_same() {
        let hunch = Hunch::default();
        assert_eq!(looks(&hunch), SURE + (80 - SURE) / CHECK);
        assert_eq!(looks(&hunch), 80 / CHECK);
    }

    #[test]
    fn one_look_at_a_holder_that_runs_ends_the_guessing() {
        let hunch = Hunch::default();
        looks(&hunch);
        let wrong = (0..CHECK).filter(|_| hunch.guess(|| false)).count() as u32;
        assert!(wrong < CHECK, "no look in {CHECK} guesses");
        assert!((0..100).all(|_| !hunch.guess(|| false)));
        assert_eq!(looks(&hunch), SURE + (80 - SURE) / CHECK);
    }
}

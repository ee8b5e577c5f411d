//! Private futexes: sleep until a word changes.
//!
//! "Private" means that the word is not shared with another process, which saves the kernel a look
//! at the mapping. A wait may end without cause, therefore the caller always looks at its word
//! again, and no function here reports an error: there is nothing a caller could do but look again.

use std::sync::atomic::AtomicU32;
use std::time::Duration;

use rustix::io::{Errno, Result};
use rustix::thread::futex::{self, Flags, Timespec};

/// Why a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WaitResult {
    /// Somebody called a wake function, or a signal arrived, or for no reason at all.
    Woken,
    /// The word did not hold the expected value when the kernel looked; the thread did not sleep.
    Changed,
    /// The time was over.
    TimedOut,
}

/// Sleeps while `word` holds `expected`, at most for `timeout` (`None`: without limit).
///
/// The end of the time is late by the thread's timer slack, never early.
pub fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) -> WaitResult {
    let timeout = timeout.map(|t| Timespec {
        tv_sec: i64::try_from(t.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: t.subsec_nanos().into(),
    });
    ended(futex::wait(word, Flags::PRIVATE, expected, timeout.as_ref()))
}

/// Sleeps while `word` holds `expected`, at most until `deadline_ns` on
/// [`monotonic_ns`](super::clock::monotonic_ns).
///
/// A deadline in the past still compares the word first, then returns
/// [`TimedOut`](WaitResult::TimedOut).
pub fn wait_until(word: &AtomicU32, expected: u32, deadline_ns: u64) -> WaitResult {
    const NS: u64 = 1_000_000_000;
    let deadline =
        Timespec { tv_sec: (deadline_ns / NS) as i64, tv_nsec: (deadline_ns % NS) as i64 };
    // Only the bitset form takes an absolute time; all bits set matches every waker.
    let any = std::num::NonZeroU32::MAX;
    ended(futex::wait_bitset(word, Flags::PRIVATE, expected, Some(&deadline), any))
}

fn ended(result: Result<()>) -> WaitResult {
    match result {
        Err(Errno::AGAIN) => WaitResult::Changed,
        Err(Errno::TIMEDOUT) => WaitResult::TimedOut,
        Ok(()) | Err(_) => WaitResult::Woken,
    }
}

/// Wakes one thread that sleeps on `word`; `true` if there was one.
pub fn wake_one(word: &AtomicU32) -> bool {
    futex::wake(word, Flags::PRIVATE, 1).is_ok_and(|woken| woken > 0)
}

/// Wakes every thread that sleeps on `word`.
pub fn wake_all(word: &AtomicU32) {
    // Fails only for a word outside this process's memory, which a reference excludes.
    let _ = futex::wake(word, Flags::PRIVATE, i32::MAX as u32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock::monotonic_ns;
    use std::sync::Arc;
    use std::sync::atomic::Ordering::SeqCst;

    #[test]
    fn changed_word_does_not_sleep() {
        let word = AtomicU32::new(1);
        assert_eq!(wait(&word, 0, None), WaitResult::Changed);
        assert_eq!(wait_until(&word, 0, u64::MAX), WaitResult::Changed);
    }

    #[test]
    fn never_early() {
        let word = AtomicU32::new(0);
        let start = monotonic_ns();
        assert_eq!(wait(&word, 0, Some(Duration::from_millis(3))), WaitResult::TimedOut);
        assert!(monotonic_ns() - start >= 3_000_000);

        let deadline = monotonic_ns() + 3_000_000;
        assert_eq!(wait_until(&word, 0, deadline), WaitResult::TimedOut);
        assert!(monotonic_ns() >= deadline);
        assert_eq!(wait_until(&word, 0, 0), WaitResult::TimedOut);
    }

    #[test]
    fn longest_timeout_is_valid() {
        let word = AtomicU32::new(1);
        assert_eq!(wait(&word, 0, Some(Duration::MAX)), WaitResult::Changed);
    }

    #[test]
    fn wake_reaches_the_sleeper() {
        let word = Arc::new(AtomicU32::new(0));
        assert!(!wake_one(&word));
        let sleeper = std::thread::spawn({
            let word = word.clone();
            move || {
                while word.load(SeqCst) == 0 {
                    wait(&word, 0, None);
                }
            }
        });
        word.store(1, SeqCst);
        wake_all(&word);
        sleeper.join().unwrap();
    }
}

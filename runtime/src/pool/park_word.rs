//! The word that the holder of a core sleeps by.
//!
//! ```text
//!   EMPTY --prepare()--> DRIVER or FUTEX --finish()--> EMPTY
//!     any --notify()--> NOTIFIED --prepare() fails, or finish()--> EMPTY
//! ```
//!
//! The waker stores work, fences, then looks at the word; the sleeper stores the word, fences, then
//! looks for work. One of them sees the other.
//!
//! While the core changes hands two workers may use the word: the former holder, who does not know
//! yet and is in the driver or on its way there or back, and the new one. Either may find what the
//! other has announced when it wants to announce its own sleep, or ends it. It has overwritten that
//! by then, and so it wakes the other, who looks again at everything.

use crate::sync_types::atomic::{AtomicU32, Ordering, fence};
use crate::sync_types::futex;
use std::time::Duration;

const EMPTY: u32 = 0;
const NOTIFIED: u32 = 1;
/// Asleep in the core's driver.
const DRIVER: u32 = 2;
/// Asleep on this word, because somebody else is in the driver.
const FUTEX: u32 = 3;

/// How the holder is going to sleep.
#[derive(Clone, Copy)]
pub(crate) enum Bed {
    Driver,
    Futex,
}

pub(super) struct ParkWord(AtomicU32);

impl ParkWord {
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(EMPTY))
    }

    /// Wakes the sleeper, or keeps it from falling asleep. `wake_driver` is called if it sleeps in
    /// the driver.
    #[inline]
    pub(super) fn notify(&self, wake_driver: impl FnOnce()) {
        fence(Ordering::SeqCst);
        if self.0.load(Ordering::Relaxed) == NOTIFIED {
            return;
        }
        self.wake(self.0.swap(NOTIFIED, Ordering::AcqRel), wake_driver);
    }

    /// Wakes whoever sleeps by a word that was overwritten.
    #[inline]
    fn wake(&self, before: u32, wake_driver: impl FnOnce()) {
        match before {
            DRIVER => wake_driver(),
            FUTEX => futex::wake_all(&self.0),
            _ => {}
        }
    }

    /// Announces sleep. `false` if there was a notification, which this consumes. The caller then
    /// looks for work again, as it does after `true`.
    pub(super) fn prepare(&self, bed: Bed, wake_driver: impl FnOnce()) -> bool {
        let target = match bed {
            Bed::Driver => DRIVER,
            Bed::Futex => FUTEX,
        };
        let prepared =
            self.0.compare_exchange(EMPTY, target, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if !prepared {
            self.wake(self.0.swap(EMPTY, Ordering::AcqRel), wake_driver);
        }
        fence(Ordering::SeqCst);
        prepared
    }

    /// Sleeps after `prepare(Bed::Futex)` until notified, or without cause.
    pub(super) fn wait(&self, timeout: Duration) {
        futex::wait(&self.0, FUTEX, Some(timeout));
    }

    /// Sleep is over, or called off; with [`Bed::Driver`] the driver is still locked.
    pub(super) fn finish(&self, bed: Bed, wake_driver: impl FnOnce()) {
        match (self.0.swap(EMPTY, Ordering::AcqRel), bed) {
            // Our own: there is one worker in the driver at a time.
            (DRIVER, Bed::Driver) => {}
            // Ours, or that of another worker that came here since.
            (before, _) => self.wake(before, wake_driver),
        }
        fence(Ordering::SeqCst);
    }

    /// The driver was unlocked by somebody who does not sleep in it: wakes who sleeps here because it was
    /// locked. That one announces its sleep, then looks at the lock.
    pub(super) fn driver_is_free(&self) {
        fence(Ordering::SeqCst);
        let notified =
            self.0.compare_exchange(FUTEX, NOTIFIED, Ordering::AcqRel, Ordering::Relaxed);
        if notified.is_ok() {
            futex::wake_all(&self.0);
        }
    }

    /// A hint.
    pub(super) fn is_asleep(&self) -> bool {
        matches!(self.0.load(Ordering::Relaxed), DRIVER | FUTEX)
    }
}

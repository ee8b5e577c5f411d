//! Where the holder of a core sleeps, and how it is woken.
//!
//! One word per core, not per worker: a waker does not know, and need not know, who the holder is.
//!
//! ```text
//!   EMPTY --prepare()--> DRIVER or FUTEX --finish()--> EMPTY
//!     any --unpark()--> NOTIFIED --prepare() fails, or finish()--> EMPTY
//! ```
//!
//! The waker stores work, fences, then looks at the word; the sleeper stores the word, fences, then
//! looks for work. One of them sees the other. A worker that leaves the driver and finds that it
//! is not the holder any more may have eaten a notification meant for the new one: it passes it
//! on by `unpark`.

use crate::sys::futex;
use std::sync::atomic::{AtomicU32, Ordering, fence};

const EMPTY: u32 = 0;
const NOTIFIED: u32 = 1;
/// Asleep in the core's driver.
const DRIVER: u32 = 2;
/// Asleep on this word, because somebody else is in the driver.
const FUTEX: u32 = 3;

pub(crate) struct CorePark {
    word: AtomicU32,
    io: cmwq_io::driver::Handle,
}

/// How the holder is going to sleep.
#[derive(Clone, Copy)]
pub(crate) enum Bed {
    Driver,
    Futex,
}

impl CorePark {
    pub(crate) fn new(io: cmwq_io::driver::Handle) -> Self {
        Self { word: AtomicU32::new(EMPTY), io }
    }

    pub(crate) fn io(&self) -> &cmwq_io::driver::Handle {
        &self.io
    }

    /// Wakes the holder, or keeps it from falling asleep. Any thread may; never waits.
    #[inline]
    pub(crate) fn unpark(&self) {
        fence(Ordering::SeqCst);
        if self.word.load(Ordering::Relaxed) == NOTIFIED {
            return;
        }
        match self.word.swap(NOTIFIED, Ordering::AcqRel) {
            DRIVER => self.io.unpark(),
            FUTEX => {
                futex::wake_one(&self.word);
            }
            _ => {}
        }
    }

    /// Announces sleep. `false` if there was a notification, which this consumes. The caller then
    /// looks for work again, as it does after `true`.
    pub(crate) fn prepare(&self, bed: Bed) -> bool {
        let target = match bed {
            Bed::Driver => DRIVER,
            Bed::Futex => FUTEX,
        };
        let prepared =
            self.word.compare_exchange(EMPTY, target, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if !prepared {
            self.word.swap(EMPTY, Ordering::AcqRel);
        }
        fence(Ordering::SeqCst);
        prepared
    }

    /// Sleeps after `prepare(Bed::Futex)` until notified.
    pub(crate) fn wait(&self, timeout: std::time::Duration) {
        futex::wait(&self.word, FUTEX, Some(timeout));
    }

    /// Sleep is over, or called off. Says whether there was a notification.
    pub(crate) fn finish(&self) -> bool {
        let before = self.word.swap(EMPTY, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        before == NOTIFIED
    }

    /// Is the holder asleep? A hint.
    pub(crate) fn is_parked(&self) -> bool {
        matches!(self.word.load(Ordering::Relaxed), DRIVER | FUTEX)
    }
}

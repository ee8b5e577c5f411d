//! Where the holder of a core sleeps, and how it is woken.
//!
//! One [word](super::park_word) per core, not per worker: a waker does not know, and need not know,
//! who the holder is. A worker that leaves the driver and is not the holder any more tells the new
//! one by `unpark`, which may be waiting for just that.

use super::park_word::{Bed, ParkWord};
use std::time::Duration;

pub(crate) struct CorePark {
    word: ParkWord,
    io: cmwq_io::driver::Handle,
}

impl CorePark {
    pub(crate) fn new(io: cmwq_io::driver::Handle) -> Self {
        Self { word: ParkWord::new(), io }
    }

    pub(crate) fn io(&self) -> &cmwq_io::driver::Handle {
        &self.io
    }

    /// Wakes the holder, or keeps it from falling asleep. Any thread may; never waits.
    #[inline]
    pub(crate) fn unpark(&self) {
        self.word.notify(|| self.io.unpark());
    }

    /// To be called by a visitor that has left the driver: the holder may wait for that.
    pub(crate) fn driver_is_free(&self) {
        self.word.driver_is_free();
    }

    /// Announces sleep. `false` if there was a notification, which this consumes. The caller then
    /// looks for work again, as it does after `true`.
    pub(crate) fn prepare(&self, bed: Bed) -> bool {
        self.word.prepare(bed, || self.io.unpark())
    }

    /// Sleeps after `prepare(Bed::Futex)` until notified.
    pub(crate) fn wait(&self, timeout: Duration) {
        self.word.wait(timeout);
    }

    /// Sleep is over, or called off; with [`Bed::Driver`] the driver is still locked.
    pub(crate) fn finish(&self, bed: Bed) {
        self.word.finish(bed, || self.io.unpark());
    }

    /// Is the holder asleep? A hint.
    pub(crate) fn is_parked(&self) -> bool {
        self.word.is_asleep()
    }
}

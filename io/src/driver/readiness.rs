//! The word that remembers what the kernel has reported about a source.
//!
//! ```text
//! 63                     16        8        0
//! | tick (events so far)  | shutdown | ready |
//! ```
//!
//! Dispatch adds bits and moves the tick; an operation that finds the source not ready after all
//! removes bits, but only if the tick did not move meanwhile. 48 bits of tick do not wrap: at a
//! million events a second that takes nine years for one source.

use crate::io::Ready;
use std::sync::atomic::{AtomicU64, Ordering};

const READY: u64 = 0xff;
const SHUTDOWN: u64 = 1 << 8;
const TICK: u64 = 1 << 16;

#[derive(Debug)]
pub(super) struct ReadinessWord(AtomicU64);

/// One look at a [`ReadinessWord`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Snapshot(u64);

impl Snapshot {
    pub(super) fn ready(self) -> Ready {
        Ready::from_bits((self.0 & READY) as u8)
    }

    pub(super) fn is_shutdown(self) -> bool {
        self.0 & SHUTDOWN != 0
    }

    pub(super) fn tick(self) -> u64 {
        self.0 / TICK
    }
}

impl ReadinessWord {
    pub(super) fn new(initial: Ready) -> ReadinessWord {
        ReadinessWord(AtomicU64::new(u64::from(initial.bits())))
    }

    pub(super) fn load(&self) -> Snapshot {
        Snapshot(self.0.load(Ordering::Acquire))
    }

    /// An event arrived: adds `ready` and moves the tick.
    pub(super) fn set(&self, ready: Ready) {
        self.update(|word| Some((word | u64::from(ready.bits())).wrapping_add(TICK)));
    }

    /// Removes `ready` unless an event has arrived since `tick` was read.
    pub(super) fn clear(&self, tick: u64, ready: Ready) {
        self.update(|word| {
            (Snapshot(word).tick() == tick).then_some(word & !u64::from(ready.bits()))
        });
    }

    /// From now on every wait ends with an error.
    pub(super) fn shut_down(&self) {
        self.0.fetch_or(SHUTDOWN, Ordering::AcqRel);
    }

    fn update(&self, f: impl FnMut(u64) -> Option<u64>) {
        // An `Err` says that `f` wanted no change.
        let _ = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, f);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_readiness_survives_a_late_clear() {
        let word = ReadinessWord::new(Ready::EMPTY);
        word.set(Ready::READABLE);
        let seen = word.load();
        word.set(Ready::READABLE);
        word.clear(seen.tick(), seen.ready());
        assert_eq!(word.load().ready(), Ready::READABLE);
        let seen = word.load();
        word.clear(seen.tick(), seen.ready());
        assert!(word.load().ready().is_empty());
    }

    #[test]
    fn a_clear_leaves_the_other_direction() {
        let word = ReadinessWord::new(Ready::WRITABLE);
        word.set(Ready::READABLE);
        word.clear(word.load().tick(), Ready::READABLE);
        assert_eq!(word.load().ready(), Ready::WRITABLE);
    }

    #[test]
    fn shutdown_stays() {
        let word = ReadinessWord::new(Ready::READABLE);
        word.shut_down();
        word.set(Ready::WRITABLE);
        word.clear(word.load().tick(), Ready::ALL);
        assert!(word.load().is_shutdown());
        assert!(word.load().ready().is_empty());
    }
}

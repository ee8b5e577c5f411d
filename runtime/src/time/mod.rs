//! Sleeps, timeouts and intervals.
//!
//! The names, signatures and behaviour are those of `tokio::time`, with one difference that
//! matters: a tick here is a nanosecond, not a millisecond. Nothing completes early, and how late
//! it completes is a matter of microseconds (see the builder's `timer_granularity`).
//!
//! | | |
//! |---|---|
//! | [`sleep`], [`sleep_until`] | wait once |
//! | [`timeout`], [`timeout_at`] | give a future a deadline |
//! | [`interval`], [`interval_at`] | tick at a fixed period |
//! | `pause`, `resume`, `advance` | stop and move the clock in tests (feature `test-util`) |
//!
//! # Examples
//!
//! ```
//! use cmwq::time::{Duration, sleep, timeout};
//!
//! # #[cmwq::main]
//! # async fn main() {
//! let result = timeout(Duration::from_millis(1), sleep(Duration::from_secs(1))).await;
//! assert!(result.is_err());
//! # }
//! ```

// # How it works
//
// Each core has its `Timers`: a hierarchical wheel (see `wheel/mod.rs`) behind a lock, and the time
// of its next wakeup in an atomic. A `Sleep` carries its own `Entry`, which the wheel links, so
// that nothing is allocated. It registers at its first poll with the core on which that happens and
// stays there: a task that moves to another core takes the lock of the old one, which is rare and
// only costs a cache miss. The thread that drives the core parks until `next_deadline` and then
// calls `fire`; after a takeover the next holder does, and the monitor may do so at any time, since
// the lock and not the role makes it safe.
//
// # The state of an entry
//
//             arm (lock)             fire (lock)
//     Idle ---------------> Armed ----------------> Fired
//       ^                   | ^ |                     |
//       |   cancel (lock)   | | |     close (lock)    |
//       +-------------------+ | +-------------------> Closed
//       |                     +-- put off (no lock)   |
//       |                rearm (no lock)              |
//       +---------------------------------------------+   (from Fired only)
//
// One atomic word is both the state and, while armed, the deadline. The *owner* is whoever has the
// `Pin<&mut Sleep>`; the *wheel* is whoever holds the lock.
//
// | field | read | written |
// |---|---|---|
// | state | anyone | idle, fired: owner. Armed: wheel; owner under the lock, or to put it off |
// | waker | owner (to compare), wheel (to copy out) | owner, under the lock |
// | links | wheel | wheel |
//
// # Why it is sound
//
// - The exchange from armed to fired (or closed) is the last thing that the wheel does to an entry.
//   An owner that sees one of them may free the memory without the lock. An owner that sees armed
//   takes the lock, looks again, and removes the entry before it frees it.
// - The waker belongs to the entry while that is armed. The wheel reads its bits before the
//   exchange and may call them its own only if the exchange succeeds, which happens once. It leaves
//   the bits in place, so that the owner's comparison of wakers without the lock reads memory that
//   nobody writes. A stale match is right: see `Sleep::poll_elapsed`.
// - Putting off a deadline is a compare-exchange from armed to armed. The wheel, when the time of
//   the old deadline comes, reads the state afresh, fails to fire it and places it anew. It either
//   sees the new deadline or has fired before, and then the owner's exchange fails.
// - Under the lock nothing is allocated, no waker is cloned, called or dropped, and nothing sleeps.
//   Wakers leave in batches of fixed size and are called without the lock.
// - `next` is written under the lock. A thread that arms an earlier deadline than all others and
//   does not drive the core unparks the one that does, after the write.
//
// # Coalescing
//
// After a wakeup the next one is at least a granularity later, however dense the deadlines are;
// what becomes due in between fires together. A timer that has no near neighbour is not delayed.
//
// # Rejected
//
// - One wheel for all cores: a lock that all cores fight for, and every fired task woken remotely.
// - Entries in an `Arc`, as a safe design would have them: an allocation for each timeout.
// - A waker kept in an `AtomicWaker`: two more atomic operations per poll, where the lock that the
//   registration takes anyway is enough.
// - Moving a sleep to the core that polls it: a lock of two cores at each migration, to save a lock
//   of one.
// - Rounding to milliseconds, as tokio does: it makes the wheel smaller and every sleep late.

mod alarm;
mod clock;
mod entry;
pub mod error;
mod instant;
mod interval;
#[cfg(all(test, cmwq_loom))]
mod loom_tests;
mod sleep;
#[cfg(feature = "test-util")]
mod test_clock;
#[cfg(all(test, not(cmwq_loom)))]
mod tests;
mod timeout;
mod timers;
mod wheel;

#[doc(no_inline)]
pub use std::time::Duration;

pub use instant::Instant;
pub use interval::{Interval, MissedTickBehavior, interval, interval_at};
pub use sleep::{Sleep, sleep, sleep_until};
#[cfg(feature = "test-util")]
pub use test_clock::{advance, pause, resume};
pub use timeout::{Timeout, timeout, timeout_at};

pub(crate) use crate::sys::clock::monotonic_ns as now_ns;
pub(crate) use alarm::{Alarm, Alarmed, Ring};
pub(crate) use clock::Clock;
pub(crate) use timers::Timers;

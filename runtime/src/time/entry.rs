//! The part of a sleep that the wheel links and fires.

use std::marker::PhantomPinned;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::task::Waker;

use crate::sync_types::UnsafeCell;
use crate::sync_types::atomic::{AtomicU64, Ordering};

/// Not in a wheel. The owner may arm it.
const IDLE: u64 = u64::MAX;
/// The wheel let go of it because its time came.
const FIRED: u64 = u64::MAX - 1;
/// The wheel let go of it because the runtime shuts down.
const CLOSED: u64 = u64::MAX - 2;
/// The latest deadline that an entry can have, 584 years of uptime.
pub(super) const LATEST: u64 = u64::MAX - 3;

/// A timer. See the essay in `mod.rs` for who may touch which field.
pub(super) struct Entry {
    /// The deadline in clock nanoseconds while armed, else one of the constants above.
    state: AtomicU64,
    /// Initialised while armed.
    waker: UnsafeCell<MaybeUninit<Waker>>,
    pub(super) links: UnsafeCell<Links>,
    /// The wheel points at it, also while its owner holds a `Pin<&mut Sleep>`.
    _pin: PhantomPinned,
}

/// Guarded by the wheel's lock.
pub(super) struct Links {
    pub(super) prev: Option<NonNull<Entry>>,
    pub(super) next: Option<NonNull<Entry>>,
    /// The time by which it was placed: the deadline, or an earlier one that was since put off.
    pub(super) when: u64,
    /// The slot that it is in.
    pub(super) place: usize,
}

/// What an entry is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Idle,
    Armed { deadline: u64 },
    Fired,
    Closed,
}

// SAFETY: `links` is touched under the wheel's lock only. `waker` is written under that lock, and
// moved out by the one who takes the entry out of the armed state. Wakers are Send.
unsafe impl Send for Entry {}
// SAFETY: as above; with a shared reference only `state`, an atomic, can be read.
unsafe impl Sync for Entry {}

impl Entry {
    pub(super) fn new() -> Entry {
        Entry {
            state: AtomicU64::new(IDLE),
            waker: UnsafeCell::new(MaybeUninit::uninit()),
            links: UnsafeCell::new(Links { prev: None, next: None, when: 0, place: 0 }),
            _pin: PhantomPinned,
        }
    }

    /// The state. `Fired` and `Closed` are final for the wheel: it touches the entry no more.
    pub(super) fn state(&self) -> State {
        match self.state.load(Ordering::Acquire) {
            IDLE => State::Idle,
            FIRED => State::Fired,
            CLOSED => State::Closed,
            deadline => State::Armed { deadline },
        }
    }

    // For the owner, that is, for whoever has the `Pin<&mut Sleep>`. --------------------------

    /// Puts the deadline off without the lock. False if the entry is not armed any more.
    ///
    /// Owner only, and `to` is not earlier than the present deadline `from`.
    pub(super) fn put_off(&self, from: u64, to: u64) -> bool {
        debug_assert!(from <= to && to <= LATEST);
        // The wheel reads the deadline afresh when the time of the old one comes.
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Makes a fired entry ready to be armed again; a closed one stays closed. Owner only, not
    /// while armed.
    pub(super) fn rearm(&self) {
        debug_assert!(!matches!(self.state(), State::Armed { .. }));
        if self.state() == State::Fired {
            self.state.store(IDLE, Ordering::Relaxed);
        }
    }

    /// Makes an idle entry a fired one without the wheel, because its deadline has passed. Owner
    /// only.
    pub(super) fn elapse(&self) {
        debug_assert_eq!(self.state(), State::Idle);
        self.state.store(FIRED, Ordering::Relaxed);
    }

    /// Whether the stored waker wakes the same task as `other`.
    ///
    /// # Safety
    /// Only by the owner, and only after it has armed the entry (fired since or not).
    pub(super) unsafe fn will_wake(&self, other: &Waker) -> bool {
        self.waker.with(|waker| {
            // SAFETY: initialised when the entry was armed. Only the owner writes it; the wheel,
            // when it fires, copies it out and leaves the bits, so this compares two pointers that
            // stay readable. The result counts only if the entry turns out to be armed.
            unsafe { (*waker).assume_init_ref() }.will_wake(other)
        })
    }

    // For the wheel, under its lock. ----------------------------------------------------------

    /// Arms an idle entry.
    ///
    /// # Safety
    /// By the owner, under the wheel's lock, while idle.
    pub(super) unsafe fn arm(&self, deadline: u64, waker: Waker) {
        // SAFETY: nobody else looks at the cell of an idle entry.
        self.waker.with_mut(|cell| unsafe { (*cell).write(waker) });
        self.state.store(deadline, Ordering::Release);
    }

    /// Moves an armed entry's deadline to any time.
    ///
    /// # Safety
    /// By the owner, under the wheel's lock, while armed.
    pub(super) unsafe fn set_deadline(&self, deadline: u64) {
        self.state.store(deadline, Ordering::Release);
    }

    /// Exchanges the waker of an armed entry.
    ///
    /// # Safety
    /// By the owner, under the wheel's lock, while armed.
    pub(super) unsafe fn replace_waker(&self, waker: Waker) -> Waker {
        self.waker.with_mut(|cell| {
            // SAFETY: initialised while armed; the lock keeps the wheel away.
            unsafe { std::mem::replace((*cell).assume_init_mut(), waker) }
        })
    }

    /// Takes the waker of an entry that the owner cancels, which becomes idle.
    ///
    /// # Safety
    /// By the owner, under the wheel's lock, while armed and in no list.
    pub(super) unsafe fn disarm(&self) -> Waker {
        self.state.store(IDLE, Ordering::Relaxed);
        // SAFETY: initialised while armed, and nobody takes it a second time from an idle entry.
        self.waker.with(|cell| unsafe { (*cell).assume_init_read() })
    }

    /// Fires an armed entry if its deadline is not after `time`; if it is, tells the deadline.
    ///
    /// After `Ok` the entry may be freed at any moment: the caller must not touch it again.
    ///
    /// # Safety
    /// Under the wheel's lock, while armed and in no list.
    pub(super) unsafe fn fire(&self, time: u64) -> Result<Waker, u64> {
        let mut deadline = self.state.load(Ordering::Relaxed);
        // Copied before the exchange, since after it the entry may be gone. The copy counts as the
        // waker only if the exchange succeeds.
        // SAFETY: reads bits, which are initialised while armed; written only under the lock.
        let waker = self.waker.with(|cell| unsafe { cell.read() });
        loop {
            if deadline > time {
                return Err(deadline);
            }
            match self.state.compare_exchange_weak(
                deadline,
                FIRED,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                // SAFETY: initialised while armed, and this was the one exchange out of armed.
                Ok(_) => return Ok(unsafe { waker.assume_init() }),
                Err(put_off) => deadline = put_off,
            }
        }
    }

    /// Ends an armed entry because the runtime shuts down. As [`Entry::fire`] otherwise.
    ///
    /// # Safety
    /// Under the wheel's lock, while armed and in no list.
    pub(super) unsafe fn close(&self) -> Waker {
        // SAFETY: as in `fire`.
        let waker = self.waker.with(|cell| unsafe { cell.read() });
        self.state.swap(CLOSED, Ordering::Release);
        // SAFETY: initialised while armed. An owner that puts the deadline off at this moment
        // either did so before, which the swap overwrites, or fails.
        unsafe { waker.assume_init() }
    }

    /// The deadline of an armed entry, for the wheel.
    pub(super) fn deadline(&self) -> u64 {
        self.state.load(Ordering::Relaxed)
    }
}

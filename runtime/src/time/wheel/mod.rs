//! A hierarchical timing wheel of intrusive entries.
//!
//! # Geometry
//!
//! Time is nanoseconds in a `u64`. A **tick** is 2^10 ns. The number of a tick has 54 bits, which
//! are nine digits of six bits; level `l` has 64 slots, one for each value of digit `l`. The wheel
//! remembers `elapsed`, the time up to which it has fired. An entry sits on the level of the
//! highest digit in which its tick differs from the tick of `elapsed`, in the slot of that digit of
//! its own (on level 0 if none differs). From this it follows:
//!
//! 1. all slots in use on a level lie after `elapsed` (on level 0: not before);
//! 2. everything on a level is due before anything on a higher one.
//!
//! So the earliest slot in use is found by two `trailing_zeros`: of the bitmap of levels in use and
//! of that level's bitmap of slots. Adding and removing touch the entry, its two neighbours and at
//! most two bitmap words.
//!
//! # Exactness
//!
//! A tick says only where an entry waits. Whether it is due is decided by its own nanosecond, so
//! nothing fires early, nothing is rounded, and a paused test clock can be moved to a deadline
//! exactly. Each slot keeps `min`, a lower bound of what it holds. The wheel is asked for the `min`
//! of its earliest slot, not for the start of the slot, so that a runtime with one sleep of ten
//! seconds wakes once, and not once for every level that the entry sinks through. Removing an entry
//! leaves `min` alone; the worst that comes of it is one wakeup that tightens the bound.
//!
//! # Cascading
//!
//! When the time comes to a slot of a higher level, its entries are placed anew relative to that
//! slot's `min`, or to the present if that is earlier; they always go to lower levels, because they
//! now share the digit that put them there. An entry moves at most once per level in its life, and
//! order is kept: the slots of a level are taken in turn, a list is moved from its front, and
//! nothing is added directly to lower levels of a range before that range has been cascaded.
//!
//! # Rejected
//!
//! - Rounding deadlines up to the tick: late by up to a tick, and a paused clock would show 1.000448
//!   ms after a sleep of 1 ms.
//! - A binary heap: O(log n) for every sleep that is cancelled, which is what nearly all timeouts
//!   do, and it allocates under the lock.
//! - Sorting the slots: the order inside of a microsecond is of no use to anybody.

mod batch;
mod list;

use std::ptr::NonNull;

pub(super) use batch::Batch;
use list::{List, links};

use super::entry::Entry;

const TICK_BITS: u32 = 10;
const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
/// Nine digits of six bits and ten bits of tick are all 64 bits: no deadline is out of range.
const LEVELS: usize = 9;

struct Slot {
    entries: List,
    /// Not later than the earliest entry; meaningless when there is none.
    min: u64,
}

/// The entries of one core. Lives behind the lock of `Timers`.
pub(super) struct Wheel {
    /// Everything due at this time or earlier has fired.
    elapsed: u64,
    /// Which levels have entries.
    levels: u16,
    /// Which slots of a level have entries.
    occupied: [u64; LEVELS],
    /// Slot `s` of level `l` is at `l * SLOTS + s`.
    slots: Box<[Slot]>,
}

// SAFETY: the entries it points at are Sync, and their links are touched through the wheel only.
unsafe impl Send for Wheel {}

impl Wheel {
    pub(super) fn new(now: u64) -> Wheel {
        let slot = || Slot { entries: List::new(), min: u64::MAX };
        Wheel {
            elapsed: now,
            levels: 0,
            occupied: [0; LEVELS],
            slots: std::iter::repeat_with(slot).take(LEVELS * SLOTS).collect(),
        }
    }

    /// Everything due at this time or earlier has fired.
    pub(super) fn elapsed(&self) -> u64 {
        self.elapsed
    }

    /// No entry is due before this time; `u64::MAX` if there are none.
    pub(super) fn earliest(&self) -> u64 {
        self.first_place().map_or(u64::MAX, |place| self.slots[place].min)
    }

    /// Adds an entry that is due at `when`, which is not before [`Wheel::elapsed`].
    ///
    /// # Safety
    /// The entry is in no wheel, and stays alive and in place until it is removed or fired.
    pub(super) unsafe fn insert(&mut self, entry: NonNull<Entry>, when: u64) {
        debug_assert!(when >= self.elapsed);
        let level = self.level_of(when);
        let digit = (when >> (TICK_BITS + DIGIT_BITS * level as u32)) as usize % SLOTS;
        let place = level * SLOTS + digit;
        let slot = &mut self.slots[place];
        slot.min = if slot.entries.is_empty() { when } else { slot.min.min(when) };
        // SAFETY: the caller's promise; `&mut self` is the lock.
        unsafe {
            links(entry, |links| (links.when, links.place) = (when, place));
            slot.entries.push_back(entry);
        }
        self.occupied[level] |= 1 << digit;
        self.levels |= 1 << level;
    }

    /// Takes an entry out before its time.
    ///
    /// # Safety
    /// The entry is in this wheel.
    pub(super) unsafe fn remove(&mut self, entry: NonNull<Entry>) {
        // SAFETY: the caller's promise; `&mut self` is the lock.
        let place = unsafe { links(entry, |links| links.place) };
        // SAFETY: an entry in the wheel is in the list of its place.
        unsafe { self.slots[place].entries.remove(entry) };
        self.note_if_empty(place);
    }

    /// Fires what is due at `now` into `batch`. True if the batch got full, and more may be due.
    pub(super) fn expire(&mut self, now: u64, batch: &mut Batch) -> bool {
        let now = now.max(self.elapsed);
        while let Some(place) = self.first_place() {
            if place >= SLOTS && self.start_of(place) <= now {
                self.cascade(place, now);
            } else if place < SLOTS && self.slots[place].min <= now {
                if !self.expire_slot(place, now, batch) {
                    return true;
                }
            } else {
                break;
            }
        }
        self.elapsed = now;
        false
    }

    /// Ends entries, due or not, because the runtime shuts down. True if there are more.
    pub(super) fn end_all(&mut self, batch: &mut Batch) -> bool {
        while let Some(place) = self.first_place() {
            while !batch.is_full() {
                // SAFETY: `&mut self` is the lock, and members are alive.
                let Some(entry) = (unsafe { self.slots[place].entries.pop_front() }) else { break };
                // SAFETY: armed, in no list now, and not touched after this.
                batch.push(unsafe { entry.as_ref().close() });
            }
            self.note_if_empty(place);
            if batch.is_full() {
                return true;
            }
        }
        false
    }

    /// Fires what is due in a slot of level 0 and places anew what was put off. False if the batch
    /// got full before the end.
    fn expire_slot(&mut self, place: usize, now: u64, batch: &mut Batch) -> bool {
        // Collected anew from what stays.
        let old_min = std::mem::replace(&mut self.slots[place].min, u64::MAX);
        let mut next = self.slots[place].entries.first();
        // SAFETY: `&mut self` is the lock; members are alive.
        let last = unsafe { self.slots[place].entries.last() };
        while let Some(entry) = next {
            if batch.is_full() {
                self.slots[place].min = old_min;
                return false;
            }
            // Read before the entry is removed or, once it has fired, freed.
            // SAFETY: a member is alive.
            let (when, following) = unsafe { links(entry, |links| (links.when, links.next)) };
            next = if next == last { None } else { following };
            if when > now {
                let slot = &mut self.slots[place];
                slot.min = slot.min.min(when);
                continue;
            }
            // SAFETY: it is a member; after this it is in no list, and armed until `fire` says Ok.
            // If it was put off it is still armed, and its owner cannot free it without the lock.
            unsafe {
                self.slots[place].entries.remove(entry);
                // Not `now`: one that was put off waits for its turn, be it due already.
                match entry.as_ref().fire(when) {
                    Ok(waker) => batch.push(waker),
                    // Perhaps back into this slot, whose `min` then takes it into account.
                    Err(put_off) => self.insert(entry, put_off),
                }
            }
        }
        self.note_if_empty(place);
        true
    }

    /// Moves the entries of a slot of a higher level down, now that the time has come to it.
    fn cascade(&mut self, place: usize, now: u64) {
        let slot = &mut self.slots[place];
        let mut entries = std::mem::replace(&mut slot.entries, List::new());
        // Nothing is due between the start of the slot and its `min`: skip what lies between.
        self.elapsed = slot.min.min(now);
        self.note_if_empty(place);
        // SAFETY: `&mut self` is the lock; members are alive, and those that are popped are in no
        // list. A deadline can only have been put off since the entry was placed.
        unsafe {
            while let Some(entry) = entries.pop_front() {
                let when = entry.as_ref().deadline();
                debug_assert!(when >= links(entry, |links| links.when));
                self.insert(entry, when);
            }
        }
    }

    /// The slot in use that comes first in time.
    fn first_place(&self) -> Option<usize> {
        if self.levels == 0 {
            return None;
        }
        let level = self.levels.trailing_zeros() as usize;
        Some(level * SLOTS + self.occupied[level].trailing_zeros() as usize)
    }

    /// The first nanosecond of a slot.
    fn start_of(&self, place: usize) -> u64 {
        let shift = TICK_BITS + DIGIT_BITS * (place / SLOTS) as u32;
        let digit = (place % SLOTS) as u64;
        let higher = self.elapsed >> shift & !(SLOTS as u64 - 1);
        (higher | digit) << shift
    }

    fn level_of(&self, when: u64) -> usize {
        let differing = (self.elapsed ^ when) >> TICK_BITS;
        // The lowest digit's bits are set so that the logarithm is that of level 0 at least.
        ((differing | (SLOTS as u64 - 1)).ilog2() / DIGIT_BITS) as usize
    }

    /// Clears the bits of a slot that has become empty.
    fn note_if_empty(&mut self, place: usize) {
        if self.slots[place].entries.is_empty() {
            let level = place / SLOTS;
            self.occupied[level] &= !(1 << (place % SLOTS));
            if self.occupied[level] == 0 {
                self.levels &= !(1 << level);
            }
        }
    }
}

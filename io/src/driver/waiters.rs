//! Who waits for a source.
//!
//! Two slots serve the `poll_` methods, which promise to wake the last task that called them in each
//! direction. A table of entries serves the futures, of which there may be many, each with its own
//! interest. All of it lies under the mutex of the source, and nothing here clones, wakes or drops a
//! waker or allocates: those are left to the caller, outside of the mutex.

use super::scheduled_io::Direction;
use crate::io::Ready;
use std::collections::VecDeque;
use std::task::Waker;

#[derive(Debug, Default)]
pub(super) struct Waiters {
    reader: Option<Waker>,
    writer: Option<Waker>,
    entries: Vec<Entry>,
    /// Entries that hold a waker, so that an event for a socket without them looks at none.
    armed: usize,
    /// Entries that nobody uses.
    vacant: usize,
}

#[derive(Debug)]
enum Entry {
    Vacant,
    /// The waker is gone once the waiter was told; the future gives the entry back.
    Occupied {
        mask: Ready,
        waker: Option<Waker>,
    },
}

impl Waiters {
    /// Makes `waker` the one of `direction`; returns the waker that is to be dropped, the former one
    /// or, where that wakes the same task, `waker` itself.
    pub(super) fn set_slot(&mut self, direction: Direction, waker: Waker) -> Option<Waker> {
        let slot = match direction {
            Direction::Read => &mut self.reader,
            Direction::Write => &mut self.writer,
        };
        match slot {
            Some(present) if present.will_wake(&waker) => Some(waker),
            _ => slot.replace(waker),
        }
    }

    /// Whether [`insert`](Self::insert) would have to allocate.
    pub(super) fn is_full(&self) -> bool {
        self.vacant == 0 && self.entries.len() == self.entries.capacity()
    }

    /// How many entries a larger table should have.
    pub(super) fn wanted_capacity(&self) -> usize {
        (self.entries.len() * 2).max(4)
    }

    /// Moves the entries into `room` if that is larger, and leaves the former table in `room`.
    pub(super) fn grow_into<'a>(&mut self, room: &'a mut EntryRoom) -> &'a mut EntryRoom {
        if room.0.capacity() > self.entries.len() {
            room.0.append(&mut self.entries);
            std::mem::swap(&mut room.0, &mut self.entries);
        }
        room
    }

    /// Adds an entry and returns its key. The table must not be full.
    pub(super) fn insert(&mut self, mask: Ready, waker: Waker) -> usize {
        debug_assert!(!self.is_full());
        self.armed += 1;
        let entry = Entry::Occupied { mask, waker: Some(waker) };
        if self.vacant > 0 {
            let free = self.entries.iter().position(|entry| matches!(entry, Entry::Vacant));
            let key = free.expect("the count of vacant entries is right");
            self.vacant -= 1;
            self.entries[key] = entry;
            key
        } else {
            self.entries.push(entry);
            self.entries.len() - 1
        }
    }

    /// Gives the entry `key` another waker; returns the one to be dropped, as `set_slot` does.
    pub(super) fn update(&mut self, key: usize, waker: Waker) -> Option<Waker> {
        let Entry::Occupied { waker: present, .. } = &mut self.entries[key] else {
            unreachable!("a future keeps its entry until it removes it");
        };
        match present {
            Some(present) if present.will_wake(&waker) => return Some(waker),
            Some(_) => {}
            None => self.armed += 1,
        }
        present.replace(waker)
    }

    /// Ends the entry `key`; returns its waker to be dropped.
    pub(super) fn remove(&mut self, key: usize) -> Option<Waker> {
        let entry = std::mem::replace(&mut self.entries[key], Entry::Vacant);
        self.vacant += 1;
        let Entry::Occupied { waker, .. } = entry else {
            unreachable!("a future removes its entry once");
        };
        if waker.is_some() {
            self.armed -= 1;
        }
        waker
    }

    /// Moves the wakers of those who wait for a part of `ready` to `due`, without letting it grow.
    /// Returns false when there was no room for all: the caller makes room and calls again.
    pub(super) fn take(&mut self, ready: Ready, due: &mut VecDeque<Waker>) -> bool {
        for direction in [Direction::Read, Direction::Write] {
            if ready.intersection(direction.mask()).is_empty() {
                continue;
            }
            let slot = match direction {
                Direction::Read => &mut self.reader,
                Direction::Write => &mut self.writer,
            };
            if !move_to(slot, due) {
                return false;
            }
        }
        if self.armed == 0 {
            return true;
        }
        for entry in &mut self.entries {
            let Entry::Occupied { mask, waker: waker @ Some(_) } = entry else { continue };
            if ready.intersection(*mask).is_empty() {
                continue;
            }
            if !move_to(waker, due) {
                return false;
            }
            self.armed -= 1;
        }
        true
    }
}

fn move_to(slot: &mut Option<Waker>, due: &mut VecDeque<Waker>) -> bool {
    if slot.is_some() && due.len() == due.capacity() {
        return false;
    }
    if let Some(waker) = slot.take() {
        due.push_back(waker);
    }
    true
}

/// Memory for a larger table, made and freed outside of the mutex.
#[derive(Debug, Default)]
pub(super) struct EntryRoom(Vec<Entry>);

impl EntryRoom {
    pub(super) fn with_capacity(entries: usize) -> EntryRoom {
        EntryRoom(Vec::with_capacity(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(waiters: &mut Waiters, mask: Ready) -> usize {
        if waiters.is_full() {
            waiters.grow_into(&mut EntryRoom::with_capacity(waiters.wanted_capacity()));
        }
        waiters.insert(mask, Waker::noop().clone())
    }

    #[test]
    fn take_stops_at_full_and_goes_on() {
        let mut waiters = Waiters::default();
        waiters.set_slot(Direction::Read, Waker::noop().clone());
        for _ in 0..9 {
            insert(&mut waiters, Ready::READABLE);
        }
        let other = insert(&mut waiters, Ready::WRITABLE);
        let mut due = VecDeque::with_capacity(4);
        let mut woken = 0;
        while !waiters.take(Ready::READABLE, &mut due) {
            assert_eq!(due.len(), due.capacity());
            woken += due.drain(..).count();
        }
        assert_eq!(woken + due.len(), 10);
        assert_eq!(waiters.armed, 1);
        assert!(waiters.remove(other).is_some());
        assert_eq!(waiters.armed, 0);
    }

    #[test]
    fn entries_are_used_again() {
        let mut waiters = Waiters::default();
        for _ in 0..100 {
            let key = insert(&mut waiters, Ready::READABLE);
            assert!(waiters.update(key, Waker::noop().clone()).is_some());
            assert!(waiters.remove(key).is_some());
        }
        assert_eq!((waiters.entries.len(), waiters.vacant, waiters.armed), (1, 1, 0));
    }
}

//! The books of a pool_workqueue: what is in flight, who is in progress, who waits in which list.
//!
//! Plain data behind the pool_workqueue's lock; knows neither pools nor threads, so that a model can
//! run it with any task type. What becomes runnable is given to a closure, which puts it into the
//! pool's worklist and says where it is.
//!
//! # Places of an item
//!
//! ```text
//!   admit --+--> Inactive --activate--> Pool --> (popped, polled) --wake--> Pool ...--> finish
//!           +------------------------->  |  <---------- thaw ---------- Held
//!                                        +------------ freeze -------->
//! ```
//!
//! `Pool` stays when a worker has taken the item out of the worklist: its key is then stale, which
//! the worklist notices.

use super::colour::{Colour, Colours};
use super::slots::{Kind, Slots};
use slab::Slab;
use std::collections::HashMap;

/// A task as the books see it.
pub(super) trait Task {
    /// Which task it is.
    fn identity(&self) -> usize;
}

/// The number of an item in the books: its place, used again after it, and a serial number that is
/// not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ItemId {
    pub(super) index: usize,
    serial: u64,
}

/// Where an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place<K> {
    /// In the inactive list.
    Inactive,
    /// In the pool's worklist, or taken from it since.
    Pool(K),
    /// Woken, or waiting in the pool, when the queue was frozen.
    Held,
}

/// What an item has of the limit.
#[derive(Debug)]
pub(super) enum Slot<L> {
    /// Nothing: it is not in progress, or was aborted before it was.
    None,
    Own,
    /// The slot of an item that awaits it.
    Lent(L),
}

/// One item in flight. `T` is the task, `K` its key in the worklist, `L` the loan of a slot.
struct Item<T, K, L> {
    serial: u64,
    identity: usize,
    /// While it is in one of our lists.
    task: Option<T>,
    kind: Kind,
    colour: Colour,
    place: Place<K>,
    slot: Slot<L>,
    /// The slot that it lends, or wants to lend, to items that it awaits.
    lends: Option<L>,
    prev: Option<usize>,
    next: Option<usize>,
}

/// A list of items, linked through them.
#[derive(Default)]
struct List {
    head: Option<usize>,
    tail: Option<usize>,
    len: usize,
}

pub(super) struct Accounts<T, K, L> {
    items: Slab<Item<T, K, L>>,
    serial: u64,
    inactive: List,
    held: List,
    colours: Colours,
    /// Nothing is activated: an older pool_workqueue of the ordered queue is still in use.
    pub(super) is_plugged: bool,
    /// Nothing is activated, and what is woken is held back.
    is_frozen: bool,
    /// Nothing waits, whatever the limit.
    is_closed: bool,
}

/// What is left when an item is done.
pub(super) struct Finished<L> {
    /// A flush may be over.
    pub(super) colour_gone: bool,
    /// It used somebody's slot.
    pub(super) borrowed: Option<L>,
}

impl<T: Task, K: Copy, L: Clone> Accounts<T, K, L> {
    pub(super) fn new(is_plugged: bool, is_frozen: bool) -> Self {
        Self {
            items: Slab::new(),
            serial: 0,
            inactive: List::default(),
            held: List::default(),
            colours: Colours::new(),
            is_plugged,
            is_frozen,
            is_closed: false,
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.items.len()
    }

    pub(super) fn inactive(&self) -> usize {
        self.inactive.len
    }

    /// Items that were ever admitted.
    pub(super) fn admitted(&self) -> u64 {
        self.serial
    }

    pub(super) fn colours(&mut self) -> &mut Colours {
        &mut self.colours
    }

    /// Takes a task in: active if there is a slot and nobody waits for one, else inactive.
    ///
    /// `note` is told the item's number, which is returned too, before the task can run.
    pub(super) fn admit(
        &mut self,
        task: T,
        kind: Kind,
        slots: &mut Slots,
        note: impl FnOnce(usize),
        run: impl FnOnce(usize, T) -> K,
    ) -> usize {
        let colour = self.colours.enter();
        self.serial += 1;
        let waits = !self.is_closed
            && (self.is_stopped()
                || !slots.has_room(kind)
                || (self.inactive.len > 0 && !slots.is_unlimited(kind)));
        let index = self.items.insert(Item {
            serial: self.serial,
            identity: task.identity(),
            task: None,
            kind,
            colour,
            place: Place::Inactive,
            slot: Slot::None,
            lends: None,
            prev: None,
            next: None,
        });
        note(index);
        if waits {
            self.append(index, task, Place::Inactive);
        } else {
            slots.take(kind);
            let key = run(index, task);
            let item = &mut self.items[index];
            (item.slot, item.place) = (Slot::Own, Place::Pool(key));
        }
        index
    }

    fn is_stopped(&self) -> bool {
        (self.is_plugged || self.is_frozen) && !self.is_closed
    }

    /// Activates the first inactive item, if it may be. Returns whether it did.
    pub(super) fn activate_one(
        &mut self,
        slots: &mut Slots,
        run: impl FnOnce(usize, T) -> K,
    ) -> bool {
        let Some(first) = self.inactive.head.filter(|_| !self.is_stopped()) else { return false };
        let kind = self.items[first].kind;
        if !slots.has_room(kind) {
            return false;
        }
        slots.take(kind);
        self.run(first, run);
        self.items[first].slot = Slot::Own;
        true
    }

    /// Activates what may be.
    pub(super) fn activate(&mut self, slots: &mut Slots, mut run: impl FnMut(usize, T) -> K) {
        while self.activate_one(slots, &mut run) {}
    }

    /// An item in progress was woken.
    pub(super) fn wake(&mut self, index: usize, task: T, run: impl FnOnce(usize, T) -> K) {
        if self.is_frozen && !self.is_closed {
            self.append(index, task, Place::Held);
        } else {
            self.wake_aborted(index, task, run);
        }
    }

    /// An item was woken to be cancelled, or may run.
    pub(super) fn wake_aborted(&mut self, index: usize, task: T, run: impl FnOnce(usize, T) -> K) {
        let key = run(index, task);
        self.items[index].place = Place::Pool(key);
    }

    /// An item is done, or withdrawn. It is in no list any more.
    pub(super) fn finish(&mut self, index: usize, slots: &mut Slots) -> Finished<L> {
        let item = self.items.remove(index);
        debug_assert!(item.task.is_none(), "an item in a list was finished");
        let borrowed = match item.slot {
            Slot::None => None,
            Slot::Own => {
                slots.give_back(item.kind);
                None
            }
            Slot::Lent(loan) => Some(loan),
        };
        Finished { colour_gone: self.colours.leave(item.colour), borrowed }
    }

    /// Where an item is.
    pub(super) fn place(&self, index: usize) -> Place<K> {
        self.items[index].place
    }

    /// Moves an item that waits in the pool, or was taken from it, if `shift` does.
    pub(super) fn shift(&mut self, index: usize, shift: impl FnOnce(K) -> Option<K>) {
        if let Some(item) = self.items.get_mut(index)
            && let Place::Pool(key) = item.place
        {
            item.place = Place::Pool(shift(key).unwrap_or(key));
        }
    }

    /// The same for all items, in the order in which they were queued.
    pub(super) fn shift_all(&mut self, mut shift: impl FnMut(K) -> Option<K>) {
        let mut items: Vec<_> =
            self.items.iter().map(|(index, item)| (item.serial, index)).collect();
        items.sort_unstable();
        items.into_iter().for_each(|(_, index)| self.shift(index, &mut shift));
    }

    /// Takes an item out of the inactive or the held list, if it is in one.
    pub(super) fn take(&mut self, index: usize) -> Option<T> {
        self.items[index].task.is_some().then(|| self.unlink(index))
    }

    /// Lets an item run that was to wait, without a slot: it will not be polled but cancelled.
    pub(super) fn run_aborted(&mut self, index: usize, run: impl FnOnce(usize, T) -> K) {
        if self.items[index].task.is_some() {
            self.run(index, run);
        }
    }

    /// The full number of an item.
    pub(super) fn id(&self, index: usize) -> ItemId {
        ItemId { index, serial: self.items[index].serial }
    }

    pub(super) fn is_alive(&self, id: ItemId) -> bool {
        self.items.get(id.index).is_some_and(|item| item.serial == id.serial)
    }

    /// Is the item inactive, so that it will want a slot?
    pub(super) fn lacks_slot(&self, index: usize) -> bool {
        matches!(self.items[index].place, Place::Inactive)
    }

    /// The loan of an item that awaited others, if it did.
    pub(super) fn loan_of(&self, index: usize) -> Option<L> {
        self.items[index].lends.clone()
    }

    /// The loan of an item that awaits others.
    pub(super) fn lends(&mut self, index: usize, new: impl FnOnce() -> L) -> L {
        self.items[index].lends.get_or_insert_with(new).clone()
    }

    /// Activates an inactive item on the slot of one that awaits it. Returns whether it did. While
    /// the queue is frozen the item is held: who awaits it may not look again after the thaw.
    pub(super) fn borrow(&mut self, id: ItemId, loan: L, run: impl FnOnce(usize, T) -> K) -> bool {
        if !self.is_alive(id) || !self.lacks_slot(id.index) {
            return false;
        }
        if self.is_frozen && !self.is_closed {
            let task = self.unlink(id.index);
            self.append(id.index, task, Place::Held);
        } else {
            self.run(id.index, run);
        }
        self.items[id.index].slot = Slot::Lent(loan);
        true
    }

    /// The lender of an item's slot is done: the item is counted itself from now on.
    pub(super) fn keep_loan(&mut self, id: ItemId, slots: &mut Slots) {
        if self.is_alive(id) && matches!(self.items[id.index].slot, Slot::Lent(_)) {
            let item = &mut self.items[id.index];
            item.slot = Slot::Own;
            slots.take(item.kind);
        }
    }

    /// Stops everything that is not running at this moment. `recalled` is what waited in the pool,
    /// in order.
    pub(super) fn freeze(&mut self, recalled: Vec<T>) {
        self.is_frozen = true;
        if recalled.is_empty() {
            return;
        }
        // A task may have two items, one that runs and one that was queued meanwhile: the younger
        // one is meant.
        let mut items = HashMap::new();
        for (index, item) in self.items.iter().filter(|(_, item)| item.task.is_none()) {
            let known = items.entry(item.identity).or_insert((item.serial, index));
            *known = (*known).max((item.serial, index));
        }
        for task in recalled {
            let (_, index) = items[&task.identity()];
            self.append(index, task, Place::Held);
        }
    }

    /// Lets what was held run, in order. The caller activates others then.
    pub(super) fn thaw(&mut self, mut run: impl FnMut(usize, T) -> K) {
        self.is_frozen = false;
        while let Some(first) = self.held.head {
            self.run(first, &mut run);
        }
    }

    /// Lets everything run, from now on.
    pub(super) fn close(&mut self, mut run: impl FnMut(usize, T) -> K) {
        self.is_closed = true;
        while let Some(first) = self.held.head.or(self.inactive.head) {
            self.run(first, &mut run);
        }
    }

    /// From a list into the pool.
    fn run(&mut self, index: usize, run: impl FnOnce(usize, T) -> K) {
        let task = self.unlink(index);
        let key = run(index, task);
        self.items[index].place = Place::Pool(key);
    }

    fn append(&mut self, index: usize, task: T, place: Place<K>) {
        let list = match place {
            Place::Held => &mut self.held,
            _ => &mut self.inactive,
        };
        let prev = list.tail.replace(index);
        list.len += 1;
        match prev {
            Some(prev) => self.items[prev].next = Some(index),
            None => list.head = Some(index),
        }
        let item = &mut self.items[index];
        (item.task, item.place) = (Some(task), place);
        (item.prev, item.next) = (prev, None);
    }

    fn unlink(&mut self, index: usize) -> T {
        let item = &mut self.items[index];
        let task = item.task.take().expect("an item in a list has its task");
        let (prev, next) = (item.prev.take(), item.next.take());
        let list = match item.place {
            Place::Held => &mut self.held,
            _ => &mut self.inactive,
        };
        list.len -= 1;
        match prev {
            Some(prev) => self.items[prev].next = next,
            None => list.head = next,
        }
        match next {
            Some(next) => self.items[next].prev = prev,
            None => list.tail = prev,
        }
        task
    }
}

#[cfg(all(test, not(cmwq_loom)))]
mod tests;

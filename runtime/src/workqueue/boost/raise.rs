//! Raising and lowering the items of a pool_workqueue.

use super::awaited::Awaited;
use super::ledger::Entry;
use super::tasks;
use super::thread;
use super::waits::Waits;
use crate::unpoison::Unpoison;
use crate::workqueue::accounts::{ItemId, Place};
use crate::workqueue::current;
use crate::workqueue::pwq::PoolWorkqueue;
use crate::workqueue::ticket::Ticket;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex};

static ALONE: Mutex<()> = Mutex::new(());

/// Runs `f` while no other thread raises or lowers anything.
pub(super) fn alone<R>(f: impl FnOnce() -> R) -> R {
    let _alone = ALONE.lock().unpoison();
    f()
}

/// What an edge leads to, of a pool_workqueue.
#[derive(Clone)]
pub(crate) struct Item {
    pwq: Arc<PoolWorkqueue>,
    /// The item, which may be done; `None` for all, of a flush of the whole queue.
    id: Option<ItemId>,
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && Arc::ptr_eq(&self.pwq, &other.pwq)
    }
}

impl Eq for Item {}

impl Hash for Item {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (Arc::as_ptr(&self.pwq), self.id).hash(state);
    }
}

impl Item {
    /// Inside of `alone`.
    pub(super) fn raise(&self) -> Option<Arc<Waits<Awaited>>> {
        match self.id {
            Some(id) => self.pwq.raise(id),
            None => {
                self.pwq.raise_all();
                None
            }
        }
    }

    /// Inside of `alone`.
    pub(super) fn lower(&self) -> Option<Arc<Waits<Awaited>>> {
        match self.id {
            Some(id) => self.pwq.lower(id),
            None => {
                self.pwq.lower_all();
                None
            }
        }
    }
}

/// What the item that this thread runs, or the raised task, waits for.
pub(super) fn own_waits() -> Option<Arc<Waits<Awaited>>> {
    current::with(|current| match current {
        Some((pwq, ticket)) => pwq.waits(ticket),
        None => tasks::own_waits_of_task(),
    })
}

impl PoolWorkqueue {
    /// The edges of an item that is in flight.
    fn waits(&self, ticket: &Ticket) -> Option<Arc<Waits<Awaited>>> {
        self.with_boosts(|_, boosts| {
            let item = ticket.get()?;
            let is_urgent = self.is_urgent() || boosts.is_raised(item);
            Some(boosts.waits(item, || Arc::new(Waits::new(is_urgent))))
        })
    }

    /// The `JoinHandle` of a future was polled on this thread, and it is not complete.
    pub(in crate::workqueue) fn handle_polled(self: &Arc<Self>, ticket: &Ticket) {
        let waits = own_waits();
        if waits.is_some() || ticket.is_awaited() {
            self.set_awaiter(ticket, waits);
        }
    }

    /// The `JoinHandle` is dropped.
    pub(in crate::workqueue) fn handle_dropped(self: &Arc<Self>, ticket: &Ticket) {
        if ticket.is_awaited() {
            self.set_awaiter(ticket, None);
        }
    }

    fn set_awaiter(self: &Arc<Self>, ticket: &Ticket, waits: Option<Arc<Waits<Awaited>>>) {
        ticket.set_awaited(waits.is_some());
        let changed = self.with_boosts(|books, boosts| {
            let index = ticket.get()?;
            let is_same = match (boosts.awaiter(index), &waits) {
                (Some(old), Some(new)) => Arc::ptr_eq(old, new),
                (None, None) => true,
                _ => false,
            };
            if is_same {
                return None;
            }
            let item = Awaited::Item(Item { pwq: self.clone(), id: Some(books.id(index)) });
            let is_urgent = waits.as_ref().is_some_and(|waits| waits.record(&item));
            Some((boosts.set_awaiter(index, waits.clone()), is_urgent, item))
        });
        let Some((old, is_urgent, item)) = changed else { return };
        // In this order: what stays raised is not lowered in between.
        if let Some(waits) = waits.filter(|_| is_urgent) {
            waits.raise(&item);
        }
        if let Some(old) = old {
            old.cut(&item);
        }
    }

    /// The item that this thread runs waits for one of ours, in a flush. Under the lock of the work
    /// item; see [`Bond::raise`].
    pub(in crate::workqueue) fn bond(self: &Arc<Self>, ticket: &Ticket) -> Option<Bond> {
        let waits = own_waits()?;
        let item = self.with_boosts(|books, _| {
            Some(Awaited::Item(Item { pwq: self.clone(), id: Some(books.id(ticket.get()?)) }))
        })?;
        let is_urgent = waits.record(&item);
        Some(Bond { waits, item, is_urgent })
    }

    /// Inside of `alone`.
    fn raise(&self, id: ItemId) -> Option<Arc<Waits<Awaited>>> {
        if self.is_urgent() {
            return None;
        }
        // Makes threads at first use: not under the lock.
        self.make_urgent_pool();
        let (waits, presses) = self.with_boosts(|books, boosts| {
            if !books.is_alive(id) || !boosts.raise(id.index) {
                return None;
            }
            self.stats.boosted.increment();
            let presses = books.place(id.index) == Place::Inactive;
            if presses {
                if boosts.press(id.index) {
                    books.shift_all(|spot| self.shift(spot, true));
                }
            } else {
                books.shift(id.index, |spot| self.shift(spot, true));
            }
            Some((boosts.waits_of(id.index), presses))
        })?;
        // What is inactive runs nowhere, and those before it are meant.
        thread::raise(self, Some(id.index).filter(|_| !presses));
        waits
    }

    /// Inside of `alone`.
    fn raise_all(&self) {
        if self.is_urgent() {
            return;
        }
        self.make_urgent_pool();
        self.with_boosts(|books, boosts| {
            self.stats.boosted.increment();
            if boosts.press_all() {
                books.shift_all(|spot| self.shift(spot, true));
            }
        });
        thread::raise(self, None);
    }

    /// Inside of `alone`. What was pressed stays where it is until its next wake, and a thread until
    /// the end of its poll.
    fn lower_all(&self) {
        if !self.is_urgent() {
            self.with_boosts(|_, boosts| boosts.relax_all());
        }
    }

    /// Inside of `alone`.
    fn lower(&self, id: ItemId) -> Option<Arc<Waits<Awaited>>> {
        let (waits, is_pressed) = self.with_boosts(|books, boosts| {
            if !books.is_alive(id) || !boosts.lower(id.index) {
                return None;
            }
            // What was pressed stays where it is until its next wake.
            if !boosts.is_pressed() {
                books.shift(id.index, |spot| self.shift(spot, false));
            }
            Some((boosts.waits_of(id.index), boosts.is_pressed()))
        })?;
        if !is_pressed {
            thread::lower(self, id.index);
        }
        waits
    }
}

/// The edges of a flush of a queue; cut when dropped: not under a lock.
#[derive(Default)]
pub(in crate::workqueue) struct FlushBonds(Vec<Bond>);

impl FlushBonds {
    /// The flush is polled on this thread, and has to wait. Another item may poll it than did before.
    pub(in crate::workqueue) fn renew(&mut self, pwqs: &[Arc<PoolWorkqueue>]) {
        let waits = own_waits();
        let is_same = match (self.0.first(), &waits) {
            (Some(bond), Some(waits)) => Arc::ptr_eq(&bond.waits, waits),
            (None, None) => true,
            _ => false,
        };
        if is_same {
            return;
        }
        let bond = |pwq: &Arc<PoolWorkqueue>| {
            let item = Awaited::Item(Item { pwq: pwq.clone(), id: None });
            let waits = waits.clone()?;
            let is_urgent = waits.record(&item);
            let bond = Bond { waits, item, is_urgent };
            bond.raise();
            Some(bond)
        };
        // In this order: what stays raised is not lowered in between.
        let new = pwqs.iter().filter_map(bond).collect();
        drop(std::mem::replace(&mut self.0, new));
    }
}

/// The edge of a flush to the queueing that it waits for. Cut when dropped: not under a lock.
pub(crate) struct Bond {
    waits: Arc<Waits<Awaited>>,
    item: Awaited,
    is_urgent: bool,
}

impl Bond {
    /// Completes its making when no lock is held.
    pub(in crate::workqueue) fn raise(&self) {
        if self.is_urgent {
            self.waits.raise(&self.item);
        }
    }
}

impl Drop for Bond {
    fn drop(&mut self) {
        self.waits.cut(&self.item);
    }
}

/// The edges of an item that is done.
pub(crate) struct Bonds {
    item: Awaited,
    entry: Entry<Arc<Waits<Awaited>>>,
}

impl Bonds {
    pub(in crate::workqueue) fn of(
        pwq: &Arc<PoolWorkqueue>,
        id: ItemId,
        boosts: &mut super::Ledger<Arc<Waits<Awaited>>>,
    ) -> Option<Self> {
        let entry = boosts.remove(id.index)?;
        Some(Self { item: Awaited::Item(Item { pwq: pwq.clone(), id: Some(id) }), entry })
    }

    /// Not under a lock.
    pub(in crate::workqueue) fn cut(self) {
        if let Some(awaiter) = self.entry.awaiter {
            awaiter.cut(&self.item);
        }
        if let Some(waits) = self.entry.waits {
            waits.close();
        }
    }
}

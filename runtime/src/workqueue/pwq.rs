//! The link between a workqueue and a pool.

use super::accounts::{Accounts, Finished, ItemId, Place, Task};
use super::boost::{Bonds, Item, Ledger, Waits};
use super::current;
use super::events::{self, EventKind};
use super::flush::{Flushes, Gathering};
use super::lending::Loan;
use super::nodes::{Node, NodeState};
use super::pools;
use super::queue::{Common, Queue};
use super::slots::{DEFAULT_WORK, Kind, Slots};
use super::stats::PwqStats;
use super::ticket::Ticket;
use crate::pool::{
    HIGH_NICE, Key, LineHold, PoolAttrs, PoolKind, QueueId, RescuerHold, WorkerPool,
};
use crate::sync_types::{Mutex, MutexGuard, lock};
use crate::task::Notified;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

pub(super) type Books = Accounts<Notified, Spot, Arc<Loan>>;
pub(super) type Boosts = Ledger<Arc<Waits<Item>>>;

/// Where an item waits that was put into a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    /// In the urgent pool, not in the pool_workqueue's own.
    is_urgent: bool,
    key: Key,
}

impl Task for Notified {
    fn identity(&self) -> usize {
        std::ptr::from_ref(self.header()) as usize
    }
}

/// Where the slots come from.
pub(super) enum Gate {
    /// Our own: of a bound queue, whose limit holds per CPU, and of an ordered one.
    Own,
    /// The node's, which the pool_workqueues of the queue on it share.
    Node(Arc<Node>),
}

/// The pool, and what keeps it.
pub(super) type PoolHold = Box<dyn Deref<Target = WorkerPool> + Send + Sync>;

pub(crate) struct PoolWorkqueue {
    id: QueueId,
    pub(super) common: Arc<Common>,
    pool: PoolHold,
    /// For items that are raised; see `boost`. Made when there is one.
    urgent: OnceLock<Urgent>,
    gate: Gate,
    state: Mutex<State>,
    pub(crate) stats: PwqStats,
    /// By which the pool calls the queue's rescuer.
    _line: Option<LineHold>,
}

/// The pool of raised items.
struct Urgent {
    pool: PoolHold,
    _line: Option<LineHold>,
}

/// Guarded by the pool_workqueue's lock.
struct State {
    /// Used with [`Gate::Own`].
    slots: Slots,
    inner: Inner,
}

struct Inner {
    books: Books,
    boosts: Boosts,
    /// With [`Gate::Node`]: in the node's list of those that wait.
    is_waiting: bool,
    flushes: Flushes,
    /// Drains under way, and one more for good once the queue is destroyed.
    drains: usize,
    /// Replaced by another after a change of attributes.
    is_retired: bool,
    queue: Weak<Queue>,
    /// While items are in flight the queue stays.
    keep: Option<Arc<Queue>>,
}

/// What a new one is made of.
pub(super) struct Parts {
    pub(super) common: Arc<Common>,
    pub(super) queue: Weak<Queue>,
    pub(super) pool: PoolHold,
    pub(super) gate: Gate,
    pub(super) max_active: Option<usize>,
    pub(super) is_plugged: bool,
    pub(super) is_frozen: bool,
    pub(super) drains: usize,
}

/// What the end of an item entails, and must not happen under a lock.
#[derive(Default)]
#[must_use = "flushes wait for it"]
pub(crate) struct Aftermath {
    flushed: Vec<Arc<Gathering>>,
    /// The queue, which stays no longer, and whether this pool_workqueue was replaced.
    kept: Option<(Arc<Queue>, bool)>,
    /// Who it waited for, and who waited for it.
    bonds: Option<Bonds>,
}

/// A task that the queue refused, because it drains or is destroyed.
pub(crate) struct Refused(pub(crate) Notified);

impl PoolWorkqueue {
    pub(super) fn new(parts: Parts) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let (id, stats) = (QueueId(NEXT.fetch_add(1, Ordering::Relaxed)), PwqStats::default());
        let attach = |rescuer: &RescuerHold| {
            let shared = &parts.common.shared;
            rescuer.attach(shared, &parts.pool, id, &stats.mayday, &stats.rescued)
        };
        Arc::new(Self {
            id,
            _line: parts.common.rescuer.as_ref().map(attach),
            common: parts.common,
            pool: parts.pool,
            urgent: OnceLock::new(),
            gate: parts.gate,
            state: Mutex::new(State {
                slots: Slots::new(parts.max_active),
                inner: Inner {
                    books: Accounts::new(parts.is_plugged, parts.is_frozen),
                    boosts: Boosts::default(),
                    is_waiting: false,
                    flushes: Flushes::default(),
                    drains: parts.drains,
                    is_retired: false,
                    queue: parts.queue,
                    keep: None,
                },
            }),
            stats,
        })
    }

    /// The number under which its tasks wait in the pool's worklist.
    pub(crate) fn id(&self) -> QueueId {
        self.id
    }

    pub(crate) fn pool(&self) -> &WorkerPool {
        &self.pool
    }

    /// Takes a task in, which is active or waits for a slot. The ticket is one that is not in
    /// flight, and sits in the task's cell.
    ///
    /// # Errors
    ///
    /// The queue drains or is destroyed, and it is not one of its own items that queues.
    pub(crate) fn admit(
        self: &Arc<Self>,
        task: Notified,
        ticket: &Ticket,
        kind: Kind,
    ) -> Result<(), Refused> {
        debug_assert!(!ticket.is_in_flight());
        self.change(|inner, slots| {
            if inner.drains > 0 && !self.is_chained() {
                return Err(Refused(task));
            }
            events::happened(EventKind::Queue, self, || Some((task.id(), task.location())));
            if inner.keep.is_none() {
                inner.keep = inner.queue.upgrade();
            }
            let is_aborted = task.is_aborted();
            let Inner { books, boosts, .. } = inner;
            let note = |item| ticket.set(item);
            let item = books.admit(task, kind, slots, note, |i, t| self.start(boosts, i, t));
            if is_aborted {
                // aborted() came before it had an item.
                books.run_aborted(item, |i, task| self.run(boosts, i, task));
            }
            Ok(())
        })
    }

    /// An item in progress was woken: to the pool, or held while the queue is frozen.
    pub(crate) fn wake(&self, task: Notified, ticket: &Ticket) {
        let Some(item) = ticket.get() else {
            unreachable!("a task of a workqueue that is not in flight was woken");
        };
        let mut state = self.lock();
        let Inner { books, boosts, .. } = &mut state.inner;
        let run = |item, task| self.run(boosts, item, task);
        if task.is_aborted() {
            // Not to be polled, so frozen or not.
            books.wake_aborted(item, task, run);
        } else {
            books.wake(item, task, run);
        }
    }

    /// An item is done: a future is complete, the execution of a work item is over. Does nothing
    /// if it is not in flight.
    pub(crate) fn finish(self: &Arc<Self>, ticket: &Ticket) {
        self.settle(self.finish_under_lock(ticket));
    }

    /// As [`finish`](Self::finish), for a caller with a lock, who settles the rest without it.
    pub(crate) fn finish_under_lock(self: &Arc<Self>, ticket: &Ticket) -> Aftermath {
        let Some(item) = ticket.get() else { return Aftermath::default() };
        let loan = self.lock().inner.books.loan_of(item);
        if let Some(loan) = loan {
            loan.end();
        }
        let (borrowed, aftermath) = self.remove(item, ticket);
        if let Some(loan) = borrowed {
            loan.returned();
        }
        aftermath
    }

    /// Ends the flushes that waited, and lets the queue go. Not under a lock.
    pub(crate) fn settle(self: &Arc<Self>, aftermath: Aftermath) {
        aftermath.flushed.iter().for_each(|gathering| gathering.report());
        if let Some(bonds) = aftermath.bonds {
            bonds.cut();
        }
        if let Some((queue, true)) = aftermath.kept {
            queue.retired_is_empty(self);
        }
    }

    /// Takes a task that waits out of the books and its list; `None` if a worker has it.
    pub(crate) fn withdraw(self: &Arc<Self>, ticket: &Ticket) -> Option<(Notified, Aftermath)> {
        let item = ticket.get()?;
        let taken = {
            let mut state = self.lock();
            match state.inner.books.place(item) {
                Place::Pool(spot) => self.pool_for(spot.is_urgent).worklist.remove(spot.key),
                Place::Inactive | Place::Held => state.inner.books.take(item),
            }
        }?;
        // Nobody else can finish it meanwhile: that takes the task, which we have.
        Some((taken, self.finish_under_lock(ticket)))
    }

    fn remove(self: &Arc<Self>, item: usize, ticket: &Ticket) -> (Option<Arc<Loan>>, Aftermath) {
        self.change(|inner, slots| {
            ticket.clear();
            let id = inner.books.id(item);
            let bonds = Bonds::of(self, id, &mut inner.boosts);
            let Finished { colour_gone, borrowed } = inner.books.finish(item, slots);
            let flushed = if colour_gone {
                inner.flushes.take_over(inner.books.colours())
            } else {
                Vec::new()
            };
            let is_empty = inner.books.in_flight() == 0;
            let kept = is_empty.then(|| inner.keep.take()).flatten();
            let kept = kept.map(|queue| (queue, inner.is_retired));
            (borrowed, Aftermath { flushed, kept, bonds })
        })
    }

    /// A task was aborted while it waits. Its turn would come late: it goes to a worker now, which
    /// drops the future.
    pub(super) fn aborted(&self, ticket: &Ticket) {
        let inner = &mut self.lock().inner;
        // Under the lock, since its worker may finish it at this moment.
        if let Some(item) = ticket.get() {
            let Inner { books, boosts, .. } = inner;
            books.run_aborted(item, |item, task| self.run(boosts, item, task));
        }
    }

    /// Is the calling thread running an item of this queue?
    fn is_chained(&self) -> bool {
        current::with(|current| {
            current.is_some_and(|(pwq, _)| Arc::ptr_eq(&pwq.common, &self.common))
        })
    }

    /// Puts a task that was activated into the pool.
    fn start(&self, boosts: &mut Boosts, item: usize, task: Notified) -> Spot {
        self.stats.started.increment();
        events::happened(EventKind::Activate, self, || Some((task.id(), task.location())));
        self.run(boosts, item, task)
    }

    fn run(&self, boosts: &mut Boosts, item: usize, task: Notified) -> Spot {
        boosts.relax(item);
        self.push(task, boosts.is_urgent(item) && self.urgent.get().is_some())
    }

    fn push(&self, task: Notified, is_urgent: bool) -> Spot {
        let key = self.pool_for(is_urgent).push(&self.common.shared, task, self.id);
        Spot { is_urgent, key }
    }

    fn pool_for(&self, is_urgent: bool) -> &WorkerPool {
        let urgent = self.urgent.get().filter(|_| is_urgent);
        urgent.map_or(&self.pool, |urgent| &urgent.pool)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Changes the books, and activates what may be then.
    fn change<R>(self: &Arc<Self>, change: impl FnOnce(&mut Inner, &mut Slots) -> R) -> R {
        match &self.gate {
            Gate::Own => {
                let State { slots, inner } = &mut *self.lock();
                let result = change(inner, slots);
                let Inner { books, boosts, .. } = inner;
                books.activate(slots, |item, task| self.start(boosts, item, task));
                result
            }
            Gate::Node(slots_of) => {
                let mut node = slots_of.lock();
                let mut state = self.lock();
                let inner = &mut state.inner;
                let result = change(inner, &mut node.slots);
                if inner.books.inactive() > 0 && !inner.is_waiting {
                    inner.is_waiting = true;
                    node.waiting.push_back(self.clone());
                }
                drop(state);
                let left = Self::take_turns(&mut node);
                drop(node);
                if left.is_some() {
                    Self::share_slots(slots_of);
                }
                result
            }
        }
    }

    /// Gives the free slots of a node to those that wait, in turn. Stops at one that has nothing left
    /// and leaves the list, which is to be dropped when no lock is held: it may be the last reference.
    fn take_turns(node: &mut NodeState) -> Option<Arc<Self>> {
        let mut idle = 0;
        while idle < node.waiting.len() && node.slots.has_any_room() {
            let pwq = node.waiting.pop_front()?;
            let mut state = pwq.lock();
            let inner = &mut state.inner;
            let Inner { books, boosts, .. } = inner;
            let start = |item, task| pwq.start(boosts, item, task);
            let activated = books.activate_one(&mut node.slots, start);
            inner.is_waiting = inner.books.inactive() > 0;
            let is_waiting = inner.is_waiting;
            drop(state);
            if !is_waiting {
                return Some(pwq);
            }
            node.waiting.push_back(pwq);
            // One whose items were taken back leaves the list, and is no reason to give up.
            idle = if activated { 0 } else { idle + 1 };
        }
        None
    }

    // Flushing.

    /// A flush begins. Returns whether it has to wait for us.
    pub(super) fn begin_flush(&self, gathering: &Arc<Gathering>) -> bool {
        let inner = &mut self.lock().inner;
        inner.flushes.begin(inner.books.colours(), gathering)
    }

    /// A flush is not waited for any more.
    pub(super) fn forget_flush(&self, gathering: &Arc<Gathering>) {
        self.lock().inner.flushes.forget(gathering);
    }

    /// Items that are queued and not done, and how many of them are inactive.
    pub(super) fn load(&self) -> (usize, usize) {
        let books = &self.lock().inner.books;
        (books.in_flight(), books.inactive())
    }

    /// Items that are queued and not done.
    pub(crate) fn in_flight(&self) -> usize {
        self.lock().inner.books.in_flight()
    }

    /// Does the limit hold items back?
    pub(super) fn is_congested(&self) -> bool {
        self.lock().inner.books.inactive() > 0
    }

    /// Items that were ever queued, and those that are not done.
    pub(super) fn counts(&self) -> (u64, usize) {
        let books = &self.lock().inner.books;
        (books.admitted(), books.in_flight())
    }

    pub(super) fn drain_begins(&self) {
        self.lock().inner.drains += 1;
    }

    pub(super) fn drain_ends(&self) {
        self.lock().inner.drains -= 1;
    }

    // Changing.

    /// The limit has changed; of one that has its own slots.
    pub(super) fn set_max(self: &Arc<Self>, max: Option<usize>) {
        self.change(|_, slots| slots.set_max(max, DEFAULT_WORK));
    }

    /// A node may have slots to give: its limit has changed, or a turn ended early.
    pub(super) fn share_slots(node: &Node) {
        loop {
            // A statement of its own, so that it is dropped without the lock.
            let left = Self::take_turns(&mut node.lock());
            if left.is_none() {
                return;
            }
        }
    }

    /// It is replaced: no item comes any more. Returns whether it has to be kept for those that it
    /// has.
    pub(super) fn retire(&self) -> bool {
        let inner = &mut self.lock().inner;
        inner.is_retired = true;
        inner.books.in_flight() > 0
    }

    /// Its predecessor is empty.
    pub(super) fn unplug(self: &Arc<Self>) {
        self.change(|inner, _| inner.books.is_plugged = false);
    }

    /// Stops polls: takes back what waits in the pool.
    pub(super) fn freeze(&self) {
        let mut state = self.lock();
        let urgent = self.urgent.get().map(|urgent| urgent.pool.worklist.take_all_of(self.id));
        let mut all = urgent.unwrap_or_default();
        all.extend(self.pool.worklist.take_all_of(self.id));
        let (aborted, recalled): (Vec<_>, _) = all.into_iter().partition(Notified::is_aborted);
        state.inner.books.freeze(recalled);
        // Not to be polled. They are futures, whose keys nobody needs.
        for task in aborted {
            self.push(task, false);
        }
    }

    pub(super) fn thaw(self: &Arc<Self>) {
        self.change(|Inner { books, boosts, .. }, _| {
            books.thaw(|item, task| self.run(boosts, item, task));
        });
    }

    /// The runtime shuts down: nothing waits any more.
    pub(super) fn close(&self) {
        let Inner { books, boosts, .. } = &mut self.lock().inner;
        books.close(|item, task| self.run(boosts, item, task));
    }

    // Raising; see `boost`.

    /// Is the pool itself that of urgent items?
    pub(super) fn is_urgent(&self) -> bool {
        self.common.flags.high_priority
    }

    pub(super) fn with_boosts<R>(&self, f: impl FnOnce(&mut Books, &mut Boosts) -> R) -> R {
        let Inner { books, boosts, .. } = &mut self.lock().inner;
        f(books, boosts)
    }

    /// Makes the urgent pool, if there is none. Where the system refuses, raised items stay where
    /// they are. Not under a lock.
    pub(super) fn make_urgent_pool(&self) {
        if self.urgent.get().is_some() {
            return;
        }
        let shared = &self.common.shared;
        let made = match self.pool.attrs() {
            Some(attrs) => pools::of_attrs(shared, &PoolAttrs { nice: HIGH_NICE, ..attrs }),
            None if self.pool.kind == PoolKind::Normal => {
                pools::bound(shared, self.pool.cores[0], true)
            }
            None => return,
        };
        let Ok(pool) = made else { return };
        let attach = |rescuer: &RescuerHold| {
            rescuer.attach(shared, &pool, self.id, &self.stats.mayday, &self.stats.rescued)
        };
        let _line = self.common.rescuer.as_ref().map(attach);
        // Nobody is faster: whoever raises does so alone.
        let _ = self.urgent.set(Urgent { pool, _line });
    }

    /// Moves a task that waits in one pool to the other.
    pub(super) fn shift(&self, spot: Spot, is_urgent: bool) -> Option<Spot> {
        if spot.is_urgent == is_urgent || self.urgent.get().is_none() {
            return None;
        }
        let task = self.pool_for(spot.is_urgent).worklist.remove(spot.key)?;
        Some(self.push(task, is_urgent))
    }

    // Lending; see there.

    /// Activates an inactive item on a slot that is lent to it. Returns whether it did.
    pub(super) fn borrow(&self, item: ItemId, loan: &Arc<Loan>) -> bool {
        let Inner { books, boosts, .. } = &mut self.lock().inner;
        let is_lent = books.borrow(item, loan.clone(), |item, task| {
            events::happened(EventKind::Activate, self, || Some((task.id(), task.location())));
            self.run(boosts, item, task)
        });
        if is_lent {
            self.stats.started.increment();
        }
        is_lent
    }

    /// The lender of an item's slot is done.
    pub(super) fn keep_loan(self: &Arc<Self>, item: ItemId) {
        self.change(|inner, slots| inner.books.keep_loan(item, slots));
    }

    /// The item of a task that waits for a slot.
    pub(super) fn inactive_item(&self, ticket: &Ticket) -> Option<ItemId> {
        let books = &self.lock().inner.books;
        // Under the lock, since its worker may finish it at this moment.
        let item = ticket.get()?;
        books.lacks_slot(item).then(|| books.id(item))
    }

    /// The loan of an item in progress.
    pub(super) fn loan(&self, ticket: &Ticket) -> Option<Arc<Loan>> {
        let item = ticket.get()?;
        Some(self.lock().inner.books.lends(item, Arc::default))
    }
}

//! The link between a workqueue and a pool.
//!
//! A pool_workqueue takes items in, keeps those inactive that the limit holds back, gives the others to
//! the pool, and counts them until they are done. One lock guards the books; the slots are its own or
//! those of a node, whose lock is taken first. Every change of the books goes through `change`
//! (`turns`), which then activates what may be active. What the end of an item entails (flushes that
//! are over, the queue that is let go) is collected under the lock and settled without it.
//!
//! | part | what |
//! |---|---|
//! | this file | the way of an item: admitted, woken, done, withdrawn, aborted |
//! | `turns` | changes of the books, and who gets the slots of a node |
//! | `waits` | flushes, drains, counts |
//! | `settings` | limits, replacement, freezing, closing |
//! | `urgent` | the second pool, for raised items |
//! | `loans` | slots that are lent |

mod loans;
mod settings;
mod turns;
mod urgent;
mod waits;

use self::urgent::Urgent;
use crate::pool::{Key, LineHold, QueueId, RescuerHold, WorkerPool};
use crate::sync_types::{Mutex, MutexGuard, lock};
use crate::task::Notified;
use crate::workqueue::accounts::{Accounts, Finished, Place, Task};
use crate::workqueue::boost::{Awaited, Bonds, Ledger, Waits};
use crate::workqueue::current;
use crate::workqueue::events::{self, EventKind};
use crate::workqueue::flush::{Flushes, Gathering};
use crate::workqueue::lending::Loan;
use crate::workqueue::nodes::Node;
use crate::workqueue::queue::{Common, Queue};
use crate::workqueue::slots::{Kind, Slots};
use crate::workqueue::stats::PwqStats;
use crate::workqueue::ticket::Ticket;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};

pub(in crate::workqueue) type Books = Accounts<Notified, Spot, Arc<Loan>>;
pub(in crate::workqueue) type Boosts = Ledger<Arc<Waits<Awaited>>>;

/// Where an item waits that was put into a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::workqueue) struct Spot {
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
pub(in crate::workqueue) enum Gate {
    /// Our own: of a bound queue, whose limit holds per CPU, and of an ordered one.
    Own,
    /// The node's, which the pool_workqueues of the queue on it share.
    Node(Arc<Node>),
}

/// The pool, and what keeps it.
pub(in crate::workqueue) type PoolHold = Box<dyn Deref<Target = WorkerPool> + Send + Sync>;

pub(crate) struct PoolWorkqueue {
    id: QueueId,
    pub(in crate::workqueue) common: Arc<Common>,
    pool: PoolHold,
    /// For items that are raised; see `boost`. Made when there is one.
    urgent: OnceLock<Urgent>,
    gate: Gate,
    state: Mutex<State>,
    pub(crate) stats: PwqStats,
    /// By which the pool calls the queue's rescuer.
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
pub(in crate::workqueue) struct Parts {
    pub(in crate::workqueue) common: Arc<Common>,
    pub(in crate::workqueue) queue: Weak<Queue>,
    pub(in crate::workqueue) pool: PoolHold,
    pub(in crate::workqueue) gate: Gate,
    pub(in crate::workqueue) max_active: Option<usize>,
    pub(in crate::workqueue) is_plugged: bool,
    pub(in crate::workqueue) is_frozen: bool,
    pub(in crate::workqueue) drains: usize,
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
    pub(in crate::workqueue) fn new(parts: Parts) -> Arc<Self> {
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
    pub(in crate::workqueue) fn aborted(&self, ticket: &Ticket) {
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
}

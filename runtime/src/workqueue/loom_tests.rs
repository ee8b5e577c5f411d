//! Models of the books: queueing, finishing, flushing, replacing and lending by several threads.
//!
//! Books, colours, slots, flushes, loans and the table of pool_workqueues are the real ones. The
//! pool is a list, and a task a number; [`Pwq`] follows `PoolWorkqueue` with slots of its own.

use super::accounts::{Accounts, Finished, ItemId, Task};
use super::flush::{Flushes, Gathering};
use super::lending::{Lending, Loan};
use super::pods::{Group, Pods};
use super::slots::{Kind, Slots};
use crate::sync_types::{Mutex, MutexGuard, bounded_model, lock};
use loom::thread;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

const TASKS: usize = 4;

impl Task for usize {
    fn identity(&self) -> usize {
        *self
    }
}

/// A pool_workqueue and its pool.
#[derive(Clone)]
struct Pwq(Arc<Mutex<State>>);

struct State {
    books: Accounts<usize, usize, Arc<Loan<Pwq>>>,
    slots: Slots,
    flushes: Flushes,
    is_retired: bool,
    pool: VecDeque<usize>,
    /// The tickets.
    items: [Option<usize>; TASKS],
    done: Vec<usize>,
}

impl Pwq {
    fn new(max: usize, is_plugged: bool) -> Self {
        Self(Arc::new(Mutex::new(State {
            books: Accounts::new(is_plugged, false),
            slots: Slots::new(Some(max)),
            flushes: Flushes::default(),
            is_retired: false,
            pool: VecDeque::new(),
            items: [None; TASKS],
            done: Vec::new(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    fn admit(&self, task: usize) {
        let State { books, slots, pool, items, .. } = &mut *self.lock();
        books.admit(task, Kind::Future, slots, |item| items[task] = Some(item), start(pool));
    }

    fn pop(&self) -> Option<usize> {
        self.lock().pool.pop_front()
    }

    /// Returns whether this one was replaced and has nothing left.
    fn finish(&self, task: usize) -> bool {
        let item = self.lock().items[task].expect("it is in flight");
        let loan = self.lock().books.loan_of(item);
        if let Some(loan) = loan {
            loan.end();
        }
        let (finished, over, is_gone) = {
            let State { books, slots, flushes, pool, items, done, is_retired } = &mut *self.lock();
            items[task] = None;
            let finished = books.finish(item, slots);
            done.push(task);
            let over = flushes.take_over(books.colours());
            books.activate(slots, start(pool));
            (finished, over, books.in_flight() == 0 && *is_retired)
        };
        let Finished { colour_gone, borrowed } = finished;
        assert!(colour_gone || over.is_empty());
        if let Some(loan) = borrowed {
            loan.returned();
        }
        over.iter().for_each(|gathering| gathering.report());
        is_gone
    }

    /// Runs what is in the pool.
    fn run(&self) {
        while let Some(task) = self.pop() {
            self.finish(task);
        }
    }

    fn begin_flush(&self, gathering: &Arc<Gathering>) {
        let State { books, flushes, .. } = &mut *self.lock();
        flushes.begin(books.colours(), gathering);
    }

    fn done(&self) -> Vec<usize> {
        self.lock().done.clone()
    }

    /// Nothing is in flight, and all slots are free.
    fn assert_idle(&self) {
        let state = self.lock();
        assert_eq!((state.books.in_flight(), state.pool.len()), (0, 0));
        assert!(state.slots.is_free(), "a slot was given back twice or not at all");
    }

    /// The task that has `lender` awaits `task`.
    fn await_inactive(&self, lender: usize, task: usize) {
        let inactive = {
            let State { books, items, .. } = &*self.lock();
            items[task].filter(|&item| books.lacks_slot(item)).map(|item| books.id(item))
        };
        let Some(inactive) = inactive else { return };
        let loan = {
            let State { books, items, .. } = &mut *self.lock();
            books.lends(items[lender].expect("it awaits"), Arc::default)
        };
        loan.offer(self.clone(), inactive);
    }
}

fn start(pool: &mut VecDeque<usize>) -> impl FnMut(usize, usize) -> usize {
    |_, task| {
        pool.push_back(task);
        task
    }
}

impl Lending for Pwq {
    fn borrow(&self, item: ItemId, loan: &Arc<Loan<Self>>) -> bool {
        let State { books, pool, .. } = &mut *self.lock();
        books.borrow(item, loan.clone(), start(pool))
    }

    fn keep_loan(&self, item: ItemId) {
        let State { books, slots, pool, .. } = &mut *self.lock();
        books.keep_loan(item, slots);
        books.activate(slots, start(pool));
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Notices a wake.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A flush that was polled once.
struct Flushing {
    gathering: Arc<Gathering>,
    woken: Arc<Woken>,
    was_pending: bool,
}

impl Flushing {
    fn begin(pwqs: &[&Pwq]) -> Self {
        let gathering = Arc::new(Gathering::new());
        pwqs.iter().for_each(|pwq| pwq.begin_flush(&gathering));
        gathering.report();
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let was_pending = gathering.poll(&Context::from_waker(&waker)).is_pending();
        Self { gathering, woken, was_pending }
    }

    fn assert_over(&self) {
        assert!(self.gathering.is_over());
        assert!(!self.was_pending || self.woken.0.load(Ordering::Relaxed), "it waits for ever");
    }
}

#[test]
fn a_flush_waits_for_what_is_older_and_not_for_what_is_newer() {
    loom::model(|| {
        let pwq = Pwq::new(2, false);
        pwq.admit(0);
        let worker = {
            let pwq = pwq.clone();
            thread::spawn(move || {
                let task = pwq.pop().expect("one is there");
                pwq.finish(task);
            })
        };
        let flushing = Flushing::begin(&[&pwq]);
        assert!(flushing.was_pending || pwq.done() == [0], "it is over too early");
        pwq.admit(1);
        worker.join().unwrap();
        // The newer one is still in flight.
        flushing.assert_over();
        pwq.run();
        pwq.assert_idle();
    });
}

#[test]
fn a_flush_against_queueing_and_finishing() {
    loom::model(|| {
        let pwq = Pwq::new(1, false);
        pwq.admit(0);
        let worker = {
            let pwq = pwq.clone();
            thread::spawn(move || pwq.run())
        };
        let other = {
            let pwq = pwq.clone();
            thread::spawn(move || pwq.admit(1))
        };
        let flushing = Flushing::begin(&[&pwq]);
        worker.join().unwrap();
        other.join().unwrap();
        pwq.run();
        flushing.assert_over();
        assert_eq!(pwq.done(), [0, 1], "in order");
        pwq.assert_idle();
    });
}

#[test]
fn a_flush_gathers_several_pool_workqueues_and_is_woken_once() {
    loom::model(|| {
        let pwqs = [Pwq::new(1, false), Pwq::new(1, false)];
        pwqs.iter().for_each(|pwq| pwq.admit(0));
        let workers = pwqs.clone().map(|pwq| thread::spawn(move || pwq.run()));
        let flushing = Flushing::begin(&[&pwqs[0], &pwqs[1]]);
        if !flushing.was_pending {
            assert!(pwqs.iter().all(|pwq| pwq.done() == [0]), "it is over too early");
        }
        for worker in workers {
            worker.join().unwrap();
        }
        flushing.assert_over();
    });
}

impl Group for Pwq {
    type Pwq = Self;

    fn pwq(&self) -> &Self {
        self
    }

    fn retire(&self) -> bool {
        let mut state = self.lock();
        state.is_retired = true;
        state.books.in_flight() > 0
    }

    fn unplug(pwq: &Self) {
        let State { books, slots, pool, .. } = &mut *pwq.lock();
        books.is_plugged = false;
        books.activate(slots, start(pool));
    }

    fn is_same(one: &Self, other: &Self) -> bool {
        Arc::ptr_eq(&one.0, &other.0)
    }
}

/// An ordered queue whose attributes change.
struct Ordered {
    pods: Mutex<Pods<Pwq>>,
    /// What ran, of all pool_workqueues.
    order: Mutex<Vec<usize>>,
}

impl Ordered {
    fn new() -> Arc<Self> {
        let queue = Self { pods: Mutex::new(Pods::new()), order: Mutex::new(Vec::new()) };
        queue.replace();
        Arc::new(queue)
    }

    fn replace(&self) {
        let replaced = lock(&self.pods).replace(vec![Pwq::new(1, true)]);
        drop(replaced);
    }

    fn admit(&self, task: usize) {
        lock(&self.pods).current()[0].admit(task);
    }

    /// Runs what is in the pools.
    fn run(&self) {
        let pwqs: Vec<_> = lock(&self.pods).pwqs().cloned().collect();
        for pwq in pwqs {
            while let Some(task) = pwq.pop() {
                lock(&self.order).push(task);
                if pwq.finish(task) {
                    lock(&self.pods).remove(&pwq);
                }
            }
        }
    }
}

#[test]
fn an_ordered_queue_keeps_its_order_while_it_is_replaced() {
    bounded_model(|| {
        let queue = Ordered::new();
        queue.admit(0);
        let worker = {
            let queue = queue.clone();
            thread::spawn(move || queue.run())
        };
        let changer = {
            let queue = queue.clone();
            thread::spawn(move || queue.replace())
        };
        queue.admit(1);
        queue.admit(2);
        worker.join().unwrap();
        changer.join().unwrap();
        (0..2).for_each(|_| queue.run());
        assert_eq!(*lock(&queue.order), [0, 1, 2], "a plug that stays, or an item that overtakes");
        assert_eq!(lock(&queue.pods).pwqs().count(), 1, "the old one is gone");
    });
}

#[test]
fn an_ordered_queue_is_replaced_twice() {
    bounded_model(|| {
        let queue = Ordered::new();
        queue.admit(0);
        let worker = {
            let queue = queue.clone();
            thread::spawn(move || queue.run())
        };
        queue.replace();
        queue.admit(1);
        queue.replace();
        queue.admit(2);
        worker.join().unwrap();
        (0..3).for_each(|_| queue.run());
        assert_eq!(*lock(&queue.order), [0, 1, 2]);
        assert_eq!(lock(&queue.pods).pwqs().count(), 1);
    });
}

#[test]
fn a_lender_that_ends_against_its_borrower() {
    loom::model(|| {
        let pwq = Pwq::new(1, false);
        pwq.admit(0);
        pwq.admit(1);
        assert_eq!(pwq.pop(), Some(0), "a worker polls the lender");
        pwq.await_inactive(0, 1);
        let worker = {
            let pwq = pwq.clone();
            thread::spawn(move || pwq.run())
        };
        // It does not wait for the end of what it awaited.
        pwq.finish(0);
        worker.join().unwrap();
        pwq.run();
        assert_eq!(pwq.done().len(), 2);
        pwq.assert_idle();
    });
}

#[test]
fn those_in_line_for_a_loan_get_it_one_after_another() {
    bounded_model(|| {
        let pwq = Pwq::new(1, false);
        (0..4).for_each(|task| pwq.admit(task));
        assert_eq!(pwq.pop(), Some(0), "a worker polls the lender");
        let worker = {
            let pwq = pwq.clone();
            thread::spawn(move || pwq.run())
        };
        pwq.await_inactive(0, 1);
        pwq.await_inactive(0, 2);
        assert!(pwq.lock().pool.len() <= 1, "one loan at a time");
        worker.join().unwrap();
        pwq.run();
        assert_eq!(pwq.done(), [1, 2], "the last one is not awaited");
        pwq.finish(0);
        pwq.run();
        assert_eq!(pwq.done(), [1, 2, 0, 3]);
        pwq.assert_idle();
    });
}

#[test]
fn two_workers_share_slots_with_a_loan() {
    bounded_model(|| {
        let pwq = Pwq::new(1, false);
        (0..3).for_each(|task| pwq.admit(task));
        assert_eq!(pwq.pop(), Some(0), "a worker polls the lender");
        pwq.await_inactive(0, 2);
        let workers = [(); 2].map(|()| {
            let pwq = pwq.clone();
            thread::spawn(move || pwq.run())
        });
        pwq.finish(0);
        for worker in workers {
            worker.join().unwrap();
        }
        pwq.run();
        assert_eq!(pwq.done().len(), 3);
        pwq.assert_idle();
    });
}

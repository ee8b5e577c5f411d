use super::*;
use proptest::prelude::*;

/// Books and a pool that is a list of the tasks that were started or woken.
struct Bench {
    books: Accounts<Numbered, usize, &'static str>,
    slots: Slots,
    pool: Vec<usize>,
}

/// A task.
#[derive(Debug, PartialEq, Eq)]
struct Numbered(usize);

impl Task for Numbered {
    fn identity(&self) -> usize {
        self.0
    }
}

impl Bench {
    fn new(max: Option<usize>) -> Self {
        Self { books: Accounts::new(false, false), slots: Slots::new(max), pool: Vec::new() }
    }

    /// Returns the number of the item.
    fn admit(&mut self, task: usize, kind: Kind) -> usize {
        let pool = &mut self.pool;
        self.books.admit(Numbered(task), kind, &mut self.slots, |_| (), |_, task| start(pool, task))
    }

    fn finish(&mut self, item: usize) -> Finished<&'static str> {
        let finished = self.books.finish(item, &mut self.slots);
        self.activate();
        finished
    }

    fn activate(&mut self) {
        let pool = &mut self.pool;
        self.books.activate(&mut self.slots, |_, task| start(pool, task));
    }

    fn thaw(&mut self) {
        let pool = &mut self.pool;
        self.books.thaw(|_, task| start(pool, task));
        self.activate();
    }

    /// Takes all out of the pool.
    fn recall(&mut self) -> Vec<Numbered> {
        self.pool.drain(..).map(Numbered).collect()
    }
}

fn start(pool: &mut Vec<usize>, Numbered(task): Numbered) -> usize {
    pool.push(task);
    task
}

#[test]
fn a_new_item_does_not_overtake_the_inactive_ones() {
    let mut bench = Bench::new(Some(1));
    let first = bench.admit(0, Kind::Work);
    bench.admit(1, Kind::Work);
    bench.slots.set_max(Some(2), 2);
    // There is room, and nobody was told yet.
    bench.admit(2, Kind::Work);
    assert_eq!(bench.pool, [0]);
    bench.finish(first);
    assert_eq!(bench.pool, [0, 1, 2]);
}

#[test]
fn futures_without_a_limit_do_not_wait_behind_work_items() {
    let mut bench = Bench::new(None);
    bench.slots.set_max(None, 1);
    bench.admit(0, Kind::Work);
    bench.admit(1, Kind::Work);
    bench.admit(2, Kind::Future);
    assert_eq!(bench.pool, [0, 2]);
    assert_eq!(bench.books.inactive(), 1);
}

#[test]
fn what_is_plugged_waits_and_has_no_slot() {
    let mut bench = Bench::new(Some(1));
    bench.books.is_plugged = true;
    let item = bench.admit(0, Kind::Future);
    assert!(bench.books.lacks_slot(item), "who awaits it here waits for ever");
    bench.activate();
    assert!(bench.pool.is_empty() && bench.slots.is_free());
    bench.books.is_plugged = false;
    bench.activate();
    assert_eq!(bench.pool, [0]);
}

#[test]
fn a_frozen_queue_goes_on_in_the_order_of_waking_and_then_of_queueing() {
    let mut bench = Bench::new(Some(3));
    let items: Vec<_> = (0..5).map(|task| bench.admit(task, Kind::Future)).collect();
    // A worker has the first one; the others wait in the pool.
    bench.pool.remove(0);
    let recalled = bench.recall();
    bench.books.freeze(recalled);
    assert!(bench.books.place(items[1]) == Place::Held);
    bench.admit(5, Kind::Future);
    let Bench { books, pool, .. } = &mut bench;
    books.wake(items[0], Numbered(0), |_, task| start(pool, task));
    assert!(bench.pool.is_empty(), "it was woken while frozen");
    bench.thaw();
    assert_eq!(bench.pool, [1, 2, 0]);
    bench.finish(items[0]);
    assert_eq!(bench.pool, [1, 2, 0, 3]);
}

#[test]
fn of_two_items_of_one_task_the_younger_one_is_recalled() {
    let mut bench = Bench::new(None);
    let runs = bench.admit(7, Kind::Work);
    bench.pool.clear();
    let waits = bench.admit(7, Kind::Work);
    let recalled = bench.recall();
    bench.books.freeze(recalled);
    assert_eq!(bench.books.place(waits), Place::Held);
    assert_eq!(bench.books.place(runs), Place::Pool(7));
    assert_eq!(bench.books.take(waits), Some(Numbered(7)));
    assert_eq!(bench.books.take(runs), None, "a worker has it");
}

#[test]
fn an_aborted_item_runs_without_a_slot_and_gives_none_back() {
    let mut bench = Bench::new(Some(1));
    let first = bench.admit(0, Kind::Future);
    let aborted = bench.admit(1, Kind::Future);
    bench.admit(2, Kind::Future);
    let Bench { books, pool, .. } = &mut bench;
    books.run_aborted(aborted, |_, task| start(pool, task));
    assert_eq!(bench.pool, [0, 1]);
    bench.finish(aborted);
    assert_eq!(bench.pool, [0, 1], "the first one has the slot");
    bench.finish(first);
    assert_eq!(bench.pool, [0, 1, 2]);
}

#[test]
fn a_closed_queue_holds_nothing_back() {
    let mut bench = Bench::new(Some(1));
    for task in 0..3 {
        bench.admit(task, Kind::Work);
    }
    bench.books.freeze(Vec::new());
    bench.admit(3, Kind::Work);
    let Bench { books, pool, .. } = &mut bench;
    books.close(|_, task| start(pool, task));
    assert_eq!(bench.pool, [0, 1, 2, 3]);
    bench.admit(4, Kind::Work);
    assert_eq!(bench.pool.last(), Some(&4));
}

#[test]
fn a_borrower_is_counted_when_the_lender_is_done() {
    let mut bench = Bench::new(Some(1));
    let lender = bench.admit(0, Kind::Future);
    let borrower = bench.admit(1, Kind::Future);
    bench.admit(2, Kind::Future);
    let id = bench.books.id(borrower);
    let Bench { books, pool, slots } = &mut bench;
    assert!(books.borrow(id, "loan", |_, task| start(pool, task)));
    assert!(!books.borrow(id, "again", |_, task| start(pool, task)), "it is not inactive any more");
    books.keep_loan(id, slots);
    bench.finish(lender);
    assert_eq!(bench.pool, [0, 1], "the borrower has the slot now");
    assert!(bench.finish(borrower).borrowed.is_none());
    assert_eq!(bench.pool, [0, 1, 2]);
}

#[test]
fn a_borrower_that_ends_first_returns_the_loan_and_no_slot() {
    let mut bench = Bench::new(Some(1));
    bench.admit(0, Kind::Future);
    let borrower = bench.admit(1, Kind::Future);
    bench.admit(2, Kind::Future);
    let id = bench.books.id(borrower);
    let Bench { books, pool, .. } = &mut bench;
    assert!(books.borrow(id, "loan", |_, task| start(pool, task)));
    assert_eq!(bench.finish(borrower).borrowed, Some("loan"));
    assert_eq!(bench.pool, [0, 1], "the lender has its slot yet");
    // Its place in the books is used again, and the old number means nothing.
    let Bench { books, pool, .. } = &mut bench;
    assert!(!books.borrow(id, "late", |_, task| start(pool, task)));
    bench.admit(3, Kind::Future);
    let Bench { books, pool, .. } = &mut bench;
    assert!(!books.borrow(id, "late", |_, task| start(pool, task)));
}

#[derive(Clone, Debug)]
enum Step {
    Admit,
    /// One of those that are in progress.
    Finish(prop::sample::Index),
    /// One of those that wait.
    Take(prop::sample::Index),
    SetMax(usize),
    Freeze,
    Thaw,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Admit),
        3 => any::<prop::sample::Index>().prop_map(Step::Finish),
        1 => any::<prop::sample::Index>().prop_map(Step::Take),
        1 => (1..4_usize).prop_map(Step::SetMax),
        1 => Just(Step::Freeze),
        1 => Just(Step::Thaw),
    ]
}

proptest! {
    /// Items start in the order of queueing, as many as the limit says, and no slot is lost.
    #[test]
    fn items_start_in_order_and_use_the_limit(steps in prop::collection::vec(step(), 0..80)) {
        let (mut bench, mut max, mut is_frozen) = (Bench::new(Some(2)), 2, false);
        let (mut next, mut last_started) = (0, None);
        // Task and item.
        let (mut running, mut waiting) = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Admit => {
                    waiting.push((next, bench.admit(next, Kind::Future)));
                    next += 1;
                }
                Step::Finish(which) if !running.is_empty() => {
                    let (_, item) = running.remove(which.index(running.len()));
                    bench.finish(item);
                }
                Step::Take(which) if !waiting.is_empty() => {
                    let (task, item) = waiting.remove(which.index(waiting.len()));
                    prop_assert_eq!(bench.books.take(item), Some(Numbered(task)));
                    bench.finish(item);
                }
                Step::SetMax(new) => {
                    max = new;
                    bench.slots.set_max(Some(max), max);
                    bench.activate();
                }
                Step::Freeze => {
                    is_frozen = true;
                    bench.books.freeze(Vec::new());
                }
                Step::Thaw => {
                    is_frozen = false;
                    bench.thaw();
                }
                Step::Finish(_) | Step::Take(_) => {}
            }
            for task in std::mem::take(&mut bench.pool) {
                prop_assert!(last_started < Some(task), "in order");
                last_started = Some(task);
                let place = waiting.iter().position(|&(waits, _)| waits == task);
                running.push(waiting.remove(place.expect("it waited")));
            }
            prop_assert_eq!(bench.books.in_flight(), running.len() + waiting.len());
            prop_assert_eq!(bench.books.inactive(), waiting.len());
            let could_run = !is_frozen && !waiting.is_empty() && running.len() < max;
            prop_assert!(!could_run, "an item waits beside a free slot");
        }
    }
}

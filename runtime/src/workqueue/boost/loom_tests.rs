//! Models: raising against awaiting, giving up, and the end of either side.
//!
//! The edges are the real ones; an item is a counter.

use super::waits::{Target, Waits};
use crate::sync_types::{Mutex, bounded_model, lock};
use crate::worker::Mark;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

#[derive(Clone)]
struct Item(Arc<State>);

struct State {
    alone: Arc<Mutex<()>>,
    raised: Mutex<usize>,
    waits: Option<Arc<Waits<Item>>>,
}

impl Item {
    fn new(alone: &Arc<Mutex<()>>, waits: Option<&Arc<Waits<Self>>>) -> Self {
        let (alone, waits) = (alone.clone(), waits.cloned());
        Self(Arc::new(State { alone, raised: Mutex::new(0), waits }))
    }

    fn raised(&self) -> usize {
        *lock(&self.0.raised)
    }
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Item {}

impl Hash for Item {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl Target for Item {
    fn alone<R>(&self, f: impl FnOnce() -> R) -> R {
        let _alone = lock(&self.0.alone);
        f()
    }

    fn raise(&self) -> Option<Arc<Waits<Self>>> {
        let mut raised = lock(&self.0.raised);
        *raised += 1;
        self.0.waits.clone().filter(|_| *raised == 1)
    }

    fn lower(&self) -> Option<Arc<Waits<Self>>> {
        let mut raised = lock(&self.0.raised);
        *raised = raised.checked_sub(1).expect("lowered more often than raised");
        self.0.waits.clone().filter(|_| *raised == 0)
    }
}

fn await_item(waits: &Waits<Item>, item: &Item) {
    if waits.record(item) {
        waits.raise(item);
    }
}

/// An urgent item, one that it may await, and one that this may await.
struct Chain {
    high: Arc<Waits<Item>>,
    middle: Item,
    own: Arc<Waits<Item>>,
    last: Item,
}

impl Chain {
    fn new() -> Arc<Self> {
        let alone = Arc::new(Mutex::new(()));
        let (high, own) = (Arc::new(Waits::new(true)), Arc::new(Waits::new(false)));
        let (middle, last) = (Item::new(&alone, Some(&own)), Item::new(&alone, None));
        Arc::new(Self { high, middle, own, last })
    }

    fn race(self: &Arc<Self>, one: fn(&Self), other: fn(&Self)) {
        let chain = self.clone();
        let thread = loom::thread::spawn(move || one(&chain));
        other(self);
        thread.join().unwrap();
    }
}

#[test]
fn a_chain_may_be_made_from_either_end() {
    bounded_model(|| {
        let chain = Chain::new();
        chain.race(|c| await_item(&c.high, &c.middle), |c| await_item(&c.own, &c.last));
        assert_eq!((chain.middle.raised(), chain.last.raised()), (1, 1));
    });
}

#[test]
fn nothing_stays_raised_when_the_waiter_gives_up() {
    bounded_model(|| {
        let chain = Chain::new();
        await_item(&chain.high, &chain.middle);
        chain.race(|c| c.high.cut(&c.middle), |c| await_item(&c.own, &c.last));
        assert_eq!((chain.middle.raised(), chain.last.raised()), (0, 0));
    });
}

#[test]
fn nothing_stays_raised_when_the_middle_is_done() {
    bounded_model(|| {
        let chain = Chain::new();
        await_item(&chain.own, &chain.last);
        chain.race(|c| await_item(&c.high, &c.middle), |c| c.own.close());
        assert_eq!((chain.middle.raised(), chain.last.raised()), (1, 0));
    });
}

#[test]
fn nothing_stays_raised_by_a_task_that_is_forgotten_while_it_begins_to_wait() {
    // A raised task polls a handle while its own is given up.
    bounded_model(|| {
        let chain = Chain::new();
        chain.race(|c| await_item(&c.high, &c.last), |c| c.high.close());
        assert_eq!(chain.last.raised(), 0);
    });
}

#[test]
fn one_of_two_waiters_gives_up() {
    bounded_model(|| {
        let chain = Chain::new();
        await_item(&chain.own, &chain.last);
        await_item(&chain.high, &chain.middle);
        // The second edge to the last item comes while the first is lowered.
        chain.race(|c| c.high.cut(&c.middle), |c| await_item(&c.high, &c.last));
        assert_eq!((chain.middle.raised(), chain.last.raised()), (0, 1));
    });
}

/// A nice value, lowered for a run, is restored by its end, whoever comes first.
#[test]
fn the_end_of_a_run_restores_what_was_lowered() {
    bounded_model(|| {
        let worker = Arc::new((Mark::default(), Mutex::new(()), Mutex::new(0)));
        worker.0.set(1);
        let other = worker.clone();
        let thread = loom::thread::spawn(move || {
            let (mark, alone, nice) = &*other;
            {
                let _alone = lock(alone);
                if mark.raise(|run| run == 1) {
                    *lock(nice) = -20;
                }
            }
            let _alone = lock(alone);
            if mark.lower(1) {
                *lock(nice) = 0;
            }
        });
        let (mark, alone, nice) = &*worker;
        if mark.clear() {
            let _alone = lock(alone);
            *lock(nice) = 0;
        }
        thread.join().unwrap();
        assert_eq!(*lock(nice), 0);
    });
}

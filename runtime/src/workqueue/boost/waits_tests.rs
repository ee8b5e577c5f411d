//! One waiter with many targets, and with the same one twice.

use super::waits::{Target, Waits};
use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;

/// A target that counts what is asked of it.
#[derive(Clone)]
struct Counted {
    number: usize,
    counts: Rc<Counts>,
}

#[derive(Default)]
struct Counts {
    comparisons: Cell<usize>,
    raised: Cell<isize>,
}

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        self.counts.comparisons.set(self.counts.comparisons.get() + 1);
        self.number == other.number
    }
}

impl Eq for Counted {}

impl Hash for Counted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

impl Target for Counted {
    fn alone<R>(&self, f: impl FnOnce() -> R) -> R {
        f()
    }

    fn raise(&self) -> Option<Arc<Waits<Self>>> {
        self.counts.raised.set(self.counts.raised.get() + 1);
        None
    }

    fn lower(&self) -> Option<Arc<Waits<Self>>> {
        self.counts.raised.set(self.counts.raised.get() - 1);
        None
    }
}

#[test]
fn edges_are_found_without_looking_at_all() {
    const COUNT: usize = 10_000;
    let (waits, counts) = (Waits::new(true), Rc::<Counts>::default());
    let target = |number| Counted { number, counts: counts.clone() };
    for number in 0..COUNT {
        assert!(waits.record(&target(number)));
        waits.raise(&target(number));
    }
    assert_eq!(counts.raised.get(), COUNT as isize);
    (0..COUNT).for_each(|number| waits.cut(&target(number)));
    assert_eq!(counts.raised.get(), 0);
    assert!(counts.comparisons.get() < 20 * COUNT, "{} comparisons", counts.comparisons.get());
}

#[test]
fn what_is_awaited_twice_is_raised_twice() {
    let (waits, counts) = (Waits::new(true), Rc::<Counts>::default());
    let target = Counted { number: 0, counts: counts.clone() };
    assert!(waits.record(&target) && waits.record(&target));
    waits.raise(&target);
    assert_eq!(counts.raised.get(), 1);
    waits.raise(&target);
    assert_eq!(counts.raised.get(), 2);
    waits.raise(&target);
    assert_eq!(counts.raised.get(), 2, "there are two");
    waits.cut(&target);
    assert_eq!(counts.raised.get(), 1);
    waits.close();
    assert_eq!(counts.raised.get(), 0);
    waits.cut(&target);
    assert_eq!(counts.raised.get(), 0);
}

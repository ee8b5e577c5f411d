use super::super::heap;
use super::class::Class;
use super::depot::Depot;
use super::magazine::FULL;
use super::rack::Racks;
use std::alloc::Layout;
use std::collections::HashSet;
use std::ptr::NonNull;

const MAGAZINE: usize = FULL as usize;

fn class(size: usize) -> Class {
    Class::of(Layout::from_size_align(size, 8).unwrap()).unwrap()
}

/// A depot of its own, with room for so many magazines.
fn depot(class: Class, magazines: usize) -> &'static Depot {
    Box::leak(Box::new(Depot::new(magazines * MAGAZINE * class.size(), 0)))
}

fn fresh(class: Class, count: usize) -> Vec<NonNull<u8>> {
    (0..count).map(|_| heap::allocate(class.layout())).collect()
}

fn give(racks: &Racks, class: Class, blocks: &[NonNull<u8>]) {
    // SAFETY: they are of this class, and nobody uses them.
    blocks.iter().for_each(|&block| unsafe { racks.give(class, block) });
}

/// All that `racks` and its depot have, in their order.
fn take_all(racks: &Racks, class: Class) -> Vec<NonNull<u8>> {
    std::iter::from_fn(|| racks.take(class)).collect()
}

/// Frees blocks that are in no magazine, each of which is there once.
fn free(class: Class, blocks: Vec<NonNull<u8>>) {
    let distinct: HashSet<_> = blocks.iter().collect();
    assert_eq!(distinct.len(), blocks.len());
    // SAFETY: they come from there, and nobody uses them.
    blocks.into_iter().for_each(|block| unsafe { heap::release(block, class.layout()) });
}

#[test]
fn a_class_holds_what_it_is_for() {
    for size in 1..=520 {
        for align in [1, 8, 16] {
            let layout = Layout::from_size_align(size, align).unwrap();
            let class = Class::of(layout).unwrap();
            assert!(class.size() >= size && class.size() < size.max(16) + 16, "{layout:?}");
            assert_eq!(class.layout().align(), 16);
        }
    }
    assert_eq!(class(1), class(24));
    assert_ne!(class(24), class(25));
    let all: Vec<usize> = Class::all().map(Class::size).collect();
    assert_eq!((all[0], all[1], all[all.len() - 1]), (24, 40, 520));
    for (size, align) in [(521, 8), (32, 32)] {
        assert_eq!(Class::of(Layout::from_size_align(size, align).unwrap()), None);
    }
}

#[test]
fn what_was_given_last_is_taken_first() {
    let class = class(100);
    let racks = Racks::new(depot(class, 0));
    assert_eq!(racks.take(class), None);
    let blocks = fresh(class, 3);
    give(&racks, class, &blocks);
    assert_eq!(racks.take(self::class(200)), None);
    let mut taken = take_all(&racks, class);
    taken.reverse();
    assert_eq!(taken, blocks);
    free(class, taken);
}

#[test]
fn two_magazines_stay_with_the_thread() {
    let class = class(64);
    let depot = depot(class, 10);
    let racks = Racks::new(depot);
    let one = MAGAZINE * class.size();
    let blocks = fresh(class, 2 * MAGAZINE + 1);
    give(&racks, class, &blocks[..2 * MAGAZINE]);
    assert_eq!(depot.kept(), 0);
    // To and fro at the edge.
    for _ in 0..3 {
        give(&racks, class, &blocks[2 * MAGAZINE..]);
        assert_eq!(depot.kept(), one);
        assert_eq!(racks.take(class), Some(blocks[2 * MAGAZINE]));
        assert_eq!(depot.kept(), one);
        let edge = racks.take(class).unwrap();
        give(&racks, class, &[edge]);
        assert_eq!(depot.kept(), one);
        let all = take_all(&racks, class);
        assert_eq!((all.len(), depot.kept()), (2 * MAGAZINE, 0));
        give(&racks, class, &all);
    }
    free(class, [take_all(&racks, class), blocks[2 * MAGAZINE..].to_vec()].concat());
}

#[test]
fn another_thread_gets_what_was_too_much_for_one() {
    let class = class(520);
    let depot = depot(class, 10);
    let blocks = fresh(class, 4 * MAGAZINE);
    let spawner = Racks::new(depot);
    let dropper = Racks::new(depot);
    give(&dropper, class, &blocks);
    let taken = take_all(&spawner, class);
    assert_eq!(taken.len(), 2 * MAGAZINE);
    let rest = take_all(&dropper, class);
    assert_eq!(rest.len(), 2 * MAGAZINE);
    free(class, [taken, rest].concat());
}

#[test]
fn the_depot_keeps_no_more_than_its_limit() {
    let class = class(48);
    let depot = depot(class, 3);
    let racks = Racks::new(depot);
    give(&racks, class, &fresh(class, 8 * MAGAZINE));
    assert_eq!(depot.kept(), 3 * MAGAZINE * class.size());
    let left = take_all(&racks, class);
    assert_eq!((left.len(), depot.kept()), (5 * MAGAZINE, 0));
    free(class, left);
}

#[test]
fn what_is_kept_of_one_size_leaves_some_room_for_others() {
    let (large, small) = (class(520), class(24));
    let depot: &'static Depot = Box::leak(Box::new(Depot::new(MAGAZINE * large.size(), 2)));
    let racks = Racks::new(depot);
    give(&racks, large, &fresh(large, 8 * MAGAZINE));
    give(&racks, small, &fresh(small, 8 * MAGAZINE));
    for class in [large, small] {
        let left = take_all(&racks, class);
        assert_eq!(left.len(), 4 * MAGAZINE);
        free(class, left);
    }
}

#[test]
fn nobody_waits_for_the_depot() {
    let class = class(80);
    let depot = depot(class, 10);
    let racks = Racks::new(depot);
    give(&racks, class, &fresh(class, 3 * MAGAZINE));
    assert_eq!(depot.kept(), MAGAZINE * class.size());
    let mut left = Vec::new();
    depot.while_locked(class, || {
        left = take_all(&racks, class);
        assert_eq!(left.len(), 2 * MAGAZINE);
        give(&racks, class, &left[..MAGAZINE + 1]);
        give(&racks, class, &fresh(class, 2 * MAGAZINE));
    });
    // Two magazines were too many, and went to the allocator.
    assert_eq!(depot.kept(), MAGAZINE * class.size());
    free(class, [take_all(&racks, class), left.split_off(MAGAZINE + 1)].concat());
}

#[test]
fn a_thread_that_ends_gives_its_magazines_up() {
    let class = class(96);
    let depot = depot(class, 10);
    let racks = Racks::new(depot);
    give(&racks, class, &fresh(class, MAGAZINE + 5));
    assert_eq!(depot.kept(), 0);
    drop(racks);
    // The full one; the five others went to the allocator.
    let left = take_all(&Racks::new(depot), class);
    assert_eq!(left.len(), MAGAZINE);
    free(class, left);
}

/// A task that is dropped by a destructor of thread-local data, perhaps after the racks.
#[test]
fn memory_is_to_be_had_while_a_thread_ends() {
    struct Late(Layout, Option<NonNull<u8>>);

    impl Drop for Late {
        fn drop(&mut self) {
            // SAFETY: it comes from there with this layout, and nobody uses it.
            self.1.take().into_iter().for_each(|block| unsafe { super::release(block, self.0) });
            let block = super::allocate(self.0);
            // SAFETY: as above.
            unsafe { super::release(block, self.0) };
        }
    }

    thread_local! {
        static BEFORE: std::cell::RefCell<Option<Late>> = const { std::cell::RefCell::new(None) };
        static AFTER: std::cell::RefCell<Option<Late>> = const { std::cell::RefCell::new(None) };
    }

    let layout = Layout::new::<[u64; 20]>();
    let ending = std::thread::spawn(move || {
        // Whichever order destructors run in, one of the two is after the racks'.
        BEFORE.set(Some(Late(layout, None)));
        let block = super::allocate(layout);
        AFTER.set(Some(Late(layout, Some(block))));
    });
    ending.join().unwrap();
}

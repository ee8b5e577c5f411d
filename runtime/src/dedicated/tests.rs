//! What cannot be seen from outside: who waits, and who is woken.

use super::books::{Books, Later, Until};
use super::item::{Core, Place};
use super::{DedicatedWork, DedicatedWorker};
use std::future::Future;
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Books with works that are listed in this order, and their numbers.
fn listed<const N: usize>() -> (Books, [(Arc<Core>, u64); N]) {
    let mut books = Books::default();
    let works = std::array::from_fn(|_| {
        let work = Arc::new(Core::new(|| (), Location::caller()));
        books.insert(&work, &mut work.state(), None, &mut Later::default());
        let Place::Listed(number) = work.state().place else { panic!("it is listed") };
        (work, number)
    });
    (books, works)
}

fn settle(books: &mut Books) {
    let mut later = Later::default();
    books.settle(&mut later);
    later.wakers.into_iter().for_each(Waker::wake);
}

#[test]
fn those_are_woken_whose_number_is_over() {
    let (mut books, [(first, one), (_, two)]) = listed();
    let counts: [Arc<Count>; 3] = Default::default();
    let untils = [Until::Over(one), Until::Over(two), books.all()];
    for (until, count) in untils.into_iter().zip(&counts) {
        books.waiters.add(until, count.clone().into());
    }
    let woken = || counts.each_ref().map(|count| count.get());
    let (number, work) = books.begin().expect("two are listed");
    assert_eq!((number, Arc::ptr_eq(&work, &first)), (one, true));
    settle(&mut books);
    assert_eq!(woken(), [0, 0, 0], "the first one runs");
    books.end(&work);
    settle(&mut books);
    assert_eq!(woken(), [1, 0, 0]);
    let (_, work) = books.begin().expect("one is left");
    books.end(&work);
    settle(&mut books);
    settle(&mut books);
    assert_eq!(woken(), [1, 1, 1], "each once");
}

#[test]
fn a_cancelled_number_is_over() {
    let (mut books, [(_, one), (second, two)]) = listed();
    let mut later = Later::default();
    assert!(books.take_back(&mut second.state(), &mut later));
    assert!(!books.take_back(&mut second.state(), &mut later), "it is idle");
    assert!(books.is_over(Until::Over(two)) && !books.is_over(Until::Over(one)));
    assert!(!books.is_over(Until::AllOver(two)), "the first one is not");
}

#[test]
fn those_whose_deadline_has_passed_enter_the_list_in_its_order() {
    let mut books = Books::default();
    let now = Instant::now();
    let works = [2, 1, 0].map(|ms| {
        let work = Arc::new(Core::new(|| (), Location::caller()));
        let deadline = now.checked_sub(Duration::from_millis(ms)).unwrap_or(now);
        books.insert(&work, &mut work.state(), Some(deadline), &mut Later::default());
        work
    });
    let later = Arc::new(Core::new(|| (), Location::caller()));
    let hour = now + Duration::from_secs(3600);
    books.insert(&later, &mut later.state(), Some(hour), &mut Later::default());
    books.promote();
    for work in &works {
        let (_, next) = books.begin().expect("it is listed");
        assert!(Arc::ptr_eq(&next, work));
        books.end(&next);
    }
    assert!(books.begin().is_none() && books.first_deadline() == Some(hour));
}

#[test]
fn a_wait_that_is_dropped_leaves_no_waker() {
    let worker = DedicatedWorker::builder().without_thread().build().unwrap();
    let work = DedicatedWork::new(|| ());
    work.queue(&worker);
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    {
        let (mut one, mut other) = (pin!(worker.flush()), pin!(work.flush()));
        for _ in 0..3 {
            assert!(one.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            assert!(other.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        // The two above, and one of each wait.
        assert_eq!(Arc::strong_count(&count), 4);
    }
    assert_eq!(Arc::strong_count(&count), 2);
    worker.destroy_blocking();
    assert_eq!(count.get(), 0);
}

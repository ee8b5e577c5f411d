//! Models of an owner against a wheel that fires: every interleaving of one timer.
//!
//! Wakers and counts are plain `std`, so that loom explores the lock, the state and the cells only.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use super::entry::{Entry, State};
use super::timers::Armed;
use super::{Clock, Timers, now_ns};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// One armed timer.
struct Model {
    timers: Arc<Timers>,
    entry: Pin<Box<Entry>>,
    count: Arc<Count>,
    deadline: u64,
}

impl Model {
    fn new() -> Model {
        let timers = Timers::new(Arc::new(Clock::new()), Duration::ZERO, Box::new(|| ()));
        let entry = Box::pin(Entry::new());
        let count = Arc::new(Count::default());
        let deadline = now_ns() + 1_000_000_000_000;
        // SAFETY: idle, and cancelled in `finish`.
        let armed =
            unsafe { timers.arm(entry.as_ref(), deadline, Arc::clone(&count).into(), true) };
        assert_eq!(armed, Armed::Pending);
        Model { timers, entry, count, deadline }
    }

    /// Fires at the deadline in another thread.
    fn fire_elsewhere(&self) -> loom::thread::JoinHandle<()> {
        let (timers, deadline) = (Arc::clone(&self.timers), self.deadline);
        loom::thread::spawn(move || {
            timers.fire(deadline, &mut |waker| waker.wake());
        })
    }

    fn woken(&self) -> usize {
        self.count.0.load(Ordering::Relaxed)
    }

    /// Drops the entry and looks whether its waker is gone exactly once.
    fn finish(self) {
        // SAFETY: the owner.
        unsafe { self.timers.cancel(self.entry.as_ref()) };
        drop(self.entry);
        assert_eq!(self.timers.next_deadline(), u64::MAX);
        assert_eq!(Arc::strong_count(&self.count), 1);
    }
}

#[test]
fn fire_against_drop() {
    loom::model(|| {
        let model = Model::new();
        let firing = model.fire_elsewhere();
        // SAFETY: the owner.
        unsafe { model.timers.cancel(model.entry.as_ref()) };
        let state = model.entry.state();
        firing.join().unwrap();
        assert_eq!(model.entry.state(), state, "nobody touches it after it is cancelled");
        assert_eq!(model.woken(), usize::from(state == State::Fired));
        model.finish();
    });
}

#[test]
fn fire_against_putting_off() {
    loom::model(|| {
        let model = Model::new();
        let later = model.deadline + 1_000_000;
        let firing = model.fire_elsewhere();
        let put_off = model.entry.put_off(model.deadline, later);
        firing.join().unwrap();
        assert_eq!(model.woken(), usize::from(!put_off));
        if put_off {
            assert_eq!(model.entry.state(), State::Armed { deadline: later });
            assert!(model.timers.next_deadline() <= later);
            model.timers.fire(later, &mut |waker| waker.wake());
            assert_eq!(model.woken(), 1);
        }
        assert_eq!(model.entry.state(), State::Fired);
        model.finish();
    });
}

#[test]
fn fire_against_bringing_forward() {
    loom::model(|| {
        let model = Model::new();
        let firing = model.fire_elsewhere();
        // SAFETY: the owner.
        unsafe { model.timers.bring_forward(model.entry.as_ref(), model.deadline - 1, true) };
        firing.join().unwrap();
        assert_eq!((model.woken(), model.entry.state()), (1, State::Fired));
        model.finish();
    });
}

#[test]
fn fire_against_polling_with_another_waker() {
    loom::model(|| {
        let model = Model::new();
        let other = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&other));
        let firing = model.fire_elsewhere();
        let mut saw_it_fired = model.entry.state() == State::Fired;
        // SAFETY: the owner, which has armed it; the comparison races with the wheel's copy.
        unsafe {
            assert!(!model.entry.will_wake(&waker));
            model.timers.replace_waker(model.entry.as_ref(), waker.clone());
        }
        saw_it_fired |= model.entry.state() == State::Fired;
        firing.join().unwrap();
        let woken = other.0.load(Ordering::Relaxed);
        assert!(saw_it_fired || woken == 1, "neither seen nor woken");
        assert_eq!(woken + model.woken(), 1);
        drop(waker);
        assert_eq!(Arc::strong_count(&other), 1);
        model.finish();
    });
}

#[test]
fn fire_against_arming_anew() {
    loom::model(|| {
        let model = Model::new();
        let firing = model.fire_elsewhere();
        if model.entry.state() == State::Fired {
            model.entry.rearm();
            let waker = Arc::clone(&model.count).into();
            // SAFETY: idle.
            let armed =
                unsafe { model.timers.arm(model.entry.as_ref(), model.deadline + 1, waker, true) };
            assert_eq!(armed, Armed::Pending);
        }
        firing.join().unwrap();
        model.timers.fire(model.deadline + 1, &mut |waker| waker.wake());
        assert_eq!(model.entry.state(), State::Fired);
        model.finish();
    });
}

#[test]
fn close_against_fire_and_putting_off() {
    loom::model(|| {
        let model = Model::new();
        let firing = model.fire_elsewhere();
        let timers = Arc::clone(&model.timers);
        let closing = loom::thread::spawn(move || timers.close(&mut |waker| waker.wake()));
        model.entry.put_off(model.deadline, model.deadline + 1);
        firing.join().unwrap();
        closing.join().unwrap();
        assert!(matches!(model.entry.state(), State::Fired | State::Closed));
        assert_eq!(model.woken(), 1);
        model.finish();
    });
}

#[test]
fn two_threads_fire() {
    loom::model(|| {
        let model = Model::new();
        let firing = model.fire_elsewhere();
        model.timers.try_fire(model.deadline, &mut |waker| waker.wake());
        firing.join().unwrap();
        assert_eq!((model.woken(), model.entry.state()), (1, State::Fired));
        model.finish();
    });
}

//! Threads that arm, put off, bring forward and drop while another fires.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::{Random, timers};
use crate::time::sleep::sleep_on;
use crate::time::{Instant, Sleep, Timers, now_ns};

const ROUNDS: u64 = 20_000;

/// Wakes a thread, and knows how many of its kind are alive.
struct Unpark {
    thread: std::thread::Thread,
    woken: AtomicBool,
    alive: Arc<AtomicUsize>,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl Drop for Unpark {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

fn owner(timers: &Arc<Timers>, alive: &Arc<AtomicUsize>, seed: u64) {
    let random = &mut Random::new(seed);
    for _ in 0..ROUNDS {
        let soon = |random: &mut Random| Instant::now() + Duration::from_nanos(random.below(8_000));
        let mut sleep = Box::pin(sleep_on(timers, soon(random)));
        let (mut waker, mut unpark) = new_waker(alive);
        if sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            continue;
        }
        for _ in 0..random.below(4) {
            match random.below(4) {
                0 => sleep.as_mut().reset(soon(random)),
                1 => {
                    let later = sleep.deadline() + Duration::from_nanos(random.below(8_000));
                    sleep.as_mut().reset(later);
                }
                2 => (waker, unpark) = new_waker(alive),
                _ => std::hint::spin_loop(),
            }
            if sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                break;
            }
        }
        if random.below(2) == 0 {
            wait(sleep, &waker, &unpark);
        }
    }
}

/// Waits as a task does, trusting the waker alone.
fn wait(mut sleep: Pin<Box<Sleep>>, waker: &Waker, unpark: &Unpark) {
    while sleep.as_mut().poll(&mut Context::from_waker(waker)) == Poll::Pending {
        let started = Instant::now();
        while !unpark.woken.swap(false, Ordering::Acquire) {
            std::thread::park_timeout(Duration::from_secs(1));
            assert!(started.elapsed() < Duration::from_secs(20), "a wake was lost: {sleep:?}");
        }
    }
    assert!(Instant::now() >= sleep.deadline(), "early");
}

fn new_waker(alive: &Arc<AtomicUsize>) -> (Waker, Arc<Unpark>) {
    alive.fetch_add(1, Ordering::Relaxed);
    let unpark = Arc::new(Unpark {
        thread: std::thread::current(),
        woken: AtomicBool::new(false),
        alive: Arc::clone(alive),
    });
    (Waker::from(Arc::clone(&unpark)), unpark)
}

#[test]
fn owners_against_the_wheel() {
    let (timers, _) = timers(Duration::ZERO);
    let alive = Arc::new(AtomicUsize::new(0));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let firing = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                if timers.next_deadline() <= now_ns() {
                    timers.fire(now_ns(), &mut |waker| waker.wake());
                } else {
                    std::thread::yield_now();
                }
            }
        });
        let owners: Vec<_> = (0..3)
            .map(|seed| {
                let (timers, alive) = (&timers, &alive);
                scope.spawn(move || owner(timers, alive, seed))
            })
            .collect();
        let results: Vec<_> = owners.into_iter().map(|owner| owner.join()).collect();
        done.store(true, Ordering::Relaxed);
        firing.join().unwrap();
        results.into_iter().for_each(|result| result.unwrap());
    });
    assert_eq!(timers.next_deadline(), u64::MAX);
    assert_eq!(alive.load(Ordering::Relaxed), 0, "wakers leaked");
}

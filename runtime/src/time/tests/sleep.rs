//! The futures, over timers that the test fires itself.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::{Log, timers};
use crate::time::sleep::sleep_on;
use crate::time::{Instant, Interval, Sleep, Timeout, sleep};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn is_pending_until_it_has_fired() {
    let (timers, _) = timers(Duration::ZERO);
    let (log, deadline) = (Log::default(), Instant::now() + SECOND);
    let when = timers.clock().ns_of(deadline);
    let mut sleep = pin!(sleep_on(&timers, deadline));
    let waker = log.waker(0);
    let cx = &mut Context::from_waker(&waker);
    assert_eq!(timers.next_deadline(), u64::MAX, "registers at the first poll");
    assert_eq!(sleep.as_mut().poll(cx), Poll::Pending);
    assert_eq!(timers.next_deadline(), when);
    super::fire(&timers, when - 1);
    assert_eq!(sleep.as_mut().poll(cx), Poll::Pending);
    assert!(!sleep.is_elapsed());
    super::fire(&timers, when);
    assert_eq!(log.take(), [0]);
    assert!(sleep.is_elapsed());
    assert_eq!(sleep.as_mut().poll(cx), Poll::Ready(()));
    assert_eq!(sleep.as_mut().poll(cx), Poll::Ready(()), "as tokio's, it stays ready");
}

#[test]
fn wakes_the_task_that_polled_last() {
    let (timers, _) = timers(Duration::ZERO);
    let (log, deadline) = (Log::default(), Instant::now() + SECOND);
    let mut sleep = pin!(sleep_on(&timers, deadline));
    for id in 0..3 {
        let waker = log.waker(id);
        assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    super::fire(&timers, timers.next_deadline());
    assert_eq!(log.take(), [2]);
}

#[test]
fn resets_in_every_state() {
    let (timers, _) = timers(Duration::ZERO);
    let (log, start) = (Log::default(), Instant::now());
    let ns = |seconds| timers.clock().ns_of(start + seconds * SECOND);
    let waker = log.waker(0);
    let cx = &mut Context::from_waker(&waker);
    let mut sleep = pin!(sleep_on(&timers, start + 10 * SECOND));

    sleep.as_mut().reset(start + 20 * SECOND); // idle
    assert_eq!(sleep.deadline(), start + 20 * SECOND);
    assert!(sleep.as_mut().poll(cx).is_pending());
    assert_eq!(timers.next_deadline(), ns(20));

    sleep.as_mut().reset(start + 5 * SECOND); // armed, to earlier
    assert_eq!(timers.next_deadline(), ns(5));
    sleep.as_mut().reset(start + 6 * SECOND); // armed, to later
    super::fire(&timers, ns(5));
    assert!(log.take().is_empty() && !sleep.is_elapsed());
    super::fire(&timers, ns(6));
    assert_eq!(log.take(), [0]);

    sleep.as_mut().reset(start + 30 * SECOND); // fired
    assert!(!sleep.is_elapsed());
    assert!(sleep.as_mut().poll(cx).is_pending());
    sleep.as_mut().reset(start); // armed, to the past
    assert_eq!(log.take(), [0]);
    assert!(sleep.as_mut().poll(cx).is_ready());

    sleep.as_mut().reset(start); // fired, to the past
    assert!(sleep.as_mut().poll(cx).is_ready());
}

#[test]
fn the_longest_duration_is_thirty_years() {
    let (timers, _) = timers(Duration::ZERO);
    let years = |n: u32| n * 365 * 86_400 * SECOND;
    let deadline = sleep(Duration::MAX).deadline();
    assert!(deadline > Instant::now() + years(29) && deadline < Instant::now() + years(31));
    let mut sleep = pin!(sleep_on(&timers, deadline));
    assert!(sleep.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

#[test]
fn deadlines_before_the_epoch_of_the_clock_have_passed() {
    let (timers, _) = timers(Duration::ZERO);
    let Some(past) = Instant::now().checked_sub(10 * SECOND) else { return };
    let mut sleep = pin!(sleep_on(&timers, past));
    assert!(sleep.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
}

#[test]
#[should_panic = "there is no timer running, must be called from the context of a cmwq runtime"]
fn panics_outside_of_a_runtime() {
    let _ = pin!(sleep(SECOND)).poll(&mut Context::from_waker(Waker::noop()));
}

#[test]
#[should_panic = "A cmwq runtime was found, but it is being shut down"]
fn panics_when_polled_after_shutdown() {
    let (timers, _) = timers(Duration::ZERO);
    let mut sleep = pin!(sleep_on(&timers, Instant::now() + SECOND));
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(sleep.as_mut().poll(cx).is_pending());
    timers.close(&mut |_| ());
    sleep.as_mut().reset(Instant::now() + 2 * SECOND);
    let _ = sleep.as_mut().poll(cx);
}

#[test]
#[should_panic = "A cmwq runtime was found, but it is being shut down"]
fn panics_when_armed_after_shutdown() {
    let (timers, _) = timers(Duration::ZERO);
    timers.close(&mut |_| ());
    let mut sleep = pin!(sleep_on(&timers, Instant::now() + SECOND));
    let _ = sleep.as_mut().poll(&mut Context::from_waker(Waker::noop()));
}

#[test]
fn can_be_sent_and_shared() {
    fn both<T: Send + Sync>() {}
    both::<Sleep>();
    both::<Timeout<()>>();
    both::<Interval>();
}

#[test]
fn is_small() {
    assert!(size_of::<Sleep>() <= 88, "{} bytes", size_of::<Sleep>());
}

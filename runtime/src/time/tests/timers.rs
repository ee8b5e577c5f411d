//! Arming, firing, cancelling and closing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Duration;

use super::{Log, MS, SECOND, Timer, base, fire, timers};
use crate::time::entry::{LATEST, State};
use crate::time::timers::Armed;

#[test]
fn fires_at_the_nanosecond_and_not_before() {
    let (timers, _) = timers(Duration::ZERO);
    let now = base();
    let timer = Timer::armed(&timers, now + 1_500, Waker::noop().clone());
    assert_eq!(timers.next_deadline(), now + 1_500);
    assert_eq!(fire(&timers, now + 1_499), 0);
    assert_eq!(fire(&timers, now + 1_500), 1);
    assert_eq!(timer.state(), State::Fired);
    assert_eq!(timers.next_deadline(), u64::MAX);
}

#[test]
fn fires_in_order_across_levels() {
    let (timers, _) = timers(Duration::ZERO);
    // At the start of a tick.
    let (now, log) = (base() & !1_023, Log::default());
    let mut armed = Vec::new();
    // From the last to the first, so that order does not come from insertion.
    for id in (0..54).rev() {
        armed.push(Timer::armed(&timers, now + (1 << id) + (1 << 10), log.waker(id)));
    }
    assert_eq!(fire(&timers, now + (1 << 60)), 54);
    // The first ten share a tick, in which the order is that of arming.
    assert_eq!(log.take().split_off(10), (10..54).collect::<Vec<_>>());
}

#[test]
fn equal_deadlines_fire_in_the_order_of_arming() {
    let (timers, _) = timers(Duration::ZERO);
    let (now, log) = (base(), Log::default());
    let armed: Vec<_> =
        (0..100).map(|id| Timer::armed(&timers, now + SECOND, log.waker(id))).collect();
    // Some sink to lower levels on the way.
    fire(&timers, now + SECOND - 3 * MS);
    fire(&timers, now + SECOND - 5_000);
    assert_eq!(fire(&timers, now + SECOND), armed.len());
    assert_eq!(log.take(), (0..100).collect::<Vec<_>>());
}

#[test]
fn a_far_deadline_costs_one_wakeup() {
    let (timers, _) = timers(Duration::ZERO);
    let now = base();
    let _timer = Timer::armed(&timers, now + 10 * SECOND, Waker::noop().clone());
    assert_eq!(timers.next_deadline(), now + 10 * SECOND);
    assert_eq!(fire(&timers, now + 10 * SECOND), 1);
}

#[test]
fn a_far_deadline_stays_exact_when_nearer_ones_fire() {
    let (timers, _) = timers(Duration::ZERO);
    let now = base();
    let _far = Timer::armed(&timers, now + 100 * SECOND, Waker::noop().clone());
    for near in 1..2_000 {
        let when = now + near * 37 * MS;
        let _near = Timer::armed(&timers, when, Waker::noop().clone());
        assert_eq!(timers.next_deadline(), when);
        assert_eq!(fire(&timers, when), 1);
        assert_eq!(timers.next_deadline(), now + 100 * SECOND);
    }
}

#[test]
fn the_latest_deadline_is_in_range() {
    let (timers, _) = timers(Duration::ZERO);
    let timer = Timer::armed(&timers, LATEST, Waker::noop().clone());
    assert_eq!(timers.next_deadline(), LATEST);
    assert_eq!(fire(&timers, LATEST - 1), 0);
    assert_eq!(fire(&timers, LATEST), 1);
    drop(timer);
}

#[test]
fn a_past_deadline_is_not_armed() {
    let (timers, _) = timers(Duration::ZERO);
    let now = base();
    fire(&timers, now);
    assert_eq!(Timer::idle(&timers).arm(now, Waker::noop().clone(), true), Armed::Elapsed);
    assert_eq!(Timer::idle(&timers).arm(now + 1, Waker::noop().clone(), true), Armed::Pending);
}

#[test]
fn cancelling_clears_the_next_deadline_and_frees_the_waker() {
    let (timers, _) = timers(Duration::ZERO);
    let now = base();
    let waker = Arc::new(Counted);
    let first = Timer::armed(&timers, now + MS, waker.clone().into());
    let second = Timer::armed(&timers, now + SECOND, waker.clone().into());
    assert_eq!(Arc::strong_count(&waker), 3);
    drop(first);
    // Where both were in one slot, its bound is still that of the first; firing corrects it.
    assert!([now + MS, now + SECOND].contains(&timers.next_deadline()));
    assert_eq!(fire(&timers, now + MS), 0);
    assert_eq!(timers.next_deadline(), now + SECOND);
    drop(second);
    assert_eq!(timers.next_deadline(), u64::MAX);
    assert_eq!(Arc::strong_count(&waker), 1);
    assert_eq!(fire(&timers, now + 2 * SECOND), 0);
}

#[test]
fn a_replaced_waker_is_dropped_and_the_new_one_woken() {
    let (timers, _) = timers(Duration::ZERO);
    let (now, log, old) = (base(), Log::default(), Arc::new(Counted));
    let mut timer = Timer::armed(&timers, now + MS, old.clone().into());
    timer.replace_waker(log.waker(7));
    assert_eq!(Arc::strong_count(&old), 1);
    assert_eq!(fire(&timers, now + MS), 1);
    assert_eq!(log.take(), [7]);
    timer.replace_waker(old.clone().into());
    assert_eq!(Arc::strong_count(&old), 1, "a fired timer keeps no waker");
}

#[test]
fn putting_off_keeps_the_waker_and_wakes_later() {
    let (timers, _) = timers(Duration::ZERO);
    let (now, log) = (base(), Log::default());
    let mut timer = Timer::armed(&timers, now + MS, log.waker(1));
    timer.put_off(now + SECOND);
    assert_eq!(timers.next_deadline(), now + MS, "the core wakes once at the old time");
    assert_eq!(fire(&timers, now + MS), 0);
    assert_eq!(timers.next_deadline(), now + SECOND);
    assert_eq!(fire(&timers, now + SECOND), 1);
    assert_eq!(log.take(), [1]);
}

#[test]
fn what_was_put_off_fires_in_the_order_of_the_new_deadlines() {
    let (timers, _) = timers(Duration::ZERO);
    let (now, log) = (base(), Log::default());
    let mut first = Timer::armed(&timers, now + MS, log.waker(1));
    let _second = Timer::armed(&timers, now + 2 * MS, log.waker(2));
    first.put_off(now + 3 * MS);
    assert_eq!(fire(&timers, now + 4 * MS), 2);
    assert_eq!(log.take(), [2, 1]);
}

#[test]
fn bringing_forward_into_the_past_wakes_at_once() {
    let (timers, _) = timers(Duration::ZERO);
    let (now, log) = (base(), Log::default());
    let mut timer = Timer::armed(&timers, now + SECOND, log.waker(1));
    fire(&timers, now);
    assert!(timer.bring_forward(now - MS, true));
    assert_eq!(timer.state(), State::Fired);
    assert_eq!(log.take(), [1]);
    assert_eq!(timers.next_deadline(), u64::MAX);
}

#[test]
fn unparks_only_for_an_earlier_deadline_from_elsewhere() {
    let (timers, unparks) = timers(Duration::ZERO);
    let now = base();
    let count = || unparks.load(Ordering::Relaxed);
    let (mut first, mut second, mut third) =
        (Timer::idle(&timers), Timer::idle(&timers), Timer::idle(&timers));
    first.arm(now + 10 * MS, Waker::noop().clone(), true);
    assert_eq!(count(), 0, "the thread that drives the core looks by itself");
    second.arm(now + 20 * MS, Waker::noop().clone(), false);
    assert_eq!(count(), 0, "the core wakes before that anyway");
    third.arm(now + 5 * MS, Waker::noop().clone(), false);
    assert_eq!(count(), 1);
    second.bring_forward(now + MS, false);
    assert_eq!(count(), 2);
}

#[test]
fn fires_more_than_one_batch() {
    let (timers, _) = timers(Duration::ZERO);
    let (now, log) = (base(), Log::default());
    let armed: Vec<_> =
        (0..1_000).map(|id| Timer::armed(&timers, now + MS, log.waker(id))).collect();
    assert_eq!(timers.try_fire(now + MS, &mut |waker| waker.wake()), Some(armed.len()));
    assert_eq!(log.take(), (0..1_000).collect::<Vec<_>>());
}

#[test]
fn the_sink_runs_without_the_lock() {
    let (timers, _) = timers(Duration::ZERO);
    let now = base();
    let _timer = Timer::armed(&timers, now + MS, Waker::noop().clone());
    timers.fire(now + MS, &mut |_| {
        assert_eq!(timers.try_fire(now + MS, &mut |_| ()), Some(0));
        drop(Timer::armed(&timers, now + SECOND, Waker::noop().clone()));
    });
}

#[test]
fn a_sink_that_panics_loses_no_other_timer() {
    let (timers, _) = timers(Duration::ZERO);
    let (now, log) = (base(), Log::default());
    let _armed: Vec<_> = (0..40).map(|id| Timer::armed(&timers, now + MS, log.waker(id))).collect();
    let fired = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        timers.fire(now + MS, &mut |_| panic!("in a waker"));
    }));
    assert!(fired.is_err());
    assert!(timers.next_deadline() <= now + MS, "the rest is still announced");
    fire(&timers, now + MS);
    assert_eq!(log.take(), (1..40).collect::<Vec<_>>());
}

#[test]
fn closing_wakes_all_and_refuses_new_ones() {
    let (timers, _) = timers(Duration::ZERO);
    let (now, log) = (base(), Log::default());
    let armed: Vec<_> =
        (0..100).map(|id| Timer::armed(&timers, now + (MS << (id % 20)), log.waker(id))).collect();
    timers.close(&mut |waker| waker.wake());
    let mut woken = log.take();
    woken.sort_unstable();
    assert_eq!(woken, (0..100).collect::<Vec<_>>());
    assert!(armed.iter().all(|timer| timer.state() == State::Closed));
    assert_eq!(timers.next_deadline(), u64::MAX);
    assert_eq!(Timer::idle(&timers).arm(now + MS, log.waker(0), true), Armed::Closed);
    assert_eq!(fire(&timers, now + SECOND), 0);
}

struct Counted;

impl std::task::Wake for Counted {
    fn wake(self: Arc<Self>) {}
}

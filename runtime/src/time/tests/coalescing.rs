//! The granularity bounds the number of wakeups.

use std::task::Waker;
use std::time::Duration;

use super::{SECOND, Timer, US, base, fire, timers};

#[test]
fn dense_timers_share_wakeups() {
    let (timers, _) = timers(Duration::from_micros(16));
    let now = base();
    // 1000 timers, one each microsecond.
    let _armed: Vec<_> =
        (1..=1_000).map(|n| Timer::armed(&timers, now + n * US, Waker::noop().clone())).collect();
    let (mut wakeups, mut fired) = (0, 0);
    while timers.next_deadline() != u64::MAX {
        fired += fire(&timers, timers.next_deadline());
        wakeups += 1;
    }
    assert_eq!(fired, 1_000);
    assert!(wakeups <= 1_000 / 16 + 2, "{wakeups} wakeups");
}

#[test]
fn a_lone_timer_is_not_delayed() {
    let (timers, _) = timers(Duration::from_micros(16));
    let now = base();
    fire(&timers, now);
    for n in 1..100 {
        let when = now + n * 17 * US;
        let _timer = Timer::armed(&timers, when, Waker::noop().clone());
        assert_eq!(timers.next_deadline(), when);
        assert_eq!(fire(&timers, when), 1);
    }
}

#[test]
fn a_wakeup_follows_another_after_the_granularity() {
    let (timers, _) = timers(Duration::from_micros(16));
    let now = base();
    let _first = Timer::armed(&timers, now, Waker::noop().clone());
    assert_eq!(fire(&timers, now), 1);
    let _near = Timer::armed(&timers, now + US, Waker::noop().clone());
    assert_eq!(timers.next_deadline(), now + 16 * US);
    assert_eq!(fire(&timers, now + 2 * US), 1, "but a worker that looks earlier fires it");
}

#[test]
fn off_means_every_deadline() {
    let (timers, _) = timers(Duration::ZERO);
    let now = base();
    let _first = Timer::armed(&timers, now, Waker::noop().clone());
    fire(&timers, now);
    let _near = Timer::armed(&timers, now + 1, Waker::noop().clone());
    assert_eq!(timers.next_deadline(), now + 1);
}

#[test]
fn a_granularity_out_of_range_saturates() {
    let (timers, _) = timers(Duration::MAX);
    let now = base();
    let _first = Timer::armed(&timers, now, Waker::noop().clone());
    let _second = Timer::armed(&timers, now + SECOND, Waker::noop().clone());
    assert_eq!(timers.next_deadline(), now);
    assert_eq!(fire(&timers, now), 1);
    assert_eq!(timers.next_deadline(), u64::MAX);
}

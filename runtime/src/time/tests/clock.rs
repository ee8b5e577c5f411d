//! The two scales of the clock, and the clock that tests can move.

use std::time::Duration;

use crate::time::{Clock, Instant, now_ns};

#[test]
fn an_instant_maps_to_its_own_time_or_a_little_later() {
    let clock = Clock::new();
    let mut widest = 0;
    for _ in 0..1_000 {
        let before = now_ns();
        let ns = clock.ns_of(Instant::now());
        assert!(ns >= before, "early by {} ns", before - ns);
        widest = widest.max(ns.saturating_sub(now_ns()));
    }
    assert!(widest < 100_000, "late by {widest} ns");
}

#[test]
fn far_instants_saturate() {
    let clock = Clock::new();
    let far = Instant::now() + Duration::from_secs(1 << 40);
    assert_eq!(clock.ns_of(far), crate::time::entry::LATEST);
}

#[cfg(feature = "test-util")]
mod paused {
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Waker};
    use std::time::Duration;

    use super::super::{MS, Timer, fire};
    use crate::time::sleep::sleep_on;
    use crate::time::{Clock, Timers, now_ns};

    fn paused() -> (Arc<Timers>, Arc<AtomicUsize>) {
        let (timers, unparks) = super::super::timers(Duration::from_micros(16));
        assert!(timers.clock().pause());
        assert!(!timers.clock().pause(), "a second time changes nothing");
        (timers, unparks)
    }

    #[test]
    fn stands_still_and_moves_when_told() {
        let clock = Clock::new();
        clock.pause();
        let start = clock.now();
        std::thread::sleep(Duration::from_millis(1));
        assert_eq!(clock.now(), start);
        let later = clock.ns_of(start) + 5 * MS;
        assert!(clock.auto_advance_to(later));
        assert_eq!(clock.now() - start, Duration::from_millis(5));
        clock.auto_advance_to(later - MS);
        assert_eq!(clock.now() - start, Duration::from_millis(5), "never backwards");
    }

    #[test]
    fn stands_still_before_its_end() {
        let clock = Clock::new();
        clock.pause();
        let start = clock.now();
        assert!(!clock.auto_advance_to(crate::time::entry::LATEST));
        assert!(!clock.auto_advance_to(i64::MAX as u64 + 1));
        assert_eq!(clock.now(), start);
        assert!(clock.auto_advance_to(i64::MAX as u64));
        let end = clock.now();
        assert!(clock.resume());
        assert!(clock.now() >= end, "never backwards");
    }

    #[test]
    fn advances_exactly_to_each_deadline() {
        let (timers, _) = paused();
        let clock = timers.clock();
        let start = clock.now();
        let cx = &mut Context::from_waker(Waker::noop());
        let mut first = pin!(sleep_on(&timers, start + Duration::from_millis(10)));
        let mut second = pin!(sleep_on(&timers, start + Duration::from_secs(3_600)));
        assert!(first.as_mut().poll(cx).is_pending() && second.as_mut().poll(cx).is_pending());
        assert_eq!(timers.next_deadline(), u64::MAX);
        for sleep in [first, second] {
            assert_eq!(fire(&timers, now_ns()), 0);
            assert!(clock.auto_advance_to(timers.raw_next().unwrap()));
            assert_eq!(clock.now(), sleep.deadline());
            assert_eq!(timers.next_deadline(), 0, "due where time stands");
            assert_eq!(fire(&timers, now_ns()), 1);
        }
        assert_eq!(timers.raw_next(), None);
    }

    #[test]
    fn what_is_due_where_time_stands_fires_in_spite_of_the_granularity() {
        let (timers, _) = paused();
        let now = timers.clock().ns_of(timers.clock().now());
        let _first = Timer::armed(&timers, now, Waker::noop().clone());
        assert_eq!(timers.next_deadline(), 0);
        assert_eq!(fire(&timers, now_ns()), 1);
        timers.clock().auto_advance_to(now + 1);
        let _second = Timer::armed(&timers, now + 1, Waker::noop().clone());
        assert_eq!(timers.next_deadline(), 0);
    }

    #[test]
    fn goes_on_from_where_it_stood() {
        let (timers, unparks) = paused();
        let clock = timers.clock();
        let start = clock.now();
        clock.auto_advance_to(clock.ns_of(start) + 1_000 * MS);
        let deadline = start + Duration::from_millis(1_002);
        let mut sleep = pin!(sleep_on(&timers, deadline));
        assert!(sleep.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let before = unparks.load(Ordering::Relaxed);
        assert!(clock.resume());
        assert!(!clock.resume());
        assert!(unparks.load(Ordering::Relaxed) > before, "a parked core must look again");
        let wait = timers.next_deadline() - now_ns().min(timers.next_deadline());
        assert!(wait <= 2 * MS, "{wait} ns");
        std::thread::sleep(Duration::from_nanos(wait));
        assert_eq!(fire(&timers, now_ns()), 1);
        assert!(clock.now() >= deadline);
    }
}

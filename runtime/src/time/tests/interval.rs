//! Intervals and what they do about missed ticks, against tokio's documentation.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::time::{Instant, Interval, MissedTickBehavior, interval, interval_at};

const MS: Duration = Duration::from_millis(1);

/// The ticks of 50 ms periods of which the one at `late_from` is handed out `late_by` late, in
/// milliseconds after the start; those after it at once when due.
fn ticks(behavior: MissedTickBehavior, late_at: u32, late_by: u32) -> Vec<u32> {
    let (start, period) = (Instant::now(), 50 * MS);
    let (mut tick, mut now, mut times) = (start, start, Vec::new());
    for _ in 0..8 {
        times.push((tick - start).as_millis() as u32);
        now = now.max(tick);
        if tick == start + late_at * MS {
            now += late_by * MS;
        }
        tick = behavior.next(tick, now, period).unwrap();
    }
    times
}

#[test]
fn burst_catches_up() {
    let all = [0, 50, 100, 150, 200, 250, 300, 350];
    assert_eq!(ticks(MissedTickBehavior::Burst, 50, 200), all);
}

#[test]
fn delay_moves_the_ticks() {
    let moved = [0, 50, 300, 350, 400, 450, 500, 550];
    assert_eq!(ticks(MissedTickBehavior::Delay, 50, 200), moved);
}

#[test]
fn skip_goes_on_at_the_next_multiple() {
    assert_eq!(ticks(MissedTickBehavior::Skip, 50, 175), [0, 50, 250, 300, 350, 400, 450, 500]);
    assert_eq!(ticks(MissedTickBehavior::Skip, 50, 200), [0, 50, 300, 350, 400, 450, 500, 550]);
}

#[test]
fn a_little_lateness_is_not_a_missed_tick() {
    let all = [0, 50, 100, 150, 200, 250, 300, 350];
    for behavior in [MissedTickBehavior::Burst, MissedTickBehavior::Delay, MissedTickBehavior::Skip]
    {
        assert_eq!(ticks(behavior, 100, 5), all, "{behavior:?}");
    }
}

#[test]
fn skip_skips_at_short_periods_too() {
    let start = Instant::now();
    let next = MissedTickBehavior::Skip.next(start, start + 3_500 * MS / 1_000, MS);
    assert_eq!(next, Some(start + 4 * MS));
}

#[test]
fn late_ticks_come_at_once_and_need_no_runtime() {
    let start = Instant::now() - 10 * MS;
    let mut interval = interval_at(start, 4 * MS);
    let cx = &mut Context::from_waker(Waker::noop());
    for tick in 0..3 {
        assert_eq!(interval.poll_tick(cx), Poll::Ready(start + tick * 4 * MS));
    }
}

#[test]
fn settings_can_be_read_back() {
    let mut interval = interval(3 * MS);
    assert_eq!(interval.period(), 3 * MS);
    assert_eq!(interval.missed_tick_behavior(), MissedTickBehavior::Burst);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    assert_eq!(interval.missed_tick_behavior(), MissedTickBehavior::Delay);
}

#[test]
fn resets() {
    let mut interval = interval(Duration::from_secs(100));
    let cx = &mut Context::from_waker(Waker::noop());
    let tick = |interval: &mut Interval, cx: &mut Context<'_>| match interval.poll_tick(cx) {
        Poll::Ready(tick) => tick,
        Poll::Pending => panic!("not due"),
    };
    tick(&mut interval, cx);
    interval.reset_immediately();
    tick(&mut interval, cx);
    let past = Instant::now() - MS;
    interval.reset_at(past);
    assert_eq!(tick(&mut interval, cx), past);
    interval.reset_after(Duration::ZERO);
    tick(&mut interval, cx);
}

#[test]
fn the_longest_period_does_not_overflow() {
    let mut interval = interval(Duration::MAX);
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(interval.poll_tick(cx).is_ready());
    interval.reset();
}

#[test]
#[should_panic = "`period` must be non-zero."]
fn refuses_a_period_of_zero() {
    interval(Duration::ZERO);
}

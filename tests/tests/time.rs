//! Timers through the runtime. Never early is exact; late has wide margins.

use cmwq::time::{self, Duration, Instant, MissedTickBehavior};
use cmwq_tests::{NEVER, Running, Watchdog, case, every_case, finish};
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// What a test may wait for on a busy machine, in sum.
const PATIENCE: Duration = Duration::from_secs(20);

/// With a waker that does nothing.
fn poll_once(sleep: &mut Pin<Box<time::Sleep>>) -> Poll<()> {
    sleep.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// In which order timers end whose tasks were spawned in another; `None` if the machine stood still
/// and a deadline was over before its task began to wait.
fn order_of_ends(runtime: &Running) -> Option<Vec<u64>> {
    let order = Arc::new(Mutex::new(Vec::new()));
    let start = Instant::now();
    let tasks: Vec<_> = [5_u64, 1, 4, 2, 3, 0]
        .into_iter()
        .map(|n| {
            let order = order.clone();
            runtime.spawn(async move {
                let deadline = start + Duration::from_millis(20 + n * 30);
                let mut sleep = Box::pin(time::sleep_until(deadline));
                let waits = poll_once(&mut sleep).is_pending();
                assert!(waits || Instant::now() >= deadline, "early");
                sleep.await;
                order.lock().expect("no panic").push(n);
                waits
            })
        })
        .collect();
    let waited: Vec<_> = tasks.into_iter().map(|task| finish(task).expect("no panic")).collect();
    waited.iter().all(|&waits| waits).then(|| std::mem::take(&mut *order.lock().expect("no panic")))
}

every_case! {
    fn never_early(case) {
        let runtime = case.start(case::cores());
        let tasks: Vec<_> = (0..300_u64)
            .map(|n| {
                runtime.spawn(async move {
                    let wanted = Duration::from_micros(n * 331 % 20_000);
                    let start = Instant::now();
                    time::sleep(wanted).await;
                    let took = start.elapsed();
                    assert!(took >= wanted, "{took:?} for {wanted:?}");
                })
            })
            .collect();
        for task in tasks {
            finish(task).expect("never early");
        }
    }

    /// In the order of their deadlines, also where several are over at once.
    fn in_order(case) {
        let runtime = case.start_with(1, |builder| {
            builder.cpu_intensive_threshold(NEVER);
        });
        let order = (0..10).find_map(|_| order_of_ends(&runtime));
        assert_eq!(order.expect("some tasks begin in time"), [0, 1, 2, 3, 4, 5]);
    }

    fn timeout(case) {
        let runtime = case.start(1);
        let task = runtime.spawn(async {
            let elapsed = time::timeout(Duration::from_millis(5), pending::<()>()).await;
            let error = elapsed.expect_err("never");
            assert_eq!(error.to_string(), "deadline has elapsed");
            assert_eq!(time::timeout(PATIENCE, async { 1 }).await, Ok(1));
            // A future that is ready wins, even at a deadline that has passed.
            assert_eq!(time::timeout(Duration::ZERO, async { 2 }).await, Ok(2));
            let past = Instant::now();
            time::timeout_at(past, pending::<()>()).await.expect_err("never");
        });
        finish(task).expect("no panic");
    }

    fn interval(case) {
        let runtime = case.start(1);
        let task = runtime.spawn(async {
            let start = Instant::now();
            let mut interval = time::interval(Duration::from_millis(4));
            assert_eq!(interval.period(), Duration::from_millis(4));
            for n in 0..20_u32 {
                let tick = interval.tick().await;
                assert!(Instant::now() >= tick);
                assert!(tick >= start + n * Duration::from_millis(4), "tick {n} is early");
            }
        });
        finish(task).expect("no panic");
    }

    /// A timer that was first polled by one task is awaited by another, maybe on another core.
    fn moves_between_tasks(case) {
        let runtime = case.start(case::cores());
        let task = runtime.spawn(async {
            for _ in 0..50 {
                let mut sleep = Box::pin(time::sleep(Duration::from_millis(2)));
                assert!(poll_once(&mut sleep).is_pending() || sleep.is_elapsed());
                cmwq::spawn(sleep).await.expect("no panic");
            }
        });
        finish(task).expect("no panic");
    }

    /// Many at one time, and most of them dropped before.
    fn many(case) {
        let runtime = case.start(case::cores());
        let task = runtime.spawn(async {
            let mut kept = Vec::new();
            for n in 0..20_000_u64 {
                let mut sleep = Box::pin(time::sleep(Duration::from_millis(5 + n % 20)));
                assert!(poll_once(&mut sleep).is_pending() || sleep.is_elapsed());
                if n % 10 == 0 {
                    kept.push(sleep);
                }
            }
            for sleep in kept {
                sleep.await;
            }
        });
        finish(task).expect("no panic");
    }
}

#[cmwq::test]
async fn reset() {
    let _watchdog = Watchdog::start("reset");
    let start = Instant::now();
    let sleep = time::sleep(Duration::from_secs(3600));
    cmwq::pin!(sleep);
    let early = time::timeout(Duration::from_millis(2), sleep.as_mut()).await;
    early.expect_err("an hour has not passed");
    sleep.as_mut().reset(start + Duration::from_millis(10));
    sleep.as_mut().await;
    assert!(sleep.is_elapsed());
    assert!(start.elapsed() >= Duration::from_millis(10));
    // And again after it fired.
    sleep.as_mut().reset(start + Duration::from_millis(20));
    assert!(!sleep.is_elapsed() || start.elapsed() >= Duration::from_millis(20));
    sleep.await;
    assert!(start.elapsed() >= Duration::from_millis(20));
}

#[cmwq::test]
async fn far_future() {
    let _watchdog = Watchdog::start("far_future");
    for far in [Duration::MAX, Duration::from_secs(u64::MAX), Duration::from_secs(1 << 40)] {
        time::timeout(Duration::from_millis(2), time::sleep(far)).await.expect_err("not yet");
    }
    assert_eq!(time::timeout(Duration::MAX, async { 1 }).await, Ok(1));
}

#[cmwq::test]
async fn zero_and_past() {
    let _watchdog = Watchdog::start("zero_and_past");
    time::sleep(Duration::ZERO).await;
    time::sleep_until(Instant::now() - Duration::from_millis(1)).await;
}

#[cmwq::test]
#[should_panic(expected = "period")]
async fn interval_of_zero() {
    let _watchdog = Watchdog::start("interval_of_zero");
    time::interval(Duration::ZERO);
}

/// The behaviours differ in what follows a tick that was missed by three periods.
#[cmwq::test(start_paused = true)]
async fn missed_ticks() {
    let _watchdog = Watchdog::start("missed_ticks");
    let period = Duration::from_millis(100);
    for (behavior, expected) in [
        (MissedTickBehavior::Burst, [100, 200, 300, 400]),
        (MissedTickBehavior::Delay, [100, 455, 555, 655]),
        (MissedTickBehavior::Skip, [100, 400, 500, 600]),
    ] {
        let start = Instant::now();
        let mut interval = time::interval(period);
        interval.set_missed_tick_behavior(behavior);
        assert_eq!(interval.missed_tick_behavior(), behavior);
        interval.tick().await;
        time::advance(Duration::from_millis(355)).await;
        let mut ticks = Vec::new();
        for _ in 0..4 {
            ticks.push((interval.tick().await - start).as_millis());
        }
        assert_eq!(ticks, expected, "{behavior:?}");
    }
}

#[test]
#[should_panic(expected = "runtime")]
fn without_a_runtime() {
    futures::executor::block_on(async { time::sleep(Duration::from_millis(1)).await });
}

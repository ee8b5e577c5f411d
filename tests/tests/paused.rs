//! The clock of tests: `pause`, `advance`, `resume`.

use cmwq::time::{self, Duration, Instant};
use cmwq_tests::{Case, Watchdog, run};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Wake, Waker};

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Time passes by itself when nothing else can happen, and only then.
#[cmwq::test(start_paused = true)]
async fn advances_when_idle() {
    let _watchdog = Watchdog::start("advances_when_idle");
    let real = std::time::Instant::now();
    let start = Instant::now();
    let tasks: Vec<_> = (1..=100_u64)
        .map(|n| {
            cmwq::spawn(async move {
                time::sleep(Duration::from_secs(n)).await;
                start.elapsed()
            })
        })
        .collect();
    for (n, task) in (1..).zip(tasks) {
        let elapsed = task.await.expect("no panic");
        let wanted = Duration::from_secs(n);
        assert!(elapsed >= wanted && elapsed < wanted + Duration::from_millis(5), "{elapsed:?}");
    }
    assert!(real.elapsed() < Duration::from_secs(60));
}

#[cmwq::test(start_paused = true)]
async fn stands_still_while_tasks_run() {
    let _watchdog = Watchdog::start("stands_still_while_tasks_run");
    let start = Instant::now();
    for _ in 0..1000 {
        cmwq::task::yield_now().await;
    }
    std::thread::sleep(Duration::from_millis(5));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[cmwq::test(start_paused = true)]
async fn advance_fires_what_is_due() {
    let _watchdog = Watchdog::start("advance_fires_what_is_due");
    let (started, fired) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    for n in 1..=10_u64 {
        let (started, fired) = (started.clone(), fired.clone());
        cmwq::spawn(async move {
            let sleep = time::sleep(Duration::from_millis(10 * n));
            started.fetch_add(1, Ordering::SeqCst);
            sleep.await;
            fired.fetch_add(1, Ordering::SeqCst);
        });
    }
    let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
    while count(&started) < 10 {
        cmwq::task::yield_now().await;
    }
    time::advance(Duration::from_millis(55)).await;
    while count(&fired) < 5 {
        cmwq::task::yield_now().await;
    }
    for _ in 0..20 {
        cmwq::task::yield_now().await;
    }
    assert_eq!(count(&fired), 5);
}

#[cmwq::test(start_paused = true)]
async fn advance_goes_on_after_a_waker_that_panics() {
    struct Counts(AtomicU64);

    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            if self.0.fetch_add(1, Ordering::SeqCst) == 2 {
                panic!("the third wake");
            }
        }
    }

    let _watchdog = Watchdog::start("advance_goes_on_after_a_waker_that_panics");
    let counts = Arc::new(Counts(AtomicU64::new(0)));
    let waker = Waker::from(counts.clone());
    let mut cx = Context::from_waker(&waker);
    let mut sleeps: Vec<_> =
        (1..=5).map(|n| Box::pin(time::sleep(Duration::from_millis(n)))).collect();
    for sleep in &mut sleeps {
        assert!(sleep.as_mut().poll(&mut cx).is_pending());
    }
    time::advance(Duration::from_millis(10)).await;
    assert_eq!(counts.0.load(Ordering::SeqCst), 5);
}

#[cmwq::test(start_paused = true)]
async fn advance_refuses_to_go_to_the_end_of_the_clock() {
    let _watchdog = Watchdog::start("advance_refuses_to_go_to_the_end_of_the_clock");
    let start = Instant::now();
    for too_far in [Duration::MAX, Duration::from_nanos(u64::MAX), 300 * YEAR] {
        let refused = cmwq::spawn(time::advance(too_far)).await.expect_err("a panic").into_panic();
        let message = refused.downcast::<String>().expect("a formatted message");
        assert!(message.contains(&format!("advance({too_far:?})")), "{message}");
        assert!(message.contains("further; advance by less"), "{message}");
        assert_eq!(start.elapsed(), Duration::ZERO, "time has not moved");
    }
    time::advance(100 * YEAR).await;
    assert_eq!(start.elapsed(), 100 * YEAR);
    let late = Instant::now();
    time::timeout(YEAR, std::future::pending::<()>()).await.expect_err("time goes on");
    assert!(late.elapsed() >= YEAR);
}

/// A body that has lost its core, and wakes itself again and again, has something to do.
#[cmwq::test(start_paused = true)]
async fn stands_still_for_a_body_that_yields() {
    let _watchdog = Watchdog::start("stands_still_for_a_body_that_yields");
    drop(cmwq::spawn(time::sleep(Duration::from_secs(60))));
    let start = Instant::now();
    for _ in 0..20 {
        // Somebody else takes the core meanwhile.
        std::thread::sleep(Duration::from_millis(2));
        for _ in 0..2000 {
            cmwq::task::yield_now().await;
        }
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[cmwq::test]
async fn pause_and_resume() {
    let _watchdog = Watchdog::start("pause_and_resume");
    time::pause();
    let start = Instant::now();
    time::sleep(Duration::from_secs(60)).await;
    assert!(start.elapsed() >= Duration::from_secs(60));
    time::resume();
    let start = Instant::now();
    let real = std::time::Instant::now();
    time::sleep(Duration::from_millis(5)).await;
    assert!(start.elapsed() >= Duration::from_millis(5));
    assert!(real.elapsed() >= Duration::from_millis(5));
}

/// A timeout of a task that waits for nothing real.
#[cmwq::test(start_paused = true)]
async fn timeout() {
    let _watchdog = Watchdog::start("timeout");
    let never = std::future::pending::<()>();
    time::timeout(Duration::from_secs(3600), never).await.expect_err("an hour passes");
}

/// A thread that blocks in user code keeps the clock where it is: its task may be about to
/// answer.
#[test]
fn blocked_worker_holds_the_clock() {
    run("blocked_worker_holds_the_clock", || {
        let mut builder = Case::CurrentThread.builder(1);
        let runtime = builder.start_paused(true).build().expect("a runtime");
        runtime.block_on(async {
            let answer = cmwq::task::spawn_blocking(|| {
                std::thread::sleep(Duration::from_millis(30));
                7
            });
            let answer = time::timeout(Duration::from_secs(3600), answer).await;
            assert_eq!(answer.expect("the clock waits").expect("no panic"), 7);
        });
    });
}

/// A thread in `block_on` that polls keeps the clock where it is, one that waits does not: on
/// every flavor, whether or not it is a worker.
#[test]
fn caller_holds_the_clock_while_it_polls() {
    run("caller_holds_the_clock_while_it_polls", || {
        for case in [Case::CurrentThread, Case::Auto] {
            let mut builder = case.builder(2);
            let runtime = builder.start_paused(true).build().expect("a runtime");
            let hour = Duration::from_secs(3600);
            let elapsed = runtime.block_on(async move {
                let start = Instant::now();
                let sleeper = cmwq::spawn(async move { time::sleep(hour).await });
                // Much longer than the workers wait before they look at the clock again.
                std::thread::sleep(Duration::from_millis(30));
                assert_eq!(start.elapsed(), Duration::ZERO, "{case:?}");
                sleeper.await.expect("no panic");
                start.elapsed()
            });
            assert!(elapsed >= hour, "{case:?}: {elapsed:?}");
        }
    });
}

/// A task in a nested `block_on` waits like any other.
#[test]
fn nested_caller_does_not_hold_the_clock() {
    run("nested_caller_does_not_hold_the_clock", || {
        for case in [Case::CurrentThread, Case::Auto] {
            let mut builder = case.builder(2);
            let runtime = builder.start_paused(true).build().expect("a runtime");
            let elapsed = runtime.block_on(async {
                let nested = cmwq::spawn(async {
                    let start = Instant::now();
                    let sleep = async { time::sleep(Duration::from_secs(3600)).await };
                    cmwq::runtime::Handle::current().block_on(sleep);
                    start.elapsed()
                });
                nested.await.expect("no panic")
            });
            assert!(elapsed >= Duration::from_secs(3600), "{case:?}: {elapsed:?}");
        }
    });
}

/// Each runtime has its own clock.
#[test]
fn clocks_are_separate() {
    run("clocks_are_separate", || {
        let mut builder = Case::CurrentThread.builder(1);
        let paused = builder.start_paused(true).build().expect("a runtime");
        let real = Case::CurrentThread.builder(1).build().expect("a runtime");
        paused.block_on(async { time::sleep(Duration::from_secs(1000)).await });
        let start = std::time::Instant::now();
        real.block_on(async { time::sleep(Duration::from_millis(5)).await });
        assert!(start.elapsed() >= Duration::from_millis(5));
    });
}

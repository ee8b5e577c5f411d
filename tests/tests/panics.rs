//! Panics in user code: the task's handle tells, and no worker is lost.

use cmwq::runtime::{Handle, UnhandledPanic};
use cmwq_tests::{Beside, Case, every_case, finish, places, run};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Panics without the message on stderr.
fn quiet_panic() {
    resume_unwind(Box::new("on purpose"));
}

every_case! {
    fn in_a_task(case) {
        let runtime = case.start(1);
        for _ in 0..300 {
            let error = finish(runtime.spawn(async {
                cmwq::task::yield_now().await;
                quiet_panic();
            }))
            .expect_err("it panics");
            assert!(error.is_panic() && !error.is_cancelled());
            let payload = error.into_panic();
            assert_eq!(payload.downcast_ref::<&str>(), Some(&"on purpose"));
        }
        assert_eq!(finish(runtime.spawn(async { 1 })).expect("no panic"), 1);
    }

    /// More panics than a core may have workers, at each place that runs user code.
    fn at_every_place(case) {
        let runtime = case.start_with(1, |builder| { builder.max_workers_per_core(8); });
        let beside = Beside::start(&runtime);
        for (name, place) in places::ALL {
            let panics = Arc::new(AtomicUsize::new(0));
            for _ in 0..20 {
                let panics = panics.clone();
                place(&runtime, Box::new(move || {
                    panics.fetch_add(1, Ordering::SeqCst);
                    quiet_panic();
                }));
            }
            cmwq_tests::until(name, || panics.load(Ordering::SeqCst) == 20);
            let progress = beside.progress();
            progress.unwrap_or_else(|e| panic!("after panics in the {name}: {e:?}"));
            let tasks: Vec<_> = (0..50).map(|n| runtime.spawn(async move { n })).collect();
            for (n, task) in tasks.into_iter().enumerate() {
                assert_eq!(finish(task).expect(name), n, "after panics in the {name}");
            }
        }
    }
}

#[test]
fn of_a_message_is_in_the_error() {
    run("of_a_message_is_in_the_error", || {
        let runtime = Case::Auto.start(1);
        let error =
            finish(runtime.spawn(async { panic!("a message with {}", std::hint::black_box(5)) }));
        let error = error.map(|(): ()| ()).expect_err("it panics");
        let text = format!("{error} {error:?}");
        assert!(text.contains("panicked") && text.contains("a message with 5"), "{text}");
        let payload = error.try_into_panic().expect("a panic");
        assert_eq!(payload.downcast_ref::<String>().expect("a String"), "a message with 5");
    });
}

#[test]
fn in_spawn_blocking() {
    run("in_spawn_blocking", || {
        let runtime = Case::Auto.start(1);
        for _ in 0..20 {
            let error = finish(runtime.spawn_blocking(quiet_panic)).expect_err("it panics");
            assert!(error.is_panic());
        }
        assert_eq!(finish(runtime.spawn_blocking(|| 2)).expect("no panic"), 2);
    });
}

/// A panic in block_on goes to its caller; the runtime is as before.
#[test]
fn in_block_on() {
    run("in_block_on", || {
        for case in [Case::Auto, Case::CurrentThread] {
            let runtime = case.builder(1).build().expect("a runtime");
            for _ in 0..20 {
                let unwound = catch_unwind(AssertUnwindSafe(|| {
                    runtime.block_on(async {
                        cmwq::task::yield_now().await;
                        quiet_panic();
                    });
                }));
                let payload = unwound.expect_err("the panic comes through");
                assert_eq!(payload.downcast_ref::<&str>(), Some(&"on purpose"));
            }
            assert!(Handle::try_current().is_err(), "the context is gone with block_on");
            let answer = runtime.block_on(async { cmwq::spawn(async { 4 }).await });
            assert_eq!(answer.expect("no panic"), 4, "{case:?}");
        }
    });
}

/// A panic in a nested block_on is a panic of the task, whose context is restored before.
#[test]
fn in_a_nested_block_on() {
    run("in_a_nested_block_on", || {
        let runtime = Case::Auto.start(1);
        let task = runtime.spawn(async {
            let nested = catch_unwind(|| Handle::current().block_on(async { quiet_panic() }));
            nested.expect_err("the panic comes through");
            cmwq::spawn(async { 6 }).await.expect("the context is that of the task")
        });
        assert_eq!(finish(task).expect("no panic"), 6);
        let error = finish(runtime.spawn(async {
            Handle::current().block_on(async { quiet_panic() });
        }));
        assert!(error.expect_err("not caught").is_panic());
        Beside::start(&runtime).progress().expect("no worker is lost");
    });
}

/// Each hook panics some times.
#[test]
fn in_hooks() {
    run("in_hooks", || {
        fn some_times() -> impl Fn() + Send + Sync + 'static {
            let left = AtomicUsize::new(3);
            move || {
                let more = |left: usize| left.checked_sub(1);
                if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok() {
                    quiet_panic();
                }
            }
        }
        for case in [Case::Auto, Case::CurrentThread] {
            let runtime = case.start_with(1, |builder| {
                builder
                    .on_thread_start(some_times())
                    .on_thread_stop(some_times())
                    .on_thread_park(some_times())
                    .on_thread_unpark(some_times());
            });
            let beside = Beside::start(&runtime);
            let task = runtime.spawn(async { cmwq::spawn(async { 8 }).await });
            assert_eq!(finish(task).expect("no panic").expect("no panic"), 8);
            beside.progress().expect("no worker is lost");
        }
    });
}

/// The runtime ends with the first panic, where that was asked for; whoever waits in `block_on`
/// learns of it at once, a worker or not, inside a task or not.
#[test]
fn unhandled() {
    run("unhandled", || {
        for case in [Case::CurrentThread, Case::Auto] {
            for nested in [false, true] {
                // The best of some tries: a look every so often would make each of them late.
                let waited = (0..10).map(|_| until_the_panic_is_told(case, nested)).min();
                let waited = waited.expect("ten tries");
                assert!(waited < Duration::from_millis(5), "{case:?} {nested}: {waited:?}");
            }
        }
    });
}

fn until_the_panic_is_told(case: Case, nested: bool) -> Duration {
    let mut builder = case.builder(1);
    builder.unhandled_panic(UnhandledPanic::ShutdownRuntime);
    let runtime = builder.build().expect("a runtime");
    let (send, receive) = std::sync::mpsc::channel();
    let wait = async move {
        drop(cmwq::spawn(async move {
            cmwq::time::sleep(Duration::from_millis(3)).await;
            send.send(Instant::now()).expect("nobody has gone");
            quiet_panic();
        }));
        std::future::pending::<()>().await;
    };
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async move {
            if nested {
                Handle::current().block_on(wait);
            } else {
                wait.await;
            }
        });
    }));
    unwound.expect_err("block_on tells of the panic");
    receive.recv().expect("it was sent").elapsed()
}

//! Tasks and their handles, as tokio documents them.

use cmwq::runtime::Handle;
use cmwq::task;
use cmwq_tests::foreign::OnDrop;
use cmwq_tests::{Case, NEVER, every_case, finish, run};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Runs a future in a task of a runtime of two cores.
fn within<F>(name: &str, future: F) -> F::Output
where
    F: Future<Output: Send> + Send + 'static,
{
    let mut output = None;
    run(name, || {
        let runtime = Case::Auto.start(2);
        output = Some(finish(runtime.spawn(future)).expect("no panic"));
    });
    output.expect("run returns when the body has")
}

every_case! {
    fn spawn_and_join(case) {
        let runtime = case.start(2);
        let total = runtime.spawn(async {
            let mut tasks = Vec::new();
            for n in 0..2000_u64 {
                tasks.push(cmwq::spawn(async move {
                    if n % 3 == 0 {
                        task::yield_now().await;
                    }
                    n
                }));
            }
            let mut total = 0;
            for task in tasks {
                total += task.await.expect("no panic");
            }
            total
        });
        assert_eq!(finish(total).expect("no panic"), 1999 * 2000 / 2);
    }

    /// Channels of tokio's between tasks, both ways, with backpressure.
    fn channels(case) {
        let runtime = case.start(2);
        let (there, mut theirs) = cmwq::sync::mpsc::channel::<u32>(4);
        let (back, mut ours) = cmwq::sync::mpsc::channel::<u32>(4);
        runtime.spawn(async move {
            while let Some(n) = theirs.recv().await {
                back.send(n * 2).await.expect("the other side lives");
            }
        });
        let task = runtime.spawn(async move {
            for n in 0..3000 {
                there.send(n).await.expect("the other side lives");
                assert_eq!(ours.recv().await, Some(n * 2));
            }
        });
        finish(task).expect("no panic");
    }

    /// `yield_now` lets every other task run.
    fn yield_now(case) {
        // A hog would not be there to take its turns.
        let runtime = case.start_with(1, |builder| {
            builder.cpu_intensive_threshold(NEVER);
        });
        let count = Arc::new(AtomicUsize::new(0));
        let other = {
            let count = count.clone();
            runtime.spawn(async move {
                loop {
                    count.fetch_add(1, Ordering::SeqCst);
                    task::yield_now().await;
                }
            })
        };
        let task = runtime.spawn(async move {
            let start = count.load(Ordering::SeqCst);
            for _ in 0..1000 {
                task::yield_now().await;
            }
            count.load(Ordering::SeqCst) - start
        });
        let other_turns = finish(task).expect("no panic");
        other.abort();
        assert!(other_turns >= 100, "{other_turns} turns of the other in 1000 of ours");
    }

    /// A task that is always ready is ended by its budget, not by kindness.
    fn budget(case) {
        let runtime = case.start(1);
        let stop = Arc::new(AtomicBool::new(false));
        let greedy = {
            let stop = stop.clone();
            runtime.spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    task::consume_budget().await;
                }
            })
        };
        let kind = runtime.spawn(async {
            for _ in 0..100 {
                task::yield_now().await;
            }
        });
        finish(kind).expect("no panic");
        assert!(!greedy.is_finished());
        stop.store(true, Ordering::SeqCst);
        finish(greedy).expect("no panic");
    }
}

#[test]
fn ids() {
    within("ids", async {
        assert!(task::try_id().is_some());
        let mine = task::id();
        let child = cmwq::spawn(async { task::id() });
        let outside = child.id();
        let inside = child.await.expect("no panic");
        assert_eq!(inside, outside);
        assert_ne!(inside, mine);
        assert_eq!(task::id(), mine);
    });
    assert!(task::try_id().is_none());
}

#[test]
fn handle_and_abort_handle() {
    within("handle_and_abort_handle", async {
        let child = cmwq::spawn(pending::<()>());
        let abort = child.abort_handle();
        assert_eq!(abort.id(), child.id());
        assert!(!abort.is_finished() && !child.is_finished());
        abort.abort();
        let id = child.id();
        let error = child.await.expect_err("aborted");
        assert!(error.is_cancelled() && !error.is_panic());
        assert_eq!(error.id(), id);
        assert!(abort.is_finished());
        assert!(error.to_string().contains("cancelled"), "{error}");
        error.try_into_panic().expect_err("no panic");

        // An abort that comes too late changes nothing.
        let child = cmwq::spawn(async { 1 });
        while !child.is_finished() {
            task::yield_now().await;
        }
        child.abort();
        assert_eq!(child.await.expect("it had finished"), 1);
    });
}

/// Dropping the handle detaches: the task goes on.
#[test]
fn detach() {
    within("detach", async {
        let (tx, rx) = cmwq::sync::oneshot::channel();
        drop(cmwq::spawn(async move {
            task::yield_now().await;
            tx.send(5).expect("the other side waits");
        }));
        assert_eq!(rx.await, Ok(5));
    });
}

/// The future is dropped before the handle tells of the abort.
#[test]
fn abort_drops_first() {
    within("abort_drops_first", async {
        for _ in 0..200 {
            let dropped = Arc::new(AtomicBool::new(false));
            let flag = dropped.clone();
            let guard = OnDrop::new(move || flag.store(true, Ordering::SeqCst));
            let child = cmwq::spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            });
            task::yield_now().await;
            child.abort();
            child.await.expect_err("aborted");
            assert!(dropped.load(Ordering::SeqCst));
        }
    });
}

#[test]
fn macros() {
    within("macros", async {
        let (a, b) = cmwq::join!(async { 1 }, async { 2 });
        assert_eq!((a, b), (1, 2));
        let ok = cmwq::try_join!(async { Ok::<_, ()>(1) }, async { Ok(2) });
        assert_eq!(ok, Ok((1, 2)));
        let err = cmwq::try_join!(async { Err::<u8, _>(3) }, pending::<Result<u8, i32>>());
        assert_eq!(err, Err(3));
        let chosen = cmwq::select! {
            () = pending() => 1,
            () = cmwq::time::sleep(Duration::from_millis(1)) => 2,
        };
        assert_eq!(chosen, 2);
        let future = async { 4 };
        cmwq::pin!(future);
        assert_eq!(future.await, 4);
    });
}

#[test]
fn names_of_tasks() {
    within("names_of_tasks", async {
        let child = task::Builder::new().name("mine").spawn(async { 3 }).expect("a task");
        assert_eq!(child.await.expect("no panic"), 3);
    });
}

#[test]
fn spawn_blocking() {
    within("spawn_blocking", async {
        // Many at once, more than a core has workers by default.
        let tasks: Vec<_> = (0..300_u64)
            .map(|n| {
                task::spawn_blocking(move || {
                    std::thread::sleep(Duration::from_micros(500));
                    // The context of the runtime is there.
                    assert!(Handle::try_current().is_ok());
                    n
                })
            })
            .collect();
        let mut total = 0;
        for task in tasks {
            total += task.await.expect("no panic");
        }
        assert_eq!(total, 299 * 300 / 2);
    });
}

#[test]
fn unconstrained() {
    within("unconstrained", async {
        task::unconstrained(async {
            for _ in 0..10_000 {
                task::consume_budget().await;
            }
        })
        .await;
    });
}

#[test]
fn context() {
    run("context", || {
        assert!(Handle::try_current().is_err());
        let error = Handle::try_current().expect_err("no runtime");
        assert!(error.is_missing_context());
        let (first, second) = (Case::Auto.start(1), Case::CurrentThread.start(1));
        {
            let _outer = first.enter();
            assert!(Handle::try_current().is_ok());
            {
                let _inner = second.enter();
                assert_eq!(finish(cmwq::spawn(async { 2 })).expect("no panic"), 2);
            }
            assert_eq!(finish(cmwq::spawn(async { 1 })).expect("no panic"), 1);
        }
        assert!(Handle::try_current().is_err());
        // Of the handle's own.
        assert_eq!(first.handle().block_on(async { 3 }), 3);
        first.handle().clone().block_on(async {
            cmwq::spawn(async {}).await.expect("no panic");
        });
    });
}

#[test]
#[should_panic(expected = "runtime")]
fn spawn_without_a_runtime() {
    drop(cmwq::spawn(async {}));
}

#[test]
#[should_panic(expected = "runtime")]
fn current_without_a_runtime() {
    Handle::current();
}

/// Wakes from other threads, many at a time, of a main future and of tasks.
#[test]
fn wakes_from_threads() {
    run("wakes_from_threads", || {
        for case in [Case::Auto, Case::CurrentThread] {
            let runtime = case.builder(2).build().expect("a runtime");
            let total = runtime.block_on(async {
                let (tx, mut rx) = cmwq::sync::mpsc::unbounded_channel();
                for seed in 0..4_u64 {
                    let tx = tx.clone();
                    std::thread::spawn(move || {
                        for n in 0..2000 {
                            tx.send(n).expect("the receiver lives");
                            if (n + seed) % 64 == 0 {
                                std::thread::yield_now();
                            }
                        }
                    });
                }
                drop(tx);
                let mut total = 0;
                while let Some(n) = rx.recv().await {
                    total += n;
                }
                total
            });
            assert_eq!(total, 4 * (1999 * 2000 / 2));
        }
    });
}

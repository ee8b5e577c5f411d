//! The hooks of `Builder`, and the metrics.

use cmwq_tests::{Beside, Block, Case, finish, run, until};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[derive(Clone, Default)]
struct Count(Arc<AtomicUsize>);

impl Count {
    fn hook(&self) -> impl Fn() + Send + Sync + 'static {
        let count = self.0.clone();
        move || {
            count.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[test]
fn start_and_stop() {
    run("start_and_stop", || {
        let (start, stop) = (Count::default(), Count::default());
        let runtime = Case::Auto.start_with(2, |b| {
            b.on_thread_start(start.hook()).on_thread_stop(stop.hook());
        });
        finish(runtime.spawn(async {})).expect("no panic");
        assert!(start.get() >= 1, "the thread that ran the task");
        assert_eq!(finish(runtime.spawn_blocking(|| 1)).expect("no panic"), 1);
        drop(runtime);
        until("every start has its stop", || start.get() == stop.get());
    });
}

#[test]
fn park_and_unpark() {
    run("park_and_unpark", || {
        let (park, unpark) = (Count::default(), Count::default());
        let runtime = Case::Auto.start_with(1, |b| {
            b.on_thread_park(park.hook()).on_thread_unpark(unpark.hook());
        });
        for _ in 0..10 {
            let parked = park.get();
            finish(runtime.spawn(async {})).expect("no panic");
            until("the worker parks again", || park.get() > parked);
        }
        // Also where a task came before it slept.
        until("it sleeps, once more than it was awake", || park.get() == unpark.get() + 1);
        assert!(unpark.get() >= 9, "{} times unparked for ten tasks", unpark.get());
    });
}

/// A park that something comes before is over too.
#[test]
fn hooks_come_in_pairs() {
    run("hooks_come_in_pairs", || {
        let (park, unpark) = (Count::default(), Count::default());
        let (parks, ran) = (park.clone(), Count::default());
        let runs = ran.clone();
        let runtime = Case::Auto.start_with(1, |b| {
            b.on_thread_park(move || {
                parks.hook()();
                if parks.get() <= 5 {
                    let run = runs.hook();
                    cmwq::spawn(async move { run() });
                }
            });
            b.on_thread_unpark(unpark.hook());
        });
        finish(runtime.spawn(async {})).expect("no panic");
        until("what the hook has spawned runs", || ran.get() == 5);
        until("it sleeps", || park.get() > 5 && park.get() == unpark.get() + 1);
    });
}

/// A worker that is parked does not go round in circles.
#[test]
fn idle_runtime_sleeps() {
    run("idle_runtime_sleeps", || {
        let unpark = Count::default();
        let runtime = Case::Auto.start_with(1, |b| {
            b.on_thread_unpark(unpark.hook());
        });
        finish(runtime.spawn(async {})).expect("no panic");
        std::thread::sleep(Duration::from_millis(100));
        let before = unpark.get();
        std::thread::sleep(Duration::from_millis(500));
        assert!(unpark.get() - before <= 1, "{} wakeups", unpark.get() - before);
    });
}

/// Nor do two wake each other because of their hooks.
#[test]
fn hooks_wake_nobody() {
    run("hooks_wake_nobody", || {
        const TASKS: usize = 50;
        let (park, unpark) = (Count::default(), Count::default());
        let runtime = Case::Auto.start_with(2, |b| {
            b.on_thread_park(park.hook()).on_thread_unpark(unpark.hook());
        });
        for _ in 0..TASKS {
            finish(runtime.spawn(async {})).expect("no panic");
            std::thread::sleep(Duration::from_millis(2));
        }
        assert!(unpark.get() <= 4 * TASKS, "{} wakeups for {TASKS} tasks", unpark.get());
    });
}

#[test]
fn metrics() {
    run("metrics", || {
        let runtime = Case::Auto.start(1);
        let beside = Beside::start(&runtime);
        let Block { enter, release } = Block::pipe();
        let task = runtime.spawn(async move { enter() });
        beside.progress().and_then(|()| beside.progress()).expect("the core is taken over");
        let metrics = runtime.metrics();
        assert_eq!(metrics.num_workers(), 1);
        // Others may have been stopped for a moment and pass for hogs.
        until("only one is blocked", || runtime.metrics().blocked_workers() == 1);
        assert!(metrics.takeovers_count() >= 1);
        // The blocked one, and the one that took over.
        assert!(metrics.workers_per_core(0) >= 2);
        assert!(["perf", "idle", "monitor"].contains(&metrics.detector()));
        assert_eq!((metrics.cap_hits(), metrics.thread_creation_failures()), (0, 0));
        assert!(metrics.num_alive_tasks() >= 3, "a ticker, an echo server, the blocked task");
        release();
        finish(task).expect("no panic");
        until("no worker is blocked", || runtime.metrics().blocked_workers() == 0);
        // The same from within.
        let inside =
            runtime.spawn(async { cmwq::runtime::Handle::current().metrics().takeovers_count() });
        assert!(finish(inside).expect("no panic") >= 1);
    });
}

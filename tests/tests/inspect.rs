//! Looking at workqueues: statistics, events, the dump, the names of threads.

use cmwq::Workqueue;
use cmwq::task::Id;
use cmwq::workqueue::{Attrs, EventKind, Scope, Stats, measure_cpu_time, record};
use cmwq_tests::{Case, Running, finish, run, until};
use procfs::process::Process;
use rustix::time::{ClockId, clock_gettime};
use std::sync::mpsc;
use std::time::{Duration, Instant};

fn queue(
    runtime: &Running,
    set: impl FnOnce(cmwq::workqueue::Builder) -> cmwq::workqueue::Builder,
) -> Workqueue {
    set(Workqueue::builder()).build_on(runtime.handle()).expect("the settings agree")
}

fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[test]
fn stats_count_starts_flights_and_blocks() {
    run("stats_count_starts_flights_and_blocks", || {
        let runtime = Case::Auto.start(1);
        let queue = queue(&runtime, |builder| builder.max_active(1));
        assert_eq!(queue.stats(), Stats::default());
        let (leash, held) = mpsc::channel::<()>();
        let blocks = queue.spawn(async move {
            let _ = held.recv();
        });
        let waits = queue.spawn(async {});
        until("the first is taken over", || runtime.metrics().takeovers_count() > 0);
        let stats = queue.stats();
        assert_eq!((stats.total, stats.in_flight), (1, 2), "the second is inactive");
        drop(leash);
        finish(blocks).expect("no panic");
        finish(waits).expect("no panic");
        // A handle is ready a moment before the books are closed.
        until("both are done", || queue.stats().in_flight == 0);
        let stats = queue.stats();
        assert_eq!(stats.total, 2);
        assert!(stats.cm_wakeups >= 1, "the core was taken over: {stats:?}");
        assert_eq!((stats.mayday, stats.rescued), (0, 0));
        assert_eq!(stats.cpu_time, Duration::ZERO, "nobody has asked for it");
    });
}

#[test]
fn stats_measure_cpu_time_and_count_hogs() {
    run("stats_measure_cpu_time_and_count_hogs", || {
        let runtime = Case::Auto.start(1);
        let queue = queue(&runtime, |builder| builder);
        measure_cpu_time(true);
        let metrics = runtime.metrics();
        let burns = queue.spawn(async move {
            let (start, cpu) = (Instant::now(), thread_cpu());
            while metrics.cpu_intensive_count() == 0 && start.elapsed() < Duration::from_secs(20) {
                std::hint::spin_loop();
            }
            thread_cpu() - cpu
        });
        let burnt = finish(burns).expect("no panic");
        measure_cpu_time(false);
        let stats = queue.stats();
        assert!(stats.cpu_time >= burnt, "{burnt:?} of CPU time: {stats:?}");
        assert_eq!(stats.cpu_intensive, 1, "{stats:?}");
    });
}

#[test]
fn stats_outlive_a_change_of_attributes() {
    run("stats_outlive_a_change_of_attributes", || {
        let runtime = Case::Auto.start(2);
        let queue = queue(&runtime, |builder| builder.unbound());
        let (leash, held) = mpsc::channel::<()>();
        let blocks = queue.spawn(async move {
            let _ = held.recv();
        });
        for scope in [Scope::Cpu, Scope::System] {
            queue.set_attrs(Attrs::new().scope(scope)).expect("the pools are made");
            finish(queue.spawn(async {})).expect("no panic");
        }
        until("only the one on the first pool is left", || queue.stats().in_flight == 1);
        drop(leash);
        finish(blocks).expect("no panic");
        until("the first pool is left", || queue.stats().in_flight == 0);
        assert_eq!(queue.stats().total, 3);
    });
}

/// What was recorded of a queue, in order.
fn recorded(recording: &cmwq::workqueue::Recording, queue: &str) -> Vec<(EventKind, Id)> {
    let events = recording.take();
    assert!(events.is_sorted_by_key(|event| event.at));
    let of_queue = events.iter().filter(|event| &*event.queue == queue);
    of_queue.map(|event| (event.kind, event.task)).collect()
}

#[test]
fn events_come_in_the_order_of_what_happened() {
    run("events_come_in_the_order_of_what_happened", || {
        use EventKind::{Activate, ExecuteEnd, ExecuteStart, Queue};
        let runtime = Case::Auto.start(1);
        let queue = queue(&runtime, |builder| builder.name("traced").max_active(1));
        finish(queue.spawn(async {})).expect("no panic");
        let recording = record(1000);
        let (leash, held) = mpsc::channel::<()>();
        let (enter, entered) = mpsc::channel::<()>();
        let first = queue.spawn(async move {
            drop(enter);
            let _ = held.recv();
        });
        let _ = entered.recv();
        let second = queue.spawn(async {});
        drop(leash);
        let (a, b) = (first.id(), second.id());
        finish(first).expect("no panic");
        finish(second).expect("no panic");
        let expected = [
            (Queue, a),
            (Activate, a),
            (ExecuteStart, a),
            (Queue, b),
            (ExecuteEnd, a),
            (Activate, b),
            (ExecuteStart, b),
            (ExecuteEnd, b),
        ];
        assert_eq!(recorded(&recording, "traced"), expected);

        // A work item is the same task each time, and an execution is one call.
        let work = cmwq::Work::new(|| {});
        for _ in 0..2 {
            assert!(work.queue(&queue));
            finish(work.flush());
        }
        let events = recorded(&recording, "traced");
        let kinds: Vec<_> = events.iter().map(|(kind, _)| *kind).collect();
        let once = [Queue, Activate, ExecuteStart, ExecuteEnd];
        assert_eq!(kinds, [once, once].concat());
        assert!(events.iter().all(|(_, id)| *id == events[0].1));
        assert_eq!(recording.lost(), 0);
    });
}

#[test]
fn a_full_recording_keeps_the_newest_and_a_dropped_one_costs_nothing() {
    run("a_full_recording_keeps_the_newest_and_a_dropped_one_costs_nothing", || {
        let runtime = Case::Auto.start(1);
        let queue = queue(&runtime, |builder| builder.name("small"));
        let (small, large) = (record(2), record(100));
        finish(queue.spawn(async {})).expect("no panic");
        let kinds: Vec<_> = recorded(&small, "small").iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [EventKind::ExecuteStart, EventKind::ExecuteEnd]);
        assert_eq!(small.lost(), 2);
        drop(small);
        let text = large.take().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(text.contains("execute_start small task "), "{text}");
        assert!(text.contains("tests/inspect.rs:"), "{text}");
        drop(large);
        finish(queue.spawn(async {})).expect("no panic");
        assert!(record(10).take().is_empty(), "a recording begins empty");
    });
}

#[test]
fn dump_shows_scopes_pools_workers_and_queues() {
    run("dump_shows_scopes_pools_workers_and_queues", || {
        let runtime = Case::Auto.start(1);
        let bound = queue(&runtime, |builder| builder.name("images").max_active(3).freezable());
        let ordered = queue(&runtime, |builder| builder.name("log").ordered());
        let (leash, held) = mpsc::channel::<()>();
        let line = line!() + 1;
        let blocks = bound.spawn(async move {
            let _ = held.recv();
        });
        until("it is taken over", || runtime.metrics().takeovers_count() > 0);
        ordered.freeze();
        let frozen = ordered.spawn(async {});

        let text = runtime.handle().dump_workqueues().to_string();
        let find = |what: &str| {
            let line = text.lines().find(|line| line.contains(what));
            line.unwrap_or_else(|| panic!("no {what:?} in\n{text}"))
        };
        for scope in ["Cpu ", "Smt ", "CacheShard ", "Cache ", "Numa ", "System "] {
            assert!(find(scope).contains("pods: ["), "{text}");
        }
        assert!(find("System ").contains(" 1 pods"), "{text}");
        let worker = find(&format!("tests/inspect.rs:{line}:"));
        assert!(worker.contains(&format!("task {} ", blocks.id())), "{worker}");
        assert!(worker.contains("of queue images"), "{worker}");
        assert!(worker.contains("lost the core"), "{worker}");
        assert!(worker.contains("blocked in futex"), "{worker}");
        assert!(find("cmwq/u0: unbound, CPUs ").contains("nice 0"), "{text}");
        assert!(find("images: bound, freezable").contains("max_active 3"), "{text}");
        assert!(find("log: unbound, ordered").contains("max_active 1"), "{text}");
        assert!(find("log: unbound, ordered").contains("frozen"), "{text}");
        find("on cmwq/u0: 1 in flight, 1 of them inactive");

        let inside = finish(runtime.spawn(async { cmwq::dump().to_string() })).expect("no panic");
        assert!(inside.contains("images: bound"), "{inside}");
        drop(leash);
        ordered.thaw();
        finish(blocks).expect("no panic");
        finish(frozen).expect("no panic");
    });
}

/// Each node has a part of the limit of an unbound queue.
#[test]
fn dump_shows_the_slots_of_nodes() {
    run("dump_shows_the_slots_of_nodes", || {
        let runtime = Case::Auto.start(1);
        let queue = queue(&runtime, |builder| builder.name("parts").unbound().max_active(2));
        let has = |slots: &str| {
            let text = runtime.handle().dump_workqueues().to_string();
            let line = text.lines().find(|line| line.starts_with("parts:")).expect("it is there");
            line.split(", node ").skip(1).any(|node| node.ends_with(slots))
        };
        assert!(has(": 0 of 2") && !has(": 2 of 2"));
        let tasks = [(); 3].map(|()| queue.spawn(std::future::pending::<()>()));
        until("two of them have slots", || has(": 2 of 2"));
        queue.abort_all();
        tasks.into_iter().for_each(|task| assert!(finish(task).is_err()));
        until("nobody has one", || !has(": 1 of 2") && !has(": 2 of 2"));
    });
}

/// A worker that burns runs, and is known for a hog after some time.
#[test]
fn dump_shows_a_worker_that_runs() {
    run("dump_shows_a_worker_that_runs", || {
        let runtime = Case::Auto.start(1);
        let queue = queue(&runtime, |builder| builder.name("hogs"));
        let (leash, held) = mpsc::channel::<()>();
        let line = line!() + 1;
        let burns = queue.spawn(async move {
            while held.try_recv() == Err(mpsc::TryRecvError::Empty) {
                std::hint::spin_loop();
            }
        });
        let place = format!("tests/inspect.rs:{line}:");
        let look = || {
            let text = runtime.handle().dump_workqueues().to_string();
            text.lines().find(|line| line.contains(&place)).map(str::to_owned)
        };
        until("it is known for a hog", || {
            look().is_some_and(|line| line.ends_with(", CPU intensive"))
        });
        // Now and then it is preempted, and the kernel may say otherwise for that moment.
        until("it is seen to run", || {
            let line = look().expect("it burns");
            line.contains("of queue hogs, running, for ") && line.contains(" s or more")
        });
        drop(leash);
        finish(burns).expect("no panic");
    });
}

/// A task with a name has it in the dump while it is polled; the next one of its worker has not, not
/// even after a panic.
#[test]
fn dump_shows_the_names_of_tasks() {
    run("dump_shows_the_names_of_tasks", || {
        let runtime = Case::Auto.start(1);
        let dump = || runtime.handle().dump_workqueues().to_string();
        for name in [Some("reader"), None, Some("writer"), None] {
            let (leash, held) = mpsc::channel::<()>();
            let blocks = async move {
                let _ = held.recv();
                assert_ne!(name, Some("writer"), "on purpose");
            };
            let (task, shown) = match name {
                Some(name) => {
                    let builder = cmwq::task::Builder::new().name(name);
                    let task = builder.spawn_on(blocks, runtime.handle()).expect("never refused");
                    let shown = format!("task {} {name:?} spawned at", task.id());
                    (task, shown)
                }
                None => {
                    let task = runtime.spawn(blocks);
                    let shown = format!("task {} spawned at", task.id());
                    (task, shown)
                }
            };
            until("it is shown", || dump().contains(&shown));
            drop(leash);
            assert_eq!(finish(task).is_err(), name == Some("writer"));
        }
    });
}

/// The names of this process's threads.
fn threads() -> Vec<String> {
    let tasks = Process::myself().and_then(|process| process.tasks()).expect("/proc is mounted");
    tasks.flatten().filter_map(|task| task.stat().ok()).map(|stat| stat.comm).collect()
}

#[test]
fn threads_are_named_as_in_the_kernel() {
    run("threads_are_named_as_in_the_kernel", || {
        // Those of the tests before end by themselves.
        until("there are none", || !threads().iter().any(|thread| thread.starts_with("cmwq/")));
        // Not pinned: the number is that of the core.
        let runtime = Case::Unpinned.start(1);
        let has = |name: &str| threads().iter().any(|thread| thread == name);
        until("the normal pool has its threads", || has("cmwq/0:0") && has("cmwq/0:1"));
        assert!(!has("cmwq/0:0H") && !has("cmwq/u0:0"), "made at first use: {:?}", threads());
        let high = queue(&runtime, |builder| builder.high_priority());
        finish(high.spawn(async {})).expect("no panic");
        // A thread of the pool has run it, not always the first one.
        until("the high-priority pool has its threads", || has("cmwq/0:0H"));
        let unbound = queue(&runtime, |builder| builder.unbound());
        finish(unbound.spawn(async {})).expect("no panic");
        until("the unbound pool has its threads", || has("cmwq/u0:0"));
        // Each gives itself its name when it first runs.
        until("the watchdog has its thread", || has("cmwq/watchdog"));
    });
}

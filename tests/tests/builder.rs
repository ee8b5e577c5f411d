//! What `Builder` accepts and refuses.

use cmwq::runtime::{Builder, Detector, Pin, Runtime};
use cmwq_tests::child::{Prepare, in_child};
use cmwq_tests::{Case, case, finish, run, skip};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The error of a builder that is set up wrongly.
fn error(set: impl FnOnce(&mut Builder)) -> cmwq::runtime::BuildError {
    let mut builder = Builder::new_multi_thread();
    builder.enable_all();
    set(&mut builder);
    builder.build().map(drop).expect_err("wrong on purpose")
}

#[test]
fn wrong_settings_are_errors() {
    run("wrong_settings_are_errors", || {
        let none = error(|b| {
            b.cpus([]);
        });
        assert!(none.is_invalid_config(), "{none}");
        let unpinned = error(|b| {
            b.cpus([0]).pin(Pin::Never);
        });
        assert!(unpinned.is_invalid_config(), "{unpinned}");
        let text = unpinned.to_string();
        assert!(text.contains("cpus") && text.contains("Pin::Never"), "{text}");
        let unpinned_idle = error(|b| {
            b.detector(Detector::Idle).pin(Pin::Never);
        });
        // It needs to be pinned: an error, never a silent change.
        assert!(!unpinned_idle.is_io(), "{unpinned_idle}");
        assert!(unpinned_idle.to_string().contains("idle"), "{unpinned_idle}");
    });
}

/// More than a runtime can have: an error, before anything is allocated.
#[test]
fn absurd_numbers_of_cores() {
    run("absurd_numbers_of_cores", || {
        for cores in [8193, 1_000_000_000_000, usize::MAX] {
            for pin in [Pin::Auto, Pin::Always, Pin::Never] {
                let error = error(|b| {
                    b.worker_threads(cores).pin(pin);
                });
                assert!(error.is_invalid_config(), "{error}");
                let text = error.to_string();
                assert!(text.contains(&format!("worker_threads({cores})")), "{text}");
            }
        }
    });
}

/// As tokio: zero is a bug of the caller.
#[test]
#[should_panic(expected = "0")]
fn no_workers() {
    Builder::new_multi_thread().worker_threads(0);
}

#[test]
fn defaults() {
    run("defaults", || {
        let runtime = Runtime::new().expect("a runtime");
        assert_eq!(runtime.metrics().num_workers(), case::cores());
        assert_eq!(runtime.block_on(async { 1 }), 1);
    });
}

/// More cores than CPUs, unpinned.
#[test]
fn many_workers() {
    run("many_workers", || {
        let runtime = Case::Auto.start(8);
        assert_eq!(runtime.metrics().num_workers(), 8);
        let tasks: Vec<_> = (0..1000).map(|n| runtime.spawn(async move { n })).collect();
        let sum: usize = tasks.into_iter().map(|task| finish(task).expect("no panic")).sum();
        assert_eq!(sum, 999 * 1000 / 2);
    });
}

/// Tasks run on the CPUs that were asked for.
#[test]
fn cpus() {
    run("cpus", || {
        for cpu in cmwq_tests::confine::allowed().expect("an affinity") {
            let runtime = Case::Auto.start_with(1, |b| {
                b.cpus([cpu]).pin(Pin::Always);
            });
            assert_eq!(runtime.metrics().num_workers(), 1);
            for _ in 0..20 {
                let here = finish(runtime.spawn(async { rustix::thread::sched_getcpu() }));
                assert_eq!(here.expect("no panic"), cpu);
            }
        }
    });
}

#[test]
fn current_thread_runs_on_the_caller() {
    run("current_thread_runs_on_the_caller", || {
        let runtime = Case::CurrentThread.builder(1).build().expect("a runtime");
        let me = std::thread::current().id();
        let there = runtime.block_on(async {
            let main = std::thread::current().id();
            let task = cmwq::spawn(async { std::thread::current().id() }).await;
            (main, task.expect("no panic"))
        });
        assert_eq!(there, (me, me));
    });
}

#[test]
fn names() {
    run("names", || {
        let name = || std::thread::current().name().map(str::to_owned);
        let runtime = Case::Auto.start_with(1, |b| {
            b.thread_name("my-worker");
        });
        let seen = finish(runtime.spawn(async move { name() })).expect("no panic");
        assert_eq!(seen.as_deref(), Some("my-worker"));

        let made = Arc::new(AtomicUsize::new(0));
        let counter = made.clone();
        let runtime = Case::Auto.start_with(1, |b| {
            b.thread_name_fn(move || format!("mine-{}", counter.fetch_add(1, Ordering::SeqCst)));
        });
        let seen = finish(runtime.spawn(async move { name() })).expect("no panic");
        assert!(seen.as_deref().is_some_and(|name| name.starts_with("mine-")), "{seen:?}");
        assert!(made.load(Ordering::SeqCst) > 0);
    });
}

/// No thread can have a name with a NUL.
#[test]
fn names_with_a_nul() {
    run("names_with_a_nul", || {
        let fixed = error(|b| {
            b.thread_name("a\0b");
        });
        assert!(fixed.is_invalid_config(), "{fixed}");
        assert!(fixed.to_string().contains("thread_name"), "{fixed}");

        // A function's becomes a plain one, for each thread.
        let runtime = Case::Auto.start_with(1, |b| {
            b.thread_name_fn(|| "a\0b".into());
        });
        let name = || std::thread::current().name().map(str::to_owned);
        let plain = Some("cmwq-worker");
        let seen = finish(runtime.spawn(async move { name() })).expect("no panic");
        assert_eq!(seen.as_deref(), plain);
        // Each that blocks takes a further thread, which the monitor makes.
        let (leash, held) = std::sync::mpsc::channel::<()>();
        let held = Arc::new(std::sync::Mutex::new(held));
        let blocked: Vec<_> = (0..6)
            .map(|_| {
                let held = held.clone();
                runtime.spawn(async move { held.lock().expect("no panic").recv().is_err() })
            })
            .collect();
        finish(runtime.spawn(async {})).expect("it runs beside those that block");
        drop(leash);
        assert!(blocked.into_iter().all(|task| finish(task).expect("no panic")));
    });
}

#[test]
fn stack_size() {
    run("stack_size", || {
        /// Uses more than the default of 2 MiB.
        fn deep(n: u32) -> u8 {
            let frame = std::hint::black_box([n as u8; 4096]);
            if n == 0 { frame[0] } else { deep(n - 1).wrapping_add(frame[4095]) }
        }
        let runtime = Case::Auto.start_with(1, |b| {
            b.thread_stack_size(16 << 20);
        });
        finish(runtime.spawn(async { deep(1500) })).expect("no panic");
    });
}

/// The least is enough for tasks that print and panic; less is an error.
#[test]
fn smallest_stack() {
    run("smallest_stack", || {
        for bytes in [0, 16 << 10, 32 << 10, (128 << 10) - 1] {
            let error = error(|b| {
                b.thread_stack_size(bytes);
            });
            assert!(error.is_invalid_config(), "{error}");
            let text = error.to_string();
            assert!(text.contains(&format!("thread_stack_size({bytes})")), "{text}");
            assert!(text.contains("131072"), "{text}");
        }
        let runtime = Case::Auto.start_with(2, |b| {
            b.thread_stack_size(128 << 10);
        });
        let task = runtime.spawn(async {
            cmwq::time::sleep(Duration::from_millis(1)).await;
            let blocking = cmwq::task::spawn_blocking(|| format!("{:?}", Instant::now()));
            blocking.await.expect("no panic").len()
        });
        assert!(finish(task).expect("no panic") > 0);
        let task: cmwq::task::JoinHandle<()> = runtime.spawn(async { panic!("on purpose, {}", 1) });
        assert!(finish(task).expect_err("it panics").is_panic());
    });
}

/// Accepted, with nothing to observe but that everything works.
#[test]
fn other_settings() {
    run("other_settings", || {
        let runtime = Case::Auto.start_with(1, |b| {
            b.enable_io()
                .enable_time()
                .global_queue_interval(31)
                .event_interval(61)
                .max_blocking_threads(4)
                .thread_keep_alive(Duration::from_millis(50))
                .timer_granularity(Duration::ZERO)
                .cpu_intensive_threshold(Duration::from_millis(5));
        });
        let task = runtime.spawn(async {
            cmwq::time::sleep(Duration::from_millis(1)).await;
            cmwq::task::spawn_blocking(|| 3).await.expect("no panic")
        });
        assert_eq!(finish(task).expect("no panic"), 3);
    });
}

/// `CMWQ_DETECTOR` overrides the builder, and an unknown value is an error that lists the known.
#[test]
fn detector_by_environment() {
    let name = "detector_by_environment";
    run(name, || {
        in_child(name, Prepare::new().env("CMWQ_DETECTOR", "monitor"), || {
            let runtime = Case::Idle.start(1);
            assert_eq!(runtime.metrics().detector(), "monitor");
        })
        .expect("the child starts");
    });
}

#[test]
fn unknown_detector_in_the_environment() {
    let name = "unknown_detector_in_the_environment";
    run(name, || {
        in_child(name, Prepare::new().env("CMWQ_DETECTOR", "psychic"), || {
            let error = error(|_| {});
            assert!(error.is_invalid_config(), "{error}");
            let text = error.to_string();
            for word in ["CMWQ_DETECTOR", "psychic", "perf", "bpf", "idle", "monitor", "off"] {
                assert!(text.contains(word), "{word} is not in {text:?}");
            }
        })
        .expect("the child starts");
    });
}

/// A variable that is set to nothing counts as one that is not set.
#[test]
fn empty_variables_in_the_environment() {
    let name = "empty_variables_in_the_environment";
    run(name, || {
        let empty = Prepare::new().env("CMWQ_DETECTOR", "").env("CMWQ_POWER_EFFICIENT", "");
        in_child(name, empty, || {
            let runtime = Case::Monitor.start(1);
            assert_eq!(runtime.metrics().detector(), "monitor", "the builder's");
            drop(runtime);
            assert!(!saves_power(&mut Builder::new_multi_thread()));
        })
        .expect("the child starts");
    });
}

/// Are the power-efficient queues of the runtime unbound?
fn saves_power(builder: &mut Builder) -> bool {
    let runtime = builder.worker_threads(1).build().expect("a runtime");
    let queue = cmwq::Workqueue::builder().power_efficient().build_on(runtime.handle());
    let system = runtime.block_on(async { cmwq::workqueue::system_power_efficient() });
    let is_unbound = queue.expect("a queue").attrs().is_some();
    assert_eq!(system.attrs().is_some(), is_unbound);
    is_unbound
}

#[test]
fn power_efficient_queues_are_unbound_where_the_runtime_saves_power() {
    run("power_efficient_queues_are_unbound_where_the_runtime_saves_power", || {
        assert!(!saves_power(&mut Builder::new_multi_thread()), "bound by default");
        assert!(saves_power(Builder::new_multi_thread().power_efficient(true)));
    });
}

#[test]
fn power_efficiency_by_environment() {
    let name = "power_efficiency_by_environment";
    run(name, || {
        in_child(name, Prepare::new().env("CMWQ_POWER_EFFICIENT", "1"), || {
            assert!(saves_power(&mut Builder::new_multi_thread()));
            assert!(!saves_power(Builder::new_multi_thread().power_efficient(false)));
        })
        .expect("the child starts");
    });
}

#[test]
fn unknown_power_efficiency_in_the_environment() {
    let name = "unknown_power_efficiency_in_the_environment";
    run(name, || {
        in_child(name, Prepare::new().env("CMWQ_POWER_EFFICIENT", "maybe"), || {
            let error = error(|_| {});
            assert!(error.is_invalid_config(), "{error}");
            let text = error.to_string();
            assert!(text.contains("CMWQ_POWER_EFFICIENT") && text.contains("maybe"), "{text}");
        })
        .expect("the child starts");
    });
}

/// With one runtime on all cores, Auto pins; what a user wants unpinned can be.
#[test]
fn pinning() {
    run("pinning", || {
        let allowed = || cmwq_tests::confine::allowed().expect("an affinity").len();
        let all = allowed();
        if all < 2 {
            return skip("pinning", "needs two CPUs");
        }
        let pinned = Case::Auto.start_with(all, |b| {
            b.pin(Pin::Always);
        });
        let (inside, unpinned, blocking) = finish(pinned.spawn(async move {
            let unpinned = cmwq::unpinned(allowed);
            let blocking = cmwq::task::spawn_blocking(allowed).await.expect("no panic");
            (allowed(), unpinned, blocking)
        }))
        .expect("no panic");
        assert_eq!((inside, unpinned, blocking), (1, all, all));
        let main = pinned.block_on(async { allowed() });
        assert_eq!(main, all, "the thread in block_on is never pinned");
        drop(pinned);

        let free = Case::Unpinned.start(all);
        let inside = finish(free.spawn(async move { allowed() })).expect("no panic");
        assert_eq!(inside, all);
    });
}

/// Auto pins where no other pinned runtime lives: one of several, and the next one after it.
#[test]
fn one_is_pinned() {
    run("one_is_pinned", || {
        // Other tests of this process pin theirs.
        in_child("one_is_pinned", Prepare::new(), || {
            let build = |pin: Pin| Builder::new_multi_thread().pin(pin).build().expect("a runtime");
            let is_pinned = |runtime: &Runtime| runtime.metrics().is_pinned();
            let first = build(Pin::Auto);
            if !is_pinned(&first) {
                return skip("one_is_pinned", "a CPU quota keeps it from pinning");
            }
            let others: Vec<_> = (0..3).map(|_| build(Pin::Auto)).collect();
            assert!(!others.iter().any(is_pinned));
            let always = build(Pin::Always);
            drop(first);
            assert!(!is_pinned(&build(Pin::Auto)), "one is left");
            drop(always);
            assert!(is_pinned(&build(Pin::Auto)));
        })
        .expect("the child starts");
    });
}

/// Auto pins to CPUs that were asked for, also to fewer than the process may use.
#[test]
fn cpus_are_pinned_to() {
    let name = "cpus_are_pinned_to";
    run(name, || {
        let allowed = || cmwq_tests::confine::allowed().expect("an affinity");
        // Where no other test has a pinned runtime.
        in_child(name, Prepare::new(), || {
            let first = allowed()[0];
            let mut builder = Builder::new_multi_thread();
            let runtime = builder.cpus([first]).build().expect("a runtime");
            assert_eq!(finish(runtime.spawn(async move { allowed() })).expect("no panic"), [first]);
        })
        .expect("the child starts");
    });
}

/// One that is built inside a task has the CPUs of the process, not the one of the worker.
#[test]
fn built_in_a_task() {
    run("built_in_a_task", || {
        let allowed = || cmwq_tests::confine::allowed().expect("an affinity").len();
        let all = allowed();
        let outer = Case::Auto.start_with(all, |b| {
            b.pin(Pin::Always);
        });
        let seen = finish(outer.spawn(async move {
            let inner = Builder::new_multi_thread().pin(Pin::Never).build().expect("a runtime");
            let cores = inner.metrics().num_workers();
            let inside = inner.block_on(inner.spawn(async move { allowed() })).expect("no panic");
            (cores, inside, allowed())
        }));
        let cores = std::thread::available_parallelism().expect("it is known").get();
        assert_eq!(seen.expect("no panic"), (cores, all, 1), "cores, their CPUs, the worker's");
    });
}

/// A thread of the user's keeps the CPUs that it has, whichever runtime is entered there.
#[test]
fn built_where_another_is_entered() {
    let name = "built_where_another_is_entered";
    run(name, || {
        let all = cmwq_tests::confine::allowed().expect("an affinity");
        if all.len() < 2 {
            return skip(name, "there is one CPU");
        }
        let build = || Builder::new_multi_thread().pin(Pin::Never).build().expect("a runtime");
        let cores = |runtime: &Runtime| runtime.metrics().num_workers();
        let expected = cores(&build());
        let confined = std::thread::scope(|scope| {
            let confined = scope.spawn(|| {
                cmwq_tests::confine::affinity(None, &all[..1]).expect("an affinity");
                build()
            });
            confined.join().expect("no panic")
        });
        assert_eq!(cores(&confined), 1);
        let _entered = confined.enter();
        assert_eq!(cores(&build()), expected);
        assert_eq!(confined.block_on(async { cores(&build()) }), expected);
    });
}

/// A nested `unpinned`, and a panic within, leave the thread as it was.
#[test]
fn unpinned_restores() {
    run("unpinned_restores", || {
        let allowed = || cmwq_tests::confine::allowed().expect("an affinity");
        let runtime = Case::Auto.start_with(1, |b| {
            b.pin(Pin::Always);
        });
        let before = allowed();
        let (inside, nested, after) = finish(runtime.spawn(async move {
            let inside = allowed();
            let nested = cmwq::unpinned(|| cmwq::unpinned(allowed));
            let panic = || cmwq::unpinned(|| std::panic::resume_unwind(Box::new(())));
            std::panic::catch_unwind(panic).expect_err("the panic comes through");
            (inside, nested, allowed())
        }))
        .expect("no panic");
        assert_eq!(inside.len(), 1);
        assert_eq!(nested, before);
        assert_eq!(after, inside);
        // Outside of a runtime it only calls.
        assert_eq!(cmwq::unpinned(allowed), before);
    });
}

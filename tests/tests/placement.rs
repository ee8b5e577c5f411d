//! On which CPUs tasks run, on a machine with two NUMA nodes.
//!
//! Few machines have two, so `tests/guest/run` boots one; there no test of this file is left out.
//! Elsewhere those that need more than the machine has say so.

use cmwq::Workqueue;
use cmwq::percpu::Builder;
use cmwq::runtime::{Detector, Pin};
use cmwq_tests::crowd::Crowd;
use cmwq_tests::nodes::{self, Offline, place};
use cmwq_tests::watchdog::patience;
use cmwq_tests::{Beside, Case, NEVER, Running, case, every_case, finish, run, skip, until};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// The workers of the pool that is bound to `cpu` have this affinity, all of them.
fn are_on(cpu: usize, cpus: &[usize]) -> bool {
    let workers = nodes::threads(&format!("cmwq/{cpu}:"));
    !workers.is_empty() && workers.values().all(|affinity| affinity == cpus)
}

/// The ways to detect a block on pinned cores.
const PINNED: [Case; 5] = [Case::Auto, Case::Bpf, Case::Perf, Case::Idle, Case::Monitor];

/// Runs `body` for each of [`PINNED`] that the kernel allows.
fn for_each_pinned(test: &str, body: impl Fn(Case)) {
    for case in PINNED {
        match case.missing() {
            Some(why) => skip(test, format_args!("{case:?}: {why}")),
            None => body(case),
        }
    }
}

/// A runtime with a core on every CPU that tasks keep as long as they like: nothing takes over.
fn undisturbed() -> Running {
    Case::Auto.start_with(case::cores(), |builder| {
        builder.detector(Detector::Off).cpu_intensive_threshold(NEVER);
    })
}

/// Runs `f` once on every core, in tasks that are all in their first poll at the same time, so
/// that no core can have two of them.
fn on_every_core(runtime: &Running, f: impl Fn() + Send + Sync + 'static) {
    let cores = runtime.metrics().num_workers();
    let (f, arrived) = (Arc::new(f), Arc::new(AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..cores)
        .map(|_| {
            let (f, arrived) = (f.clone(), arrived.clone());
            runtime.spawn(async move {
                arrived.fetch_add(1, Ordering::SeqCst);
                while arrived.load(Ordering::SeqCst) < cores {
                    std::hint::spin_loop();
                }
                f();
            })
        })
        .collect();
    for task in tasks {
        finish(task).expect("no panic");
    }
}

/// Tasks of every kind of waiting; all of them end.
fn everything_ends(runtime: &Running) {
    let tasks: Vec<_> = (0..200)
        .map(|n| {
            runtime.spawn(async move {
                cmwq::task::yield_now().await;
                match n % 4 {
                    0 => thread::sleep(Duration::from_millis(2)),
                    1 => cmwq::time::sleep(Duration::from_millis(2)).await,
                    2 => cmwq::spawn(cmwq::task::yield_now()).await.expect("no panic"),
                    _ => {}
                }
                n
            })
        })
        .collect();
    for (n, task) in tasks.into_iter().enumerate() {
        assert_eq!(finish(task).expect("no panic"), n);
    }
}

#[test]
fn a_core_on_every_cpu() {
    let name = "a_core_on_every_cpu";
    run(name, || {
        let runtime = undisturbed();
        if !runtime.metrics().is_pinned() {
            assert!(!nodes::in_guest(), "the guest has no quota");
            return skip(name, "the runtime is not pinned here");
        }
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        let places = seen.clone();
        on_every_core(&runtime, move || {
            places.lock().expect("no panic").insert(place());
        });
        let all = cmwq_tests::confine::allowed().expect("an affinity");
        let expected: BTreeSet<_> = all.iter().map(|&cpu| (cpu, vec![cpu])).collect();
        assert_eq!(*seen.lock().expect("no panic"), expected);
    });
}

/// Several tasks block at once on every core. Who takes over is pinned where the blocked ones are.
#[test]
fn standbys_are_pinned_too() {
    run("standbys_are_pinned_too", || {
        for_each_pinned("standbys_are_pinned_too", |case| {
            let cores = case::cores();
            // On a busy machine, polls that are interrupted must not pass for hogs.
            let runtime = case.start_with(cores, |builder| {
                builder.pin(Pin::Always).cpu_intensive_threshold(NEVER);
            });
            let beside = Beside::start(&runtime);
            let crowd = Crowd::start(&runtime, 3 * cores);
            until("all of them are blocked", || crowd.entered() == 3 * cores);
            beside.progress().expect("everything goes on beside them");
            let places: Vec<_> = (0..50).map(|_| runtime.spawn(async { place() })).collect();
            for task in places {
                let (cpu, mask) = finish(task).expect("no panic");
                assert_eq!(mask, [cpu], "{case:?}");
            }
            assert!(runtime.metrics().takeovers_count() >= 2 * cores as u64, "{case:?}");
            crowd.finish();
            beside.progress().expect("everything goes on afterwards");
        });
    });
}

/// A hog loses its core but keeps its node, and is pinned again by its next poll.
#[test]
fn a_hog_keeps_its_node() {
    let name = "a_hog_keeps_its_node";
    run(name, || {
        let Some(two) = nodes::two(name) else { return };
        let runtime = Case::Auto.start_with(case::cores(), |builder| {
            builder.cpu_intensive_threshold(Duration::from_millis(100));
        });
        let beside = Beside::start(&runtime);
        let task = runtime.spawn(async {
            let (cpu, pinned) = place();
            let hog = burn_until_moved(&pinned);
            cmwq::task::yield_now().await;
            (cpu, pinned, hog, place())
        });
        let (cpu, pinned, hog, after) = finish(task).expect("no panic");
        assert_eq!(pinned, [cpu]);
        if let Some(node) = two.iter().find(|node| node.cpus.contains(&cpu)) {
            assert_eq!(hog, node.cpus, "where the hog of CPU {cpu} may run");
        }
        assert_eq!(after.1, [after.0], "pinned again");
        beside.progress().expect("everything goes on afterwards");
    });
}

/// Uses the CPU until the thread may run elsewhere; returns where.
fn burn_until_moved(pinned: &[usize]) -> Vec<usize> {
    let start = Instant::now();
    loop {
        let (_, mask) = place();
        if mask != pinned {
            return mask;
        }
        assert!(start.elapsed() < patience(20), "the hog keeps its core");
    }
}

/// A core with nothing to do, beside one of its own node and one of the other that both have work
/// waiting, empties the former first.
#[test]
fn steals_from_its_own_node_first() {
    let name = "steals_from_its_own_node_first";
    run(name, || {
        let Some([a, b]) = nodes::two(name) else { return };
        for (own, other) in [(&a, &b), (&b, &a)] {
            let (thief, near, far) = (own.cpus[0], own.cpus[1], other.cpus[0]);
            let stolen = steal(thief, near, far);
            let by_thief = |&(from, by): &(usize, usize)| (by == thief).then_some(from);
            let order: Vec<_> = stolen.iter().map(by_thief).collect();
            // The tenth is in its core's next slot, which is not for thieves.
            let expected = [[Some(near); 9], [Some(far); 9]].concat();
            assert_eq!(order, expected, "the CPUs that {thief} took tasks from; {stolen:?}");
        }
    });
}

/// Keeps every core busy by one task, queues ten more on each of `near` and `far`, and lets
/// `thief` go. Returns where each of the first 18 tasks was queued and where it ran, in order.
fn steal(thief: usize, near: usize, far: usize) -> Vec<(usize, usize)> {
    let runtime = undisturbed();
    let ran = Arc::new(Mutex::new(Vec::new()));
    let queued = Arc::new(AtomicUsize::new(0));
    let [thief_is_free, all_are_free] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
    let keep_busy = {
        let (ran, queued) = (ran.clone(), queued.clone());
        let (one, all) = (thief_is_free.clone(), all_are_free.clone());
        move || {
            let (cpu, _) = place();
            if cpu == near || cpu == far {
                for _ in 0..10 {
                    let ran = ran.clone();
                    cmwq::spawn(
                        async move { ran.lock().expect("no panic").push((cpu, place().0)) },
                    );
                }
                queued.fetch_add(1, Ordering::SeqCst);
            }
            let free = if cpu == thief { &one } else { &all };
            while !free.load(Ordering::SeqCst) {
                std::hint::spin_loop();
            }
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| on_every_core(&runtime, keep_busy));
        until("both have tasks waiting", || queued.load(Ordering::SeqCst) == 2);
        thief_is_free.store(true, Ordering::SeqCst);
        until("the thief has taken them", || ran.lock().expect("no panic").len() >= 18);
        let stolen = ran.lock().expect("no panic")[..18].to_vec();
        all_are_free.store(true, Ordering::SeqCst);
        stolen
    })
}

/// What was called, for which CPU, by which thread.
type Call = (&'static str, usize, thread::ThreadId);

/// The thread of a CPU is parked while that is away, and the same thread goes on when it is back.
#[test]
fn per_cpu_threads_park_with_their_cpu() {
    let name = "per_cpu_threads_park_with_their_cpu";
    if !nodes::in_guest() {
        return skip(name, "takes a CPU offline, which only tests/guest/run can spare");
    }
    run(name, || {
        let log: Arc<Mutex<Vec<Call>>> = Arc::default();
        let note = |what| {
            let log = log.clone();
            move |cpu| log.lock().expect("no panic").push((what, cpu, thread::current().id()))
        };
        let at_home = Arc::new(AtomicUsize::new(0));
        let count = at_home.clone();
        let builder = Builder::new("guest").setup(note("setup")).park(note("park"));
        let threads = builder
            .unpark(note("unpark"))
            .register(move |cpu| {
                if place() == (cpu, vec![cpu]) {
                    count.fetch_add(1, Ordering::SeqCst);
                }
            })
            .expect("threads");
        assert_eq!(threads.hotplug_refusal(), None);
        assert_eq!(threads.cpus(), [0, 1, 2, 3]);
        for cpu in [3, 2] {
            let seen = || log.lock().expect("no panic").clone();
            let setup = *seen().iter().find(|entry| entry.1 == cpu).expect("it was set up");
            let before = seen().len();
            let offline = Offline::take(cpu);
            until("its thread is parked", || seen().len() == before + 1);
            assert_eq!(seen()[before], ("park", cpu, setup.2), "by its own thread");
            threads.wake_all();
            until("the others run", || at_home.load(Ordering::SeqCst) == 3);
            drop(offline);
            until("its thread is unparked", || seen().len() == before + 2);
            assert_eq!(seen()[before + 1], ("unpark", cpu, setup.2), "the same thread");
            until("it makes up for the wake", || at_home.load(Ordering::SeqCst) == 4);
            at_home.store(0, Ordering::SeqCst);
        }
        // A thread is made for a CPU that was not there.
        threads.unregister();
        let offline = Offline::take(1);
        let threads = Builder::new("guest").setup(note("setup")).register(|_| ()).expect("threads");
        assert_eq!(threads.cpus(), [0, 2, 3]);
        drop(offline);
        until("it is made", || threads.cpus() == [0, 1, 2, 3]);
        until("it is active", || threads.is_parked(1) == Some(false));
    });
}

every_case! {
    /// The workers of its pool may run anywhere until it comes back; nothing is lost. The limits of
    /// unbound queues follow the CPUs that there are.
    fn a_cpu_goes_away_and_comes_back(case) {
        if !nodes::in_guest() {
            let name = case.test(module_path!());
            return skip(&name, "takes a CPU offline, which only tests/guest/run can spare");
        }
        let cores = case::cores();
        // On a busy machine, polls that are interrupted must not pass for hogs, which are not bound.
        // The workers that there are before a CPU goes are looked for when it is back.
        let runtime = case.start_with(cores, |builder| {
            builder.cpu_intensive_threshold(NEVER).thread_keep_alive(NEVER);
        });
        let metrics = runtime.metrics();
        let beside = Beside::start(&runtime);
        let crowd = Crowd::start(&runtime, 2 * cores);
        let bound = Workqueue::builder().name("bound").build_on(runtime.handle()).expect("a queue");
        let wide = Workqueue::builder().name("wide").unbound().max_active(8).min_active(1);
        let _wide = wide.build_on(runtime.handle()).expect("a queue");
        let shares = |text: &str| runtime.handle().dump_workqueues().to_string().contains(text);
        let whole = "wide: unbound, max_active 8, min_active 1, \
                     node 0: 0 of 4, node 1: 0 of 4, node 2: 0 of 1";
        assert!(shares(whole), "{}", runtime.handle().dump_workqueues());
        let part_of = |cpu| match cpu {
            3 => "node 0: 0 of 6, node 1: 0 of 3, node 2: 0 of 1",
            _ => "node 0: 0 of 3, node 1: 0 of 6, node 2: 0 of 1",
        };
        for cpu in [3, 1] {
            let workers = nodes::threads(&format!("cmwq/{cpu}:"));
            let offline = Offline::take(cpu);
            assert_eq!(case::cores(), cores - 1);
            let rest: Vec<_> = (0..cores).filter(|&other| other != cpu).collect();
            beside.progress().expect("timers and sockets go on without it");
            everything_ends(&runtime);
            until("the limit is shared out to the others", || shares(part_of(cpu)));
            if metrics.is_pinned() {
                until("the pool is disassociated", || metrics.disassociated_cores() == [cpu]);
                until("its workers are unbound", || are_on(cpu, &rest));
                let seen = finish(bound.spawn_on(cpu, async { place().1 })).expect("no panic");
                assert_eq!(seen, rest, "work for the CPU goes on elsewhere");
            }
            drop(offline);
            beside.progress().expect("timers and sockets go on with it");
            everything_ends(&runtime);
            until("the limit is shared out to all", || shares(whole));
            if metrics.is_pinned() {
                until("no pool is disassociated", || metrics.disassociated_cores().is_empty());
                until("its workers are bound again", || are_on(cpu, &[cpu]));
                let seen = finish(bound.spawn_on(cpu, async { place() })).expect("no panic");
                assert_eq!(seen, (cpu, vec![cpu]));
                let again = nodes::threads(&format!("cmwq/{cpu}:"));
                assert!(workers.keys().all(|tid| again.contains_key(tid)), "{workers:?} {again:?}");
            }
        }
        crowd.finish();
        let fewer = {
            let _offline = Offline::take(2);
            case.start(cores - 1)
        };
        everything_ends(&fewer);
    }

    /// The kernel sends an event; nothing runs here that would look by itself.
    fn an_idle_runtime_is_told(case) {
        if !nodes::in_guest() {
            let name = case.test(module_path!());
            return skip(&name, "takes a CPU offline, which only tests/guest/run can spare");
        }
        let runtime = case.start(case::cores());
        let metrics = runtime.metrics();
        assert_eq!(metrics.hotplug_refusal(), None);
        if !metrics.is_pinned() {
            return;
        }
        for cpu in [2, 1] {
            let offline = Offline::take(cpu);
            until("the pool is disassociated", || metrics.disassociated_cores() == [cpu]);
            drop(offline);
            until("it is not any more", || metrics.disassociated_cores().is_empty());
        }
    }
}

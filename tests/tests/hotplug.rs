//! CPUs that are taken from the process while it runs, and given back.
//!
//! By an affinity, or by a cpuset where one can be made. CPUs that really go offline are in
//! `placement`, for the virtual machine.

use cmwq::Workqueue;
use cmwq::workqueue::Scope;
use cmwq_tests::cgroup::{self, Group};
use cmwq_tests::child::{Prepare, in_child, is_child};
use cmwq_tests::confine::{allowed, move_everybody, user_namespace};
use cmwq_tests::crowd::Crowd;
use cmwq_tests::nodes::{place, threads};
use cmwq_tests::{Beside, Case, Running, every_case, finish, skip, until};
use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::Duration;

/// More workers than a pool keeps.
const MANY: usize = 6;

/// The CPUs of the process, if it has two or more.
fn several(name: &str) -> Option<Vec<usize>> {
    let all = allowed().expect("an affinity");
    if all.len() < 2 {
        skip(name, "needs two CPUs");
        return None;
    }
    Some(all)
}

/// Waits for something that a runtime finds out while it works.
fn until_noticed(runtime: &Running, what: &str, is_so: impl Fn() -> bool) {
    until(what, || {
        finish(runtime.spawn(async {})).expect("no panic");
        is_so()
    });
}

/// The workers of the pool that is bound to `cpu` have this affinity, all of them.
fn are_on(cpu: usize, cpus: &[usize]) -> bool {
    let workers = threads(&format!("cmwq/{cpu}:"));
    !workers.is_empty() && workers.values().all(|affinity| affinity == cpus)
}

/// A pinned runtime loses its last CPU, which `take` takes from the process, and gets it back.
fn loses_a_cpu(case: Case, all: &[usize], take: impl Fn(&[usize])) {
    let (lost, rest) = all.split_last().expect("two CPUs");
    let lost = *lost;
    let runtime = case.start_with(all.len(), |builder| {
        builder.thread_keep_alive(Duration::from_millis(20));
    });
    if !runtime.metrics().is_pinned() {
        return;
    }
    let metrics = runtime.metrics();
    let queue = Workqueue::builder().name("bound").build_on(runtime.handle()).expect("a queue");
    let crowd = Crowd::start_with(MANY, |enter| queue.spawn_on(lost, async move { enter() }));
    until("all of them are blocked", || crowd.entered() == MANY);
    until("the workers are bound", || are_on(lost, &[lost]));
    let workers = threads(&format!("cmwq/{lost}:"));

    take(rest);
    until_noticed(&runtime, "the core is disassociated", || {
        metrics.disassociated_cores() == [all.len() - 1]
    });
    until("its workers are unbound", || are_on(lost, rest));
    assert!(runtime.handle().dump_workqueues().to_string().contains("which is away"));
    let beside = Beside::start(&runtime);
    beside.progress().expect("everything goes on beside the blocked ones");
    let seen = finish(queue.spawn_on(lost, async { place().1 })).expect("no panic");
    assert_eq!(seen, rest, "what is queued for the CPU runs elsewhere");
    crowd.finish();
    for _ in 0..5 {
        beside.progress().expect("everything goes on");
        std::thread::sleep(Duration::from_millis(50));
    }
    let kept = threads(&format!("cmwq/{lost}:"));
    let is_kept = |tid| kept.contains_key(tid);
    assert!(workers.keys().all(is_kept), "idle workers wait for the CPU: {workers:?}, {kept:?}");

    take(all);
    until_noticed(&runtime, "the core is associated", || metrics.disassociated_cores().is_empty());
    until("the workers are bound again", || all.iter().all(|&cpu| are_on(cpu, &[cpu])));
    let seen = finish(queue.spawn_on(lost, async { place() })).expect("no panic");
    assert_eq!(seen, (lost, vec![lost]));
    beside.progress().expect("everything goes on");
    drop(beside);
    until_noticed(&runtime, "surplus workers leave again", || {
        std::thread::sleep(Duration::from_millis(30));
        threads(&format!("cmwq/{lost}:")).len() < kept.len()
    });
}

every_case! {
    fn a_bound_pool_is_unbound_and_bound_again(case) {
        let name = case.test(module_path!());
        let Some(all) = several(&name) else { return };
        in_child(&name, Prepare::new(), || loses_a_cpu(case, &all, move_everybody))
            .expect("the child starts");
    }

    /// The kernel gives the threads of a cpuset its CPUs when they change.
    fn a_cpuset_loses_a_cpu(case) {
        let name = case.test(module_path!());
        let Some(all) = several(&name) else { return };
        let list = |cpus: &[usize]| {
            cpus.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
        };
        let mut prepare = Prepare::new();
        // Kept until the child has ended.
        let _group = if is_child() {
            None
        } else if let Some(group) = Group::create("cpuset", "cpuset.cpus") {
            group.set("cpuset.cpus", &list(&all));
            group.set("cpuset.mems", "0");
            prepare = prepare.step(group.entrance());
            Some(group)
        } else {
            return skip(&name, "no cpuset can be made here");
        };
        let take = |cpus: &[usize]| {
            cgroup::set_own("cpuset", "cpuset.cpus", &list(cpus)).expect("the group is ours");
        };
        in_child(&name, prepare, || loses_a_cpu(case, &all, take)).expect("the child starts");
    }

    /// Its workers have the CPU alone, and then all others, whether or not the runtime is pinned.
    fn an_unbound_pool_loses_its_only_cpu(case) {
        let name = case.test(module_path!());
        let Some(all) = several(&name) else { return };
        in_child(&name, Prepare::new(), || {
            let (lost, rest) = all.split_last().expect("two CPUs");
            let lost = *lost;
            let runtime = case.start(all.len());
            let queue = Workqueue::builder().unbound().scope(Scope::Cpu).strict(true);
            let queue = queue.build_on(runtime.handle()).expect("a queue");
            let seen = || finish(queue.spawn_on(lost, async { place().1 })).expect("no panic");
            let metrics = runtime.metrics();
            assert_eq!(seen(), [lost]);
            // Or it might be made while the others are moved, and be left out.
            until("somebody watches", || !threads("cmwq/cpus").is_empty());
            for _ in 0..3 {
                move_everybody(rest);
                until_noticed(&runtime, "the CPU is gone", || metrics.usable_cpus() == rest);
                until("it runs elsewhere", || seen() == rest);
                move_everybody(&all);
                until_noticed(&runtime, "the CPU is back", || metrics.usable_cpus() == all);
                until("it runs there again", || seen() == [lost]);
            }
        })
        .expect("the child starts");
    }
}

/// Nobody binds a worker that is not to be bound at the moment.
#[test]
fn unpinned_code_stays_so_while_cpus_change() {
    let name = "unpinned_code_stays_so_while_cpus_change";
    let Some(all) = several(name) else { return };
    in_child(name, Prepare::new(), || {
        let (lost, rest) = all.split_last().expect("two CPUs");
        let lost = *lost;
        let runtime = Case::Monitor.start(all.len());
        let queue = Workqueue::builder().build_on(runtime.handle()).expect("a queue");
        let (enter, entered) = mpsc::channel();
        let (leave, left) = mpsc::channel();
        let task = queue.spawn_on(lost, async move {
            let inside = cmwq::unpinned(|| {
                enter.send(()).expect("the test waits");
                left.recv().expect("the test sends");
                place().1
            });
            (inside, place().1)
        });
        entered.recv().expect("it runs");
        let metrics = runtime.metrics();
        for cpus in [rest, &all] {
            move_everybody(cpus);
            until_noticed(&runtime, "the change", || metrics.usable_cpus() == cpus);
            until("other workers are placed", || {
                threads(&format!("cmwq/{}:", all[0])).values().all(|own| *own == [all[0]])
            });
        }
        leave.send(()).expect("it waits");
        assert_eq!(finish(task).expect("no panic"), (all.clone(), vec![lost]));
    })
    .expect("the child starts");
}

/// As in some containers: the runtime says that it is not told, and finds out while it works.
#[test]
fn without_the_kernels_events() {
    let name = "without_the_kernels_events";
    let Some(all) = several(name) else { return };
    let child = in_child(name, Prepare::new().step(user_namespace), || {
        let runtime = Case::Monitor.start(all.len());
        let refusal = runtime.metrics().hotplug_refusal().expect("no events here");
        assert!(refusal.contains("user namespace"), "{refusal}");
        drop(runtime);
        loses_a_cpu(Case::Monitor, &all, move_everybody);
    });
    match child {
        Err(why) if why.raw_os_error().is_some() => skip(name, why),
        other => other.expect("the child starts"),
    }
}

/// Watching costs an idle runtime nothing, whether or not a CPU is away.
#[test]
fn an_idle_runtime_does_not_wake_up() {
    let name = "an_idle_runtime_does_not_wake_up";
    let Some(all) = several(name) else { return };
    in_child(name, Prepare::new(), || {
        let runtime = Case::Auto.start(all.len());
        let queue = Workqueue::builder().unbound().build_on(runtime.handle()).expect("a queue");
        finish(queue.spawn(async {})).expect("no panic");
        for cpus in [&all[..], &all[..1]] {
            move_everybody(cpus);
            let metrics = runtime.metrics();
            if metrics.is_pinned() {
                until_noticed(&runtime, "the change", || metrics.usable_cpus() == cpus);
            }
            // The looks that follow a change last some seconds.
            until("nobody wakes up for two seconds", || {
                let before = sleeps();
                std::thread::sleep(Duration::from_secs(2));
                sleeps() == before
            });
        }
    })
    .expect("the child starts");
}

/// How often each thread of the runtime has gone to sleep.
fn sleeps() -> BTreeMap<i32, u64> {
    let process = procfs::process::Process::myself().expect("/proc is mounted");
    let tasks = process.tasks().expect("a process has threads").flatten();
    let sleeps = |task: procfs::process::Task| {
        let status = task.status().ok().filter(|status| status.name.starts_with("cmwq"))?;
        Some((task.tid, status.voluntary_ctxt_switches?))
    };
    tasks.filter_map(sleeps).collect()
}

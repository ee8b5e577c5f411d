//! Processes that may not use the whole machine.

use cmwq_tests::beside::beside_block;
use cmwq_tests::cgroup::in_group;
use cmwq_tests::child::{Prepare, in_child};
use cmwq_tests::confine::{self, NoSys};
use cmwq_tests::{Beside, Block, Case, every_case, finish, run, skip};
use std::time::Duration;

/// Blocks, and uses as many cores as the runtime takes by itself.
fn workload(case: Case) {
    beside_block(case, Block::pipe());
    let runtime = case.start(cmwq_tests::case::cores());
    let beside = Beside::start(&runtime);
    let tasks: Vec<_> = (0..50)
        .map(|n| runtime.spawn(async move { std::thread::sleep(Duration::from_millis(n % 5)) }))
        .collect();
    for task in tasks {
        finish(task).expect("no panic");
    }
    beside.progress().expect("timers and sockets go on");
}

every_case! {
    fn one_cpu(case) {
        let name = case.test(module_path!());
        let last = *confine::allowed().expect("an affinity").last().expect("at least one CPU");
        let prepare = Prepare::new().step(move || confine::affinity(None, &[last]));
        in_child(&name, prepare, || {
            assert_eq!(confine::allowed().expect("an affinity").len(), 1);
            let runtime = cmwq::runtime::Runtime::new().expect("a runtime");
            assert_eq!(runtime.metrics().num_workers(), 1, "a core per CPU that is allowed");
            drop(runtime);
            workload(case);
        })
        .expect("the child starts");
    }

    /// Somebody else moves all threads of the process from CPU to CPU.
    fn changing_affinity(case) {
        let name = case.test(module_path!());
        in_child(&name, Prepare::new(), || {
            let all = confine::allowed().expect("an affinity");
            let runtime = case.start(all.len());
            let beside = Beside::start(&runtime);
            for round in 0..6 {
                let cpus = match round % 3 {
                    0 => &all[..1],
                    1 => &all[all.len() - 1..],
                    _ => &all[..],
                };
                confine::move_everybody(cpus);
                let Block { enter, release } = Block::pipe();
                let task = runtime.spawn(async move { enter() });
                let progress = beside.progress().and_then(|()| beside.progress());
                release();
                progress.unwrap_or_else(|e| panic!("round {round}, CPUs {cpus:?}: {e:?}"));
                finish(task).expect("no panic");
            }
        })
        .expect("the child starts");
    }

    /// Root, as in a container that drops all capabilities.
    fn without_capabilities(case) {
        let name = case.test(module_path!());
        in_child(&name, Prepare::new(), || {
            // Of this thread, and so of all that it starts.
            confine::drop_capabilities().expect("less is always allowed");
            if let Some(why) = case.missing() {
                return skip(&name, why);
            }
            workload(case);
        })
        .expect("the child starts");
    }

    /// No topology to read.
    fn without_sys(case) {
        let name = case.test(module_path!());
        if case == Case::Bpf {
            return skip(&name, "the bpf detector reads the kernel's types there");
        }
        let empty = tempfile::tempdir().expect("a temporary folder");
        let hide = NoSys::new(empty.path());
        let result = in_child(&name, Prepare::new().step(move || hide.apply()), || {
            assert!(!std::path::Path::new("/sys/devices").exists());
            workload(case);
        });
        match result {
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => skip(&name, e),
            other => other.expect("the child starts"),
        }
    }

    /// A fifth of a CPU by the control group.
    fn cpu_quota(case) {
        let name = case.test(module_path!());
        let limits = [("cpu.max", "20000 100000"), ("cpu.cfs_quota_us", "20000")];
        in_group(&name, "cpu", &limits, || workload(case));
    }
}

/// A CPU that the process may not use is an error that names it.
#[test]
fn cpu_that_is_not_allowed() {
    run("cpu_that_is_not_allowed", || {
        let other = confine::allowed().expect("an affinity").last().expect("a CPU") + 1;
        let mut builder = Case::Auto.builder(1);
        let error = builder.cpus([other]).build().map(drop).expect_err("not ours");
        assert!(error.is_invalid_config(), "{error}");
        assert!(error.to_string().contains(&other.to_string()), "{error}");
    });
}

//! Threads that cannot be made: nothing is lost, and it goes on afterwards. In child processes
//! of a user without privileges, since the limits do not hold for root.

use cmwq_tests::cgroup::in_group;
use cmwq_tests::child::{Prepare, in_child};
use cmwq_tests::confine::{limit_threads, threads_of_user};
use cmwq_tests::crowd::Crowd;
use cmwq_tests::{Beside, Case, confine, finish, run, skip, until};
use std::time::Duration;

/// Forty tasks block where only some ten threads can be made.
fn reaches_the_limit() {
    let runtime = Case::Auto.start(1);
    let beside = Beside::start(&runtime);
    let crowd = Crowd::start(&runtime, 40);
    until("no more tasks can run", || {
        let metrics = runtime.metrics();
        metrics.cap_hits() > 0 || metrics.thread_creation_failures() > 0
    });
    let entered = crowd.entered();
    assert!(entered < 40, "{entered} of 40 tasks run at the limit");
    crowd.finish();
    beside.progress().expect("everything goes on");
}

/// Workers that are idle for long leave, but for two that stand by.
#[test]
fn surplus_workers_leave() {
    run("surplus_workers_leave", || {
        let keep_alive = Duration::from_millis(50);
        let runtime = Case::Auto.start_with(1, |builder| {
            builder.thread_keep_alive(keep_alive);
        });
        let crowd = Crowd::start(&runtime, 12);
        until("all of them are blocked", || crowd.entered() == 12);
        until("there is one for each, and one that works", || workers() > 12);
        crowd.finish();
        // The monitor looks at idle workers while something goes on.
        until("the surplus has left", || {
            finish(runtime.spawn(async { std::thread::sleep(Duration::from_millis(2)) }))
                .expect("no panic");
            workers() <= 3
        });
        assert!(workers() >= 2, "a holder, and one that stands by");
    });
}

/// Threads that are workers of a bound pool.
fn workers() -> usize {
    let process = procfs::process::Process::myself().expect("/proc is mounted");
    let names = process.tasks().expect("own threads").flatten().filter_map(|task| task.stat().ok());
    names.filter(|stat| stat.comm.starts_with("cmwq/") && stat.comm.contains(':')).count()
}

/// RLIMIT_NPROC is reached while the runtime runs, and raised again later.
#[test]
fn no_more_threads() {
    let name = "no_more_threads";
    run(name, || {
        let prepare = Prepare::new().step(confine::unprivileged);
        in_child(name, prepare, || {
            for case in Case::ALL {
                if let Some(why) = case.missing() {
                    skip(name, format_args!("{case:?}: {why}"));
                    continue;
                }
                let runtime = case.start(1);
                let beside = Beside::start(&runtime);
                let before = limit_threads(Some(threads_of_user()));
                let crowd = Crowd::start(&runtime, 20);
                until("a thread could not be made", || {
                    runtime.metrics().thread_creation_failures() > 0
                });
                let entered = crowd.entered();
                assert!(entered < 20, "{entered} of 20 tasks run without new threads");
                crowd.finish();
                beside.progress().expect("everything goes on with the threads there are");
                limit_threads(before);
                let crowd = Crowd::start(&runtime, 20);
                until("all of them are blocked", || crowd.entered() == 20);
                beside.progress().expect("new threads can be made again");
                crowd.finish();
            }
        })
        .expect("the child starts");
    });
}

/// RLIMIT_NPROC is low from the start: the cap follows it.
#[test]
fn few_threads_from_the_start() {
    let name = "few_threads_from_the_start";
    run(name, || {
        let prepare = Prepare::new().step(confine::unprivileged);
        in_child(name, prepare, || {
            limit_threads(Some(threads_of_user() + 12));
            reaches_the_limit();
        })
        .expect("the child starts");
    });
}

/// The same by the control group's `pids.max`.
#[test]
fn control_group_of_few_threads() {
    let name = "control_group_of_few_threads";
    run(name, || {
        in_group(name, "pids", &[("pids.max", "14")], reaches_the_limit);
    });
}

//! A forked child that has not executed has none of the runtime's threads.

use cmwq::{Work, Workqueue};
use cmwq_tests::fork::{panics, panics_after_fork};
use cmwq_tests::{Case, finish, run};
use std::time::Duration;

#[test]
fn use_after_fork_panics() {
    run("use_after_fork_panics", || {
        let runtime = Case::Auto.start(1);
        finish(runtime.spawn(async {})).expect("no panic");
        panics_after_fork(|| panics(|| drop(runtime.spawn(async {}))));
        assert_eq!(finish(runtime.spawn(async { 1 })).expect("the parent goes on"), 1);
    });
}

#[test]
fn use_of_workqueues_after_fork_panics() {
    run("use_of_workqueues_after_fork_panics", || {
        let runtime = Case::Auto.start(1);
        let queue = Workqueue::builder().build_on(runtime.handle()).expect("settings agree");
        let works: [_; 3] = std::array::from_fn(|_| Work::new(|| ()));
        let builders = || {
            let any = Workqueue::builder;
            [any(), any().unbound(), any().ordered(), any().reclaim()]
        };
        let delay = Duration::from_millis(1);
        panics_after_fork(|| panics(|| works[0].queue(&queue)));
        panics_after_fork(|| panics(|| works[1].queue_delayed(&queue, delay)));
        panics_after_fork(|| panics(|| works[2].mod_delayed(&queue, delay)));
        panics_after_fork(|| {
            builders().into_iter().all(|builder| panics(|| builder.build_on(runtime.handle())))
        });
        panics_after_fork(|| {
            let _guard = runtime.enter();
            panics(cmwq::workqueue::system_unbound)
        });
        assert!(works[1].queue_delayed(&queue, delay), "the parent goes on");
        works[1].flush_blocking();
    });
}

/// All descriptors of the runtime are closed by exec.
#[test]
fn no_descriptor_is_inherited() {
    run("no_descriptor_is_inherited", || {
        let list = || {
            let output = std::process::Command::new("ls")
                .args(["-l", "/proc/self/fd"])
                .output()
                .expect("ls is installed");
            // The first line is a total, and one descriptor is that of the listing itself.
            String::from_utf8_lossy(&output.stdout).lines().count()
        };
        let before = list();
        let runtime = Case::Auto.start(1);
        runtime.block_on(async {
            let listener = cmwq::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
            let during = list();
            drop(listener);
            assert_eq!(before, during);
        });
    });
}

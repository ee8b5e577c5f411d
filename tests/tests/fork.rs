//! A forked child that has not executed has none of the runtime's threads.

use cmwq_tests::fork::{panics, panics_after_fork};
use cmwq_tests::{Case, finish, run};

#[test]
fn use_after_fork_panics() {
    run("use_after_fork_panics", || {
        let runtime = Case::Auto.start(1);
        finish(runtime.spawn(async {})).expect("no panic");
        panics_after_fork(|| panics(|| drop(runtime.spawn(async {}))));
        assert_eq!(finish(runtime.spawn(async { 1 })).expect("the parent goes on"), 1);
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

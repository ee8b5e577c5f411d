//! A forked child that has not executed has none of the runtime's threads.

use cmwq_tests::{Case, finish, run};
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};

#[test]
fn use_after_fork_panics() {
    run("use_after_fork_panics", || {
        let runtime = Case::Auto.start(1);
        finish(runtime.spawn(async {})).expect("no panic");
        // The default hook writes to stderr, whose lock another thread may hold at the fork.
        let hook = take_hook();
        set_hook(Box::new(|_| {}));
        // SAFETY: the child uses nothing but the allocator, which glibc keeps usable after a
        // fork, and leaves by `_exit`; an alarm ends it should it hang.
        let child = unsafe { libc::fork() };
        assert!(child >= 0, "fork: {}", std::io::Error::last_os_error());
        if child == 0 {
            // SAFETY: as above; the default action of the alarm ends the process.
            unsafe { libc::alarm(10) };
            let spawned = catch_unwind(AssertUnwindSafe(|| drop(runtime.spawn(async {}))));
            // SAFETY: ends the child without running anything of the parent's.
            unsafe { libc::_exit(i32::from(spawned.is_ok())) };
        }
        set_hook(hook);
        let mut status = 0;
        // SAFETY: waits for our own child; `status` outlives the call.
        let waited = unsafe { libc::waitpid(child, &mut status, 0) };
        assert_eq!(waited, child);
        assert_eq!(status, 0, "the child panics at first use, and does not hang");
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

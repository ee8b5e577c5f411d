//! `perf_event_open`, `bpf`, `membarrier` and `io_uring_setup` refused by a seccomp filter, as
//! container profiles do: in every combination everything works.

use cmwq_tests::beside::beside_block;
use cmwq_tests::child::{Prepare, in_child};
use cmwq_tests::refuse::{self, NAMES};
use cmwq_tests::{Block, Case, finish, probe, run};
use std::time::Duration;

/// A little of everything, under every detector that is left.
fn workload() {
    for case in Case::ALL {
        if case.missing().is_some() {
            let error = case.builder(1).build().map(drop).expect_err("the detector is refused");
            assert!(error.is_detector_unavailable(), "{error}");
            let text = error.to_string();
            // A filter refuses the call, the kernel for want of a capability.
            let missing: &[_] = match case {
                Case::Bpf => &["bpf(2)", "CAP_BPF"],
                _ => &["perf_event_open"],
            };
            let says = missing.iter().any(|missing| text.contains(missing));
            assert!(says, "says what is missing: {text}");
            continue;
        }
        beside_block(case, Block::pipe());
        beside_block(case, Block::sleep());
        let runtime = case.start(2);
        let tasks: Vec<_> = (0..200_usize)
            .map(|n| {
                runtime.spawn(async move {
                    if n % 10 == 0 {
                        std::thread::sleep(Duration::from_millis(2));
                    }
                    cmwq::time::sleep(Duration::from_micros(n as u64 * 10)).await;
                    cmwq::spawn(async move { n }).await.expect("no panic")
                })
            })
            .collect();
        let sum: usize = tasks.into_iter().map(|task| finish(task).expect("no panic")).sum();
        assert_eq!(sum, 199 * 200 / 2, "{case:?}");
    }
}

fn refused(name: &str, errno: i32, which: [bool; 4]) {
    run(name, || {
        let calls: Vec<i64> =
            NAMES.iter().zip(which).filter_map(|((_, nr), on)| on.then_some(*nr)).collect();
        let program = refuse::program(&calls, errno);
        let prepare = Prepare::new().step(move || refuse::install(&program));
        in_child(name, prepare, || {
            let [perf, bpf, membarrier, uring] = which;
            // The filter does what this test says.
            let refused = |result: std::io::Result<()>| {
                result.is_err_and(|e| e.raw_os_error() == Some(errno))
            };
            assert!(!perf || refused(probe::perf_event_open().map(drop)));
            assert!(!bpf || refused(probe::bpf()));
            assert!(!membarrier || refused(probe::membarrier()));
            assert!(!uring || refused(probe::io_uring_setup()));
            workload();
        })
        .expect("the child starts");
    });
}

#[test]
fn perf() {
    refused("perf", libc::EPERM, [true, false, false, false]);
}

#[test]
fn bpf() {
    refused("bpf", libc::EPERM, [false, true, false, false]);
}

#[test]
fn membarrier() {
    refused("membarrier", libc::EPERM, [false, false, true, false]);
}

#[test]
fn io_uring() {
    refused("io_uring", libc::EPERM, [false, false, false, true]);
}

#[test]
fn perf_and_membarrier() {
    refused("perf_and_membarrier", libc::EPERM, [true, false, true, false]);
}

#[test]
fn perf_and_io_uring() {
    refused("perf_and_io_uring", libc::EPERM, [true, false, false, true]);
}

#[test]
fn membarrier_and_io_uring() {
    refused("membarrier_and_io_uring", libc::EPERM, [false, false, true, true]);
}

#[test]
fn all() {
    refused("all", libc::EPERM, [true, true, true, true]);
}

/// As on a kernel that was built without them.
#[test]
fn all_missing() {
    refused("all_missing", libc::ENOSYS, [true, true, true, true]);
}

//! The bpf detector: what it needs, what it refuses, and how many programs it loads.

use cmwq::runtime::{Detector, Pin};
use cmwq_tests::beside::beside_block;
use cmwq_tests::child::{Prepare, in_child};
use cmwq_tests::{Block, Case, confine, run, skip};
use std::fs;

const PERFMON: u32 = 38;
const BPF: u32 = 39;

/// Runs `body` in a child that has taken `step`, if this process is root and the kernel has bpf.
fn confined(name: &str, step: fn() -> std::io::Result<()>, body: fn()) {
    run(name, || {
        // The child has been found fit by its parent.
        if !cmwq_tests::child::is_child() {
            if let Some(why) = Case::Bpf.missing() {
                return skip(name, why);
            }
            if !confine::is_root() {
                return skip(name, "only root can give capabilities away");
            }
        }
        in_child(name, Prepare::new().step(step), body).expect("the child starts");
    });
}

fn detects() {
    beside_block(Case::Bpf, Block::pipe());
    beside_block(Case::Bpf, Block::sleep());
    assert_eq!(Case::Bpf.start(1).metrics().detector(), "bpf");
}

/// The message of the refusal.
fn refused() -> String {
    let error = Case::Bpf.builder(1).build().map(drop).expect_err("bpf is refused");
    assert!(error.is_detector_unavailable(), "{error}");
    error.to_string()
}

fn effective_capabilities() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:")).expect("CapEff");
    u64::from_str_radix(line.trim(), 16).expect("hexadecimal")
}

#[test]
fn two_capabilities_suffice() {
    let step = || confine::only_capabilities(&[BPF, PERFMON]);
    confined("two_capabilities_suffice", step, || {
        assert_eq!(effective_capabilities(), 1 << BPF | 1 << PERFMON);
        assert!(!confine::is_root());
        detects();
    });
}

#[test]
fn without_perfmon() {
    confined(
        "without_perfmon",
        || confine::only_capabilities(&[BPF]),
        || {
            let text = refused();
            assert!(text.contains("lacks CAP_PERFMON;"), "{text}");
        },
    );
}

#[test]
fn without_bpf() {
    confined(
        "without_bpf",
        || confine::only_capabilities(&[PERFMON]),
        || {
            let text = refused();
            assert!(text.contains("lacks CAP_BPF;"), "{text}");
        },
    );
}

#[test]
fn unprivileged() {
    confined("unprivileged", confine::unprivileged, || {
        let text = refused();
        assert!(text.contains("lacks CAP_PERFMON and CAP_BPF;"), "{text}");
    });
}

/// In a container the thread ids that the process knows are not the kernel's.
#[test]
fn in_a_pid_namespace() {
    confined("in_a_pid_namespace", confine::pid_namespace, || {
        assert_eq!(std::process::id(), 1);
        detects();
    });
}

/// Only by name, and so is perf: where idle is not to be had, Auto takes the monitor.
#[test]
fn never_chosen_by_auto() {
    const NAME: &str = "never_chosen_by_auto";
    run(NAME, || {
        in_child(NAME, Prepare::new(), || {
            let runtime = Case::Unpinned.start_with(1, |builder| {
                builder.detector(Detector::Auto).pin(Pin::Never);
            });
            let metrics = runtime.metrics();
            assert_eq!(metrics.detector(), "monitor");
            assert_eq!(programs(), 0);
            let refusals = metrics.detector_refusals();
            let [("idle", reason)] = &refusals[..] else { panic!("refused: {refusals:?}") };
            assert!(reason.contains("not pinned"), "{reason}");
        })
        .expect("the child starts");
    });
}

/// Attached programs of this process, each of which is a descriptor.
fn programs() -> usize {
    let fds = fs::read_dir("/proc/self/fd").expect("/proc");
    fds.filter_map(|fd| fs::read_link(fd.expect("an entry").path()).ok())
        .filter(|target| target.to_string_lossy().contains("bpf_link"))
        .count()
}

/// One program for all runtimes, gone with the last of them.
#[test]
fn one_program() {
    const NAME: &str = "one_program";
    run(NAME, || {
        if let Some(why) = Case::Bpf.missing() {
            return skip(NAME, why);
        }
        assert_eq!(programs(), 0);
        let first = Case::Bpf.start(1);
        let second = Case::Bpf.start(2);
        assert_eq!(programs(), 1);
        // Both see their own blocks, and go on doing so when the other one has gone.
        beside_block(Case::Bpf, Block::pipe());
        drop(first);
        assert_eq!(programs(), 1);
        let Block { enter, release } = Block::pipe();
        let task = second.spawn(async move { enter() });
        cmwq_tests::until("the block is seen", || second.metrics().takeovers_count() > 0);
        release();
        cmwq_tests::finish(task).expect("no panic");
        drop(second);
        // The runtime's last thread lets go of it after it has told `drop` that it ends.
        cmwq_tests::until("the program is gone", || programs() == 0);
    });
}

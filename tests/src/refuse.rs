//! A seccomp filter that refuses system calls, as container profiles do.

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
use std::collections::BTreeMap;
use std::io;

/// The system calls that the runtime uses and container profiles refuse.
pub const NAMES: [(&str, i64); 4] = [
    ("perf_event_open", libc::SYS_perf_event_open),
    ("bpf", libc::SYS_bpf),
    ("membarrier", libc::SYS_membarrier),
    ("io_uring_setup", libc::SYS_io_uring_setup),
];

/// A program that answers these system calls with `errno` and allows all others.
///
/// # Panics
/// On a machine that is neither x86_64 nor aarch64, or when `calls` is empty.
pub fn program(calls: &[i64], errno: i32) -> BpfProgram {
    assert!(!calls.is_empty(), "a filter needs at least one system call to refuse");
    let arch = TargetArch::try_from(std::env::consts::ARCH).expect("x86_64 or aarch64");
    let rules: BTreeMap<i64, _> = calls.iter().map(|&nr| (nr, Vec::new())).collect();
    let refuse = SeccompAction::Errno(errno as u32);
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch)
        .expect("the two actions differ")
        .try_into()
        .expect("a handful of rules is a legal program")
}

/// Installs the program for this thread and everything that it starts.
///
/// # Errors
/// What the kernel says. Without seccomp in the kernel this is EINVAL.
pub fn install(program: &BpfProgram) -> io::Result<()> {
    seccompiler::apply_filter(program).map_err(|e| match e {
        seccompiler::Error::Prctl(e) | seccompiler::Error::Seccomp(e) => e,
        // No formatting: this runs between fork and exec.
        _ => io::ErrorKind::InvalidInput.into(),
    })
}

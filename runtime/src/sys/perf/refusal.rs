//! What to do where the kernel refuses the ring.

use std::fs;
use std::io;

/// `kernel.perf_event_paranoid`: up to 2 a process may watch its own threads; Debian and Ubuntu
/// know 3 and 4, which forbid it. `None` if the kernel has no perf or `/proc` is not mounted.
pub(super) fn paranoid_level() -> Option<i32> {
    fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").ok()?.trim().parse().ok()
}

/// Adds to a refusal by `perf_event_open` why, and what helps.
pub(super) fn explain_open(tid: i32, error: io::Error) -> io::Error {
    let missing = error.raw_os_error() == Some(libc::ENOSYS);
    if !missing && error.kind() != io::ErrorKind::PermissionDenied {
        return error;
    }
    let why = match paranoid_level() {
        _ if missing => "this kernel or container has no perf_event_open".to_owned(),
        Some(level) if level > 2 => format!(
            "kernel.perf_event_paranoid is {level}; set it to 2 or lower, or give the process \
             CAP_PERFMON"
        ),
        _ => "a seccomp filter or security module refuses it; allow perf_event_open in the \
              container's profile"
            .to_owned(),
    };
    let message = format!("cannot record the context switches of thread {tid}: {error}: {why}");
    io::Error::new(error.kind(), message)
}

/// The same for `mmap` of the ring.
pub(super) fn explain_mmap(tid: i32, error: io::Error) -> io::Error {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return error;
    }
    let message = format!(
        "cannot map the ring for the context switches of thread {tid}: {error}: the locked-memory \
         limit is used up; raise RLIMIT_MEMLOCK or kernel.perf_event_mlock_kb"
    );
    io::Error::new(error.kind(), message)
}

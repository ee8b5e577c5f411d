//! What to do where the kernel refuses the hook.

use std::fs;
use std::io;

/// Capabilities that bpf(2) asks for, by their numbers.
const NEEDED: [(&str, u32); 2] = [("CAP_PERFMON", 38), ("CAP_BPF", 39)];
/// Stands for both.
const CAP_SYS_ADMIN: u32 = 21;

/// Adds to an error what was tried, and, to a refusal, why and what helps.
pub(super) fn explain(what: &str, error: io::Error) -> io::Error {
    let why = match error.kind() {
        _ if error.raw_os_error() == Some(libc::ENOSYS) => {
            ": this kernel or container has no bpf(2)".to_owned()
        }
        io::ErrorKind::PermissionDenied => format!(": {}", reason(effective())),
        _ => String::new(),
    };
    io::Error::new(error.kind(), format!("cannot {what}: {error}{why}"))
}

/// The effective capabilities; `None` without `/proc`.
fn effective() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

fn reason(effective: Option<u64>) -> String {
    let has = |number: u32| effective.is_none_or(|bits| bits & 1 << number != 0);
    let missing: Vec<&str> =
        NEEDED.iter().filter(|(_, number)| !has(*number)).map(|(name, _)| *name).collect();
    if missing.is_empty() || has(CAP_SYS_ADMIN) {
        return "a seccomp filter or security module refuses bpf(2), or the process lives in a user \
                namespace, where capabilities do not count for it"
            .to_owned();
    }
    let missing = missing.join(" and ");
    format!("the process lacks {missing}; in Docker: --cap-add BPF --cap-add PERFMON")
}

pub(super) fn explain_btf(error: io::Error) -> io::Error {
    let message = format!(
        "cannot read /sys/kernel/btf/vmlinux: {error}: the kernel was built without \
         CONFIG_DEBUG_INFO_BTF, or the container hides /sys"
    );
    io::Error::new(error.kind(), message)
}

pub(super) fn explain_site() -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        "the kernel's sched_switch tracepoint does not tell why a task leaves; Linux 5.18 does",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_is_missing() {
        let both = reason(Some(0));
        assert!(both.contains("CAP_PERFMON and CAP_BPF"), "{both}");
        let one = reason(Some(1 << 39));
        assert!(one.contains("CAP_PERFMON") && !one.contains("CAP_BPF"), "{one}");
        for all in [Some(1 << 38 | 1 << 39), Some(1 << CAP_SYS_ADMIN), None] {
            let other = reason(all);
            assert!(other.contains("seccomp") && !other.contains("lacks"), "{other}");
        }
    }

    #[test]
    fn other_errors_stay_what_they_are() {
        let error = explain("load its program", io::Error::from_raw_os_error(libc::ENOMEM));
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
        assert!(error.to_string().starts_with("cannot load its program: "), "{error}");
    }
}

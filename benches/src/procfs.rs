//! What /proc tells about a process.

use std::fs;

use crate::Result;

/// Anonymous memory in KiB, from `smaps_rollup`.
pub fn anonymous_kib(pid: u32) -> Result<u64> {
    field(&format!("/proc/{pid}/smaps_rollup"), "Anonymous:")
}

/// Threads now.
pub fn threads(pid: u32) -> Result<u64> {
    field(&format!("/proc/{pid}/status"), "Threads:")
}

/// Context switches of all threads so far, voluntary or not: each wakeup of a thread is one.
pub fn switches(pid: u32) -> Result<u64> {
    let mut sum = 0;
    let tasks = format!("/proc/{pid}/task");
    for task in fs::read_dir(&tasks).map_err(|error| format!("cannot read {tasks} ({error})"))? {
        let status = task?.path().join("status");
        let status = status.to_string_lossy();
        sum += field(&status, "voluntary_ctxt_switches:")?;
        sum += field(&status, "nonvoluntary_ctxt_switches:")?;
    }
    Ok(sum)
}

fn field(path: &str, name: &str) -> Result<u64> {
    let text = fs::read_to_string(path).map_err(|error| format!("cannot read {path} ({error})"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| format!("{path} has no line `{name}` with a number").into())
}

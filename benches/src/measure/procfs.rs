//! What /proc tells about a process.

use std::{fs, time::Duration};

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
        // A thread may have ended meanwhile.
        let Ok(text) = fs::read_to_string(status) else { continue };
        sum += number(&text, "voluntary_ctxt_switches:").unwrap_or(0);
        sum += number(&text, "nonvoluntary_ctxt_switches:").unwrap_or(0);
    }
    Ok(sum)
}

/// CPU time of all threads that live now.
pub fn cpu(pid: u32) -> Result<Duration> {
    let mut sum = 0;
    let tasks = format!("/proc/{pid}/task");
    for task in fs::read_dir(&tasks).map_err(|error| format!("cannot read {tasks} ({error})"))? {
        // A thread may have ended meanwhile.
        let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
        let nanoseconds = text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
        sum += nanoseconds.ok_or_else(|| format!("{tasks}: schedstat has no number"))?;
    }
    Ok(Duration::from_nanos(sum))
}

fn field(path: &str, name: &str) -> Result<u64> {
    let text = fs::read_to_string(path).map_err(|error| format!("cannot read {path} ({error})"))?;
    number(&text, name).ok_or_else(|| format!("{path} has no line `{name}` with a number").into())
}

fn number(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

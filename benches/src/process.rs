//! What /proc tells about a process.

use procfs::process::Process;

use crate::Result;

/// Anonymous memory in KiB.
pub fn anonymous_kib(pid: u32) -> Result<u64> {
    let rollup = open(pid)?.smaps_rollup()?.memory_map_rollup;
    let bytes = rollup.iter().find_map(|map| map.extension.map.get("Anonymous"));
    let bytes = bytes.ok_or_else(|| format!("smaps_rollup of {pid} has no line `Anonymous`"))?;
    Ok(bytes / 1024)
}

/// Threads now.
pub fn threads(pid: u32) -> Result<u64> {
    Ok(open(pid)?.status()?.threads)
}

/// Context switches of all threads so far, voluntary or not: each wakeup of a thread is one.
pub fn switches(pid: u32) -> Result<u64> {
    let mut sum = 0;
    for task in open(pid)?.tasks()? {
        let status = task?.status()?;
        let counts = [status.voluntary_ctxt_switches, status.nonvoluntary_ctxt_switches];
        sum += counts.into_iter().flatten().sum::<u64>();
    }
    Ok(sum)
}

fn open(pid: u32) -> Result<Process> {
    Ok(Process::new(pid.try_into()?)?)
}

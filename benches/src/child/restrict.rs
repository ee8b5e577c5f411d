//! Giving up privileges: the column `unprivileged`.

use std::collections::BTreeMap;

use rustix::{
    process::{DumpableBehavior, Gid, Uid, getuid, set_dumpable_behavior},
    thread::{set_thread_gid, set_thread_groups, set_thread_uid},
};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

use crate::Result;

const NOBODY: u32 = 65534;

/// Makes the calling thread, and all that it starts, user nobody where it is root, and has
/// `perf_event_open` and `bpf` fail with EACCES. Called before there are other threads.
pub fn become_unprivileged() -> Result<()> {
    drop_user().map_err(|error| format!("cannot become user nobody ({error})"))?;
    refuse_perf().map_err(|error| format!("cannot refuse perf_event_open ({error})").into())
}

fn drop_user() -> rustix::io::Result<()> {
    if !getuid().is_root() {
        return Ok(());
    }
    set_thread_groups(&[])?;
    set_thread_gid(Gid::from_raw(NOBODY))?;
    set_thread_uid(Uid::from_raw(NOBODY))?;
    // A change of user takes a process's /proc/self away from it, which an unprivileged process
    // that started as one has.
    set_dumpable_behavior(DumpableBehavior::Dumpable)
}

fn refuse_perf() -> Result<()> {
    let refused = BTreeMap::from([(libc::SYS_perf_event_open, vec![]), (libc::SYS_bpf, vec![])]);
    let filter = SeccompFilter::new(
        refused,
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EACCES as u32),
        std::env::consts::ARCH.try_into()?,
    )?;
    seccompiler::apply_filter(&BpfProgram::try_from(filter)?)?;
    Ok(())
}

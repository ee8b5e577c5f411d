//! Runs a command with system calls refused, as in a container with a strict profile:
//!
//! ```text
//! refuse perf_event_open,bpf,membarrier,io_uring_setup COMMAND [ARGUMENT...]
//! ```

use cmwq_tests::refuse;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let message = run();
    eprintln!("refuse: {message}");
    ExitCode::from(125)
}

/// Returns only to say why the command was not started.
fn run() -> String {
    let known = refuse::NAMES.map(|(name, _)| name).join(",");
    let mut args = std::env::args_os().skip(1);
    let (Some(names), Some(command)) = (args.next(), args.next()) else {
        return format!("usage: refuse NAME[,NAME...] COMMAND [ARGUMENT...]; names: {known}");
    };
    let mut calls = Vec::new();
    for name in names.to_string_lossy().split(',') {
        match refuse::NAMES.iter().find(|(known, _)| *known == name) {
            Some((_, nr)) => calls.push(*nr),
            None => return format!("unknown system call {name:?}; names: {known}"),
        }
    }
    if let Err(e) = refuse::install(&refuse::program(&calls, libc::EPERM)) {
        return format!("the kernel refuses the filter: {e}");
    }
    let error = Command::new(&command).args(args).exec();
    format!("cannot run {}: {error}", command.to_string_lossy())
}

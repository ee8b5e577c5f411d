//! Ctrl-C: take the folder away, then end.

use std::{fs, io, path::PathBuf, process, thread};

/// What a shell expects of a program that SIGINT ended.
const INTERRUPTED: i32 = 128 + 2;

/// From now on Ctrl-C removes `folder` before it ends the program. The server processes get the
/// signal too.
pub fn removes(folder: PathBuf) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("interrupt".into()).spawn(move || {
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            // What cannot be removed stays; there is nobody left to tell.
            let _ = fs::remove_dir_all(folder);
            process::exit(INTERRUPTED);
        }
    })?;
    Ok(())
}

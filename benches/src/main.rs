//! The program: see the library.

use std::process::ExitCode;

use cmwq_benches::{child, cli};

fn main() -> ExitCode {
    let done = match child::job() {
        Some(job) => job.and_then(child::run),
        None => cli::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cmwq-benches: {error}");
            ExitCode::FAILURE
        }
    }
}

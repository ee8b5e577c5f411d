//! One blocking call, three runtimes: what do the others notice?
//!
//! An HTTP/1.1 server (hyper) answers `/ping` at once, and four more paths by calls that block the
//! thread: a query that reads a SQLite table from disk, an insert that waits for the disk to have
//! it, a file read, a request to a slow neighbour over a blocking socket. Beside them, tasks of the
//! same runtime sleep 1 ms at a time and note how late they woke. The same server runs as
//!
//! 1. tokio, blocking calls in the tasks;
//! 2. tokio, blocking calls in `spawn_blocking`;
//! 3. cmwq, blocking calls in the tasks.
//!
//! How it is measured:
//!
//! - Each server is a child process of this program ([`server`]), so that its CPU time and its
//!   threads are its own and nothing of one variant outlives its round. The load comes from this
//!   process over loopback ([`load`]), the slow neighbour ([`upstream`]) lives here too.
//! - Variants take turns in short rounds; a machine that gets slower for a while hits all of them.
//! - A ping that could not be sent on time, because the answer to the one before was late, is
//!   counted from the time at which it should have been sent.
//! - Nothing spins to look like work, and the variants share every line but those that make them
//!   variants ([`platform`]).

mod args;
mod chart;
mod child;
mod client;
mod data;
mod interrupt;
mod load;
mod measure;
mod platform;
mod pool;
mod progress;
mod protocol;
mod report;
mod rounds;
mod server;
mod service;
mod store;
mod upstream;
mod variant;

use std::process::ExitCode;

use args::{Args, Role};
use clap::Parser;

/// Errors that only ever end the program: the message says it all.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
/// Of the whole program.
pub type Result<T, E = Error> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.role {
        Some(Role::Serve(serve)) => server::run(serve).map(|()| ExitCode::SUCCESS),
        None => rounds::run(&args),
    };
    done.unwrap_or_else(|error| {
        eprintln!("stall: {error}");
        ExitCode::FAILURE
    })
}

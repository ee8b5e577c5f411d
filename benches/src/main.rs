//! The same work on cmwq and on tokio, in tables.
//!
//! `cargo run --release -p cmwq-benches -- CASE`; without a case it lists them. A case is one file
//! in [`cases`] that implements [`Case`](case::Case) and stands in the list there; the folder's
//! README says what each one does and what was measured.
//!
//! How it is measured: everything that is compared runs in turns (one run of each, then the next
//! run of each), because machines get faster and slower over minutes. A table shows the median of
//! the runs with the smallest and the largest; a ratio is the median of the ratios run by run, so
//! that both sides of each saw the same machine.

mod alloc;
mod case;
mod cases;
mod child;
mod process;
mod stats;
mod subject;
mod table;

use std::process::ExitCode;

use case::Options;
use clap::{Arg, ArgAction, Command, value_parser};

/// Errors that only ever end the program: the message says it all.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
/// Of the whole program.
pub type Result<T, E = Error> = std::result::Result<T, E>;

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

fn main() -> ExitCode {
    let done = match child::role() {
        Some(role) => role.and_then(child::run),
        None => run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cmwq-benches: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let matches = command().get_matches();
    let options = Options {
        quick: matches.get_flag("quick"),
        runs: matches.get_one::<u64>("runs").copied().unwrap_or(5) as usize,
        cores: match matches.get_one::<u64>("cores") {
            Some(n) => *n as usize,
            None => std::thread::available_parallelism()?.get(),
        },
    };
    match matches.subcommand() {
        Some(("all", _)) => cases::ALL.iter().try_for_each(|case| case::run(*case, &options)),
        Some((name, _)) => {
            let case = cases::ALL.iter().find(|case| case.name() == name);
            case::run(*case.expect("the subcommands are the cases"), &options)
        }
        None => unreachable!("a subcommand is required"),
    }
}

fn command() -> Command {
    let number = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("N")
            .value_parser(value_parser!(u64).range(1..=64))
            .help(help)
    };
    Command::new("cmwq-benches")
        .about("The same work on cmwq and on tokio, in tables")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .arg(
            Arg::new("quick")
                .long("quick")
                .action(ArgAction::SetTrue)
                .global(true)
                .help("Shorter runs: to see that it works, not for figures"),
        )
        .arg(number("runs", "Interleaved runs, 1 to 64 [default: 5]").global(true))
        .arg(
            number("cores", "Worker threads, for cmwq cores [default: the CPUs of this process]")
                .global(true),
        )
        .subcommand(Command::new("all").about("Every case, one after the other"))
        .subcommands(cases::ALL.iter().map(|case| Command::new(case.name()).about(case.about())))
}

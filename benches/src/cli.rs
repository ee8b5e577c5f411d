//! The command line.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::{
    Result,
    case::{Case, Settings},
    cases,
    contender::Contender,
    instructions,
    report::{self, Report},
    runner,
};

/// What was asked for.
pub struct Options {
    pub settings: Settings,
    /// Runs of each contender.
    pub runs: usize,
    /// The cases that are wanted; in their order.
    pub cases: Vec<&'static dyn Case>,
    /// Only rows with this in their name.
    pub rows: String,
    /// The runtimes that are wanted.
    pub runtimes: Vec<&'static str>,
    /// Where results and charts go.
    pub folder: PathBuf,
    pub instructions: bool,
}

/// Parses, measures, reports.
pub fn run() -> Result<()> {
    let options = options(&command().get_matches())?;
    if options.instructions {
        return instructions::report(&options);
    }
    let results = runner::run(&options)?;
    let report = Report::new(&options, results);
    report::terminal::print(&report);
    report.write(&options.folder)
}

fn options(matches: &ArgMatches) -> Result<Options> {
    let cores = match matches.get_one::<u64>("cores") {
        Some(n) => *n as usize,
        None => std::thread::available_parallelism()?.get(),
    };
    let quick = matches.get_flag("quick");
    let number = matches.get_one::<u64>("runs").map(|n| *n as usize);
    let words: Vec<&String> = matches.get_many("what").into_iter().flatten().collect();
    let has = |name: &str| words.iter().any(|word| *word == name);
    let mut wanted: Vec<_> = cases::ALL.into_iter().filter(|case| has(case.name())).collect();
    if wanted.is_empty() {
        wanted = cases::ALL.into();
    }
    let mut runtimes = runtimes();
    if runtimes.iter().any(|name| has(name)) {
        runtimes.retain(|name| has(name));
    }
    Ok(Options {
        settings: Settings { quick, cores },
        runs: number.unwrap_or(if quick { 1 } else { 5 }),
        cases: wanted,
        rows: matches.get_one::<String>("rows").cloned().unwrap_or_default(),
        runtimes,
        folder: matches.get_one::<PathBuf>("out").expect("it has a default").clone(),
        instructions: matches.get_flag("instructions"),
    })
}

fn runtimes() -> Vec<&'static str> {
    let mut names: Vec<_> = Contender::ALL.iter().map(|it| it.runtime()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn command() -> Command {
    let number = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("N")
            .value_parser(value_parser!(u64).range(1..=64))
            .help(help)
    };
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    let names: Vec<_> = cases::ALL.iter().map(|case| case.name()).chain(runtimes()).collect();
    let cases = cases::ALL.iter().map(|case| format!("  {:10}  {}\n", case.name(), case.about()));
    Command::new("cmwq-benches")
        .about("The same work on cmwq and on its rivals, in one run")
        .after_help(format!("Cases:\n{}", cases.collect::<String>()))
        .arg(
            Arg::new("what")
                .value_name("CASE|RUNTIME")
                .num_args(0..)
                .value_parser(names)
                .help("Only these cases, only these runtimes [default: all]"),
        )
        .arg(flag("quick", "Shorter runs, one of each: to see that it works, not for figures"))
        .arg(number("runs", "Runs of each contender, in turns [default: 5, quick: 1]"))
        .arg(number("cores", "Worker threads, for cmwq cores [default: the CPUs of this process]"))
        .arg(flag(
            "instructions",
            "Instructions per spawn, wake and yield instead of times; wants valgrind",
        ))
        .arg(
            Arg::new("rows")
                .long("rows")
                .value_name("TEXT")
                .help("Only rows with this in their name"),
        )
        .arg(
            Arg::new("out")
                .long("out")
                .value_name("FOLDER")
                .value_parser(value_parser!(PathBuf))
                .default_value("target/cmwq-benches")
                .help("For results.json, results.md and the charts"),
        )
}

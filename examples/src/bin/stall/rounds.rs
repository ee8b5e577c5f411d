//! The measuring process: rounds of all variants, then the report.

use std::{
    net::SocketAddr,
    path::Path,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use crate::{
    Result,
    args::{Args, Plan},
    chart,
    child::Server,
    data::Data,
    interrupt,
    load::{Load, Seen, Window},
    measure::Latencies,
    progress::Progress,
    report, upstream,
    variant::Variant,
};

/// How often the threads of the server are counted.
const LOOK: Duration = Duration::from_millis(25);

/// One variant, all rounds.
pub struct Outcome {
    pub variant: Variant,
    pub seen: Seen,
    pub lateness: Latencies,
    pub cpu: Duration,
    /// Length of all windows together.
    pub measured: Duration,
    pub peak_threads: usize,
    pub note: String,
}

/// Runs everything, prints the table, writes the chart. The exit code is 1 when a request failed.
pub fn run(args: &Args) -> Result<ExitCode> {
    let plan = args.plan()?;
    // Now rather than after the measurement.
    chart::check_writable(&args.svg)?;
    let data = Data::create(args.dir.as_deref())?;
    interrupt::removes(data.path().to_path_buf())?;
    let upstream = upstream::start(Duration::from_millis(args.upstream_ms))?;
    let mut outcomes = Variant::ALL.map(|variant| Outcome {
        variant,
        seen: Seen::new(),
        lateness: Latencies::new(),
        cpu: Duration::ZERO,
        measured: Duration::ZERO,
        peak_threads: 0,
        note: String::new(),
    });

    let progress =
        Progress::new((plan.warm_up + plan.measured) * plan.rounds * Variant::ALL.len() as u32);
    for round in 0..plan.rounds as usize {
        for turn in 0..outcomes.len() {
            // Another one begins each round.
            let outcome = &mut outcomes[(round + turn) % Variant::ALL.len()];
            progress.say(format!("round {} of {}: {}", round + 1, plan.rounds, outcome.variant));
            one_round(outcome, &plan, data.path(), upstream, &progress)?;
        }
    }
    progress.finish();

    report::print(&outcomes, &plan, data.in_memory());
    chart::write(&args.svg, &outcomes)?;
    println!("chart: {}", args.svg.display());
    let failed = outcomes.iter().any(|outcome| outcome.seen.errors > 0);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn one_round(
    outcome: &mut Outcome,
    plan: &Plan,
    data: &Path,
    upstream: SocketAddr,
    progress: &Progress,
) -> Result<()> {
    let mut server = Server::start(outcome.variant, plan.workers, data, upstream)?;
    let start = Instant::now() + plan.warm_up;
    let window = Window { start, end: start + plan.measured };
    let load = Load::start(server.address, plan.clients, window)?;

    thread::sleep(start.saturating_duration_since(Instant::now()));
    progress.advance(plan.warm_up);
    server.start_measuring()?;
    while Instant::now() < window.end {
        outcome.peak_threads = outcome.peak_threads.max(server.threads().unwrap_or(0));
        thread::sleep(LOOK.min(window.end.saturating_duration_since(Instant::now())));
        progress.advance(LOOK);
    }
    let report = server.stop_measuring()?;
    outcome.seen.add(load.finish()?);

    outcome.lateness.add(&report.lateness);
    outcome.cpu += report.cpu;
    outcome.measured += plan.measured;
    outcome.note = report.note;
    Ok(())
}

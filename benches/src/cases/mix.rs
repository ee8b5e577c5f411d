//! Tickers beside tasks that block: the figure that the project is about.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use cmwq::runtime::Detector;
use hdrhistogram::Histogram;

use crate::{
    Result,
    case::{Case, Options},
    stats::{Runs, histogram, us},
    subject::{Runtime, Subject, on},
    table::{self, Limit, held},
};

const TICKERS: usize = 8;
const TICK: Duration = Duration::from_millis(1);
const BLOCKERS: usize = 4;
const BLOCK: Duration = Duration::from_millis(20);
const PAUSE: Duration = Duration::from_millis(5);

pub struct Mix;

impl Case for Mix {
    fn name(&self) -> &'static str {
        "mix"
    }

    fn about(&self) -> &'static str {
        "8 tickers of 1 ms beside 4 tasks that block for 20 ms, then sleep 5 ms"
    }

    fn run(&self, options: &Options) -> Result<()> {
        let length = options.pick(Duration::from_secs(3), Duration::from_secs(1));
        let subjects = Subject::available(&Subject::ALL);
        let mut results: Vec<_> = subjects.iter().map(|_| Results::default()).collect();
        for run in 0..options.runs {
            eprintln!("run {} of {}", run + 1, options.runs);
            for (subject, results) in subjects.iter().zip(&mut results) {
                results.mixed.push(on!(*subject, measure(options.cores, BLOCKERS, length))?);
                results.alone.push(on!(*subject, measure(options.cores, 0, length))?);
            }
        }

        println!(
            "{} cores, {length:?}, {} runs: median (smallest..largest); lateness of the tickers in us",
            options.cores, options.runs
        );
        table::print(
            ["", "late p50", "late p99", "p99 / p99 alone", "blocking calls"],
            subjects.iter().zip(&results).map(|(subject, results)| {
                let limits = Limits::of(*subject, length);
                let Sides { p50, p99, calls } = &results.mixed;
                let ratio = p99.ratio(&results.alone.p99);
                [
                    subject.to_string(),
                    held(p50.show(0), p50.median(), limits.p50),
                    held(p99.show(0), p99.median(), limits.p99),
                    held(ratio.show(2), ratio.median(), limits.ratio),
                    held(calls.show(0), calls.median(), limits.calls),
                ]
            }),
        );
        println!("The same tickers alone:");
        table::print(
            ["", "late p50", "late p99"],
            subjects.iter().zip(&results).map(|(subject, results)| {
                let (p50, p99) = (&results.alone.p50, &results.alone.p99);
                let (low, high) = alone_limits(*subject);
                [
                    subject.to_string(),
                    held(p50.show(0), p50.median(), low),
                    held(p99.show(0), p99.median(), high),
                ]
            }),
        );
        Ok(())
    }
}

#[derive(Default)]
struct Results {
    mixed: Sides,
    alone: Sides,
}

/// Microseconds and calls, run by run.
#[derive(Default)]
struct Sides {
    p50: Runs,
    p99: Runs,
    calls: Runs,
}

impl Sides {
    fn push(&mut self, (lateness, calls): (Histogram<u64>, u64)) {
        self.p50.push(us(&lateness, 0.5));
        self.p99.push(us(&lateness, 0.99));
        self.calls.push(calls as f64);
    }
}

/// What the project promises.
struct Limits {
    p50: Limit,
    p99: Limit,
    ratio: Limit,
    calls: Limit,
}

impl Limits {
    fn of(subject: Subject, length: Duration) -> Limits {
        // Of the 480 calls that fit into 3 s.
        let part = length.as_secs_f64() / 3.0;
        let calls = |n: f64| Limit::AtLeast((n * part).floor());
        match subject {
            Subject::Cmwq(Detector::Idle | Detector::Perf) => Limits {
                p50: Limit::AtMost(45.0),
                p99: Limit::AtMost(150.0),
                ratio: Limit::AtMost(1.3),
                calls: calls(475.0),
            },
            Subject::Cmwq(Detector::Monitor) => Limits {
                p50: Limit::AtMost(120.0),
                p99: Limit::AtMost(1000.0),
                ratio: Limit::None,
                calls: calls(465.0),
            },
            _ => Limits {
                p50: Limit::None,
                p99: Limit::None,
                ratio: Limit::None,
                calls: Limit::None,
            },
        }
    }
}

/// Median and p99 of tickers that nothing blocks.
pub fn alone_limits(subject: Subject) -> (Limit, Limit) {
    match subject {
        Subject::Tokio => (Limit::None, Limit::None),
        Subject::Cmwq(_) => (Limit::AtMost(35.0), Limit::AtMost(200.0)),
    }
}

/// One run: the lateness of all tickers and the number of blocking calls that began within it.
pub fn measure<R: Runtime>(
    subject: Subject,
    cores: usize,
    blockers: usize,
    length: Duration,
) -> Result<(Histogram<u64>, u64)> {
    let runtime = R::start(subject, cores)?;
    let shared = Arc::new(Shared {
        stop: AtomicBool::new(false),
        calls: AtomicU64::new(0),
        lateness: Mutex::new(histogram()),
    });
    runtime.block_on(async {
        for _ in 0..TICKERS {
            drop(R::spawn(ticker::<R>(shared.clone())));
        }
        for _ in 0..blockers {
            drop(R::spawn(blocker::<R>(shared.clone())));
        }
    });
    thread::sleep(length);
    shared.stop.store(true, Relaxed);
    // Long enough for the last blocks to end and every ticker to hand in what it saw.
    thread::sleep(Duration::from_millis(200));
    let calls = shared.calls.load(Relaxed);
    runtime.stop();
    let lateness = shared.lateness.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Ok((lateness, calls))
}

struct Shared {
    stop: AtomicBool,
    calls: AtomicU64,
    lateness: Mutex<Histogram<u64>>,
}

async fn ticker<R: Runtime>(shared: Arc<Shared>) {
    let mut lateness = histogram();
    while !shared.stop.load(Relaxed) {
        let before = Instant::now();
        R::sleep(TICK).await;
        lateness.saturating_record(before.elapsed().saturating_sub(TICK).as_nanos() as u64);
    }
    let mut all = shared.lateness.lock().unwrap_or_else(PoisonError::into_inner);
    all.add(lateness).expect("all have the same bounds");
}

async fn blocker<R: Runtime>(shared: Arc<Shared>) {
    while !shared.stop.load(Relaxed) {
        thread::sleep(BLOCK);
        shared.calls.fetch_add(1, Relaxed);
        R::sleep(PAUSE).await;
    }
}

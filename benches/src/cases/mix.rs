//! Tickers beside tasks that block: the figure that the project is about.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;

use crate::{
    Result,
    blocks::{self, Way},
    case::{Case, Figure, Limit, Row, Sample, Settings},
    contender::Contender::{self, *},
    measure::stats::{histogram, us},
    on,
    runtimes::Runtime,
};

const TICKERS: usize = 8;
const TICK: Duration = Duration::from_millis(1);
const BLOCKERS: usize = 4;
const BLOCK: Duration = Duration::from_millis(20);
const PAUSE: Duration = Duration::from_millis(5);

const P50: Figure = Figure::less("ticker late p50, us");
const P99: Figure = Figure::less("ticker late p99, us");
/// Of the same tickers without blockers, in the same process just before.
const ALONE: Figure = Figure::less("alone late p99, us");
const OVER_ALONE: Figure = Figure::less("p99 / p99 alone");
const CALLS: Figure = Figure::more("blocking calls");

pub struct Mix;

impl Case for Mix {
    fn name(&self) -> &'static str {
        "mix"
    }

    fn about(&self) -> &'static str {
        "8 tickers of 1 ms beside 4 tasks that block for 20 ms, then sleep 5 ms"
    }

    fn rows(&self, settings: &Settings) -> Vec<Row> {
        // Of the 480 calls that fit into 3 s.
        let calls = |n: f64| Limit::AtLeast((n * length(settings).as_secs_f64() / 3.0).floor());
        let mut row =
            Row::new("4 x 20 ms", &[P50, P99, ALONE, OVER_ALONE, CALLS], |contender, settings| {
                match contender {
                    Go => blocks::go("mix", BLOCKERS, BLOCK, length(settings)).map(|figures| {
                        Sample::default()
                            .with(P50, figures.ticker_p50)
                            .with(P99, figures.ticker_p99)
                            .with(CALLS, figures.calls)
                    }),
                    _ => on!(contender, measure(settings)),
                }
            })
            .contenders([
                Tokio,
                TokioSpawnBlocking,
                Cmwq,
                CmwqUnprivileged,
                CmwqIdle,
                CmwqPerf,
                CmwqMonitor,
                Go,
            ])
            .ratio(P99, Tokio, Limit::AtMost(1.0 / 150.0))
            .ratio(P99, TokioSpawnBlocking, Limit::AtMost(0.5))
            .ratio(P99, Go, Limit::AtMost(0.5));
        for ours in [Cmwq, CmwqUnprivileged, CmwqIdle, CmwqPerf] {
            row = row
                .value(P50, ours, Limit::AtMost(45.0))
                .value(P99, ours, Limit::AtMost(150.0))
                .value(OVER_ALONE, ours, Limit::AtMost(1.3))
                .value(CALLS, ours, calls(475.0));
        }
        vec![
            row.value(P50, CmwqMonitor, Limit::AtMost(120.0))
                .value(P99, CmwqMonitor, Limit::AtMost(1000.0))
                .value(CALLS, CmwqMonitor, calls(465.0)),
        ]
    }
}

fn length(settings: &Settings) -> Duration {
    settings.pick(Duration::from_secs(3), Duration::from_millis(600))
}

fn measure<R: Runtime>(contender: Contender, settings: &Settings) -> Result<Sample> {
    let (alone, _) = lateness::<R>(contender, settings.cores, 0, length(settings))?;
    let (lateness, calls) = lateness::<R>(contender, settings.cores, BLOCKERS, length(settings))?;
    let (p99, alone) = (us(&lateness, 0.99), us(&alone, 0.99));
    Ok(Sample::default()
        .with(P50, us(&lateness, 0.5))
        .with(P99, p99)
        .with(ALONE, alone)
        .with(OVER_ALONE, p99 / alone)
        .with(CALLS, calls as f64))
}

/// One run: the lateness of all tickers and the number of blocking calls that began within it.
pub fn lateness<R: Runtime>(
    contender: Contender,
    cores: usize,
    blockers: usize,
    length: Duration,
) -> Result<(Histogram<u64>, u64)> {
    let runtime = R::start(contender, cores)?;
    let shared = Arc::new(Shared {
        stop: AtomicBool::new(false),
        calls: AtomicU64::new(0),
        lateness: Mutex::new(histogram()),
    });
    let way = Way::of(contender);
    runtime.block_on(async {
        for _ in 0..TICKERS {
            R::detach(ticker::<R>(shared.clone()));
        }
        for _ in 0..blockers {
            R::detach(blocker::<R>(shared.clone(), way));
        }
    });
    thread::sleep(length);
    shared.stop.store(true, Relaxed);
    // Long enough for the last blocks to end and every ticker to hand in what it saw.
    thread::sleep(Duration::from_millis(200));
    let calls = shared.calls.load(Relaxed);
    runtime.stop();
    let lateness = shared.lateness.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match lateness.len() {
        0 => Err("no ticker ticked".into()),
        _ => Ok((lateness, calls)),
    }
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

async fn blocker<R: Runtime>(shared: Arc<Shared>, way: Way) {
    while !shared.stop.load(Relaxed) {
        way.block::<R>(BLOCK).await;
        shared.calls.fetch_add(1, Relaxed);
        R::sleep(PAUSE).await;
    }
}

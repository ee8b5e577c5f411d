//! How many timers a second, and how late are they when nothing is in their way?

use std::time::{Duration, Instant};

use super::mix;
use crate::{
    Result,
    case::{Case, Figure, Limit, PER_SECOND, Row, Sample, Settings},
    child::measured::finish,
    contender::Contender,
    measure::stats::us,
    micro::{
        Micro, inside,
        timers::{InsertCancel, Sleeps},
    },
    on,
    runtimes::Runtime,
};

const P50: Figure = Figure::less("late p50, us");
const P99: Figure = Figure::less("late p99, us");
const LATE: Figure = Figure::less("late, us");

/// Timers that are due within the same second.
const MANY: usize = 10_000;

pub struct Timers;

impl Case for Timers {
    fn name(&self) -> &'static str {
        "timers"
    }

    fn about(&self) -> &'static str {
        "100,000 sleeps; insert and cancel; lateness of tickers, of a long sleep, of 10,000 sleeps"
    }

    fn rows(&self, _: &Settings) -> Vec<Row> {
        let promised = |row: Row, bound| {
            row.ratio(PER_SECOND, Contender::Tokio, Limit::AtLeast(bound))
                .ratio(PER_SECOND, Contender::Smol, Limit::AtLeast(1.2))
                .ratio(PER_SECOND, Contender::CmwqOff, Limit::AtLeast(0.95))
        };
        let mut tickers = Row::new("8 tickers of 1 ms", &[P50, P99], |contender, settings| {
            on!(contender, tickers(settings))
        });
        for ours in [Contender::Cmwq, Contender::CmwqUnprivileged] {
            tickers = tickers.value(P50, ours, Limit::AtMost(35.0)).value(
                P99,
                ours,
                Limit::AtMost(200.0),
            );
        }
        vec![
            promised(Sleeps.row(), 1.5),
            promised(InsertCancel.row(), 1.0),
            tickers,
            Row::new("one long sleep", &[LATE], |contender, settings| {
                on!(contender, long(settings))
            })
            .value(LATE, Contender::Cmwq, Limit::AtMost(200.0)),
            Row::new("10,000 sleeps within a second, mean", &[LATE], |contender, settings| {
                on!(contender, many(settings))
            }),
        ]
    }
}

fn tickers<R: Runtime>(contender: Contender, settings: &Settings) -> Result<Sample> {
    let length = settings.pick(Duration::from_secs(2), Duration::from_millis(300));
    let (lateness, _) = mix::lateness::<R>(contender, settings.cores, 0, length)?;
    Ok(Sample::default().with(P50, us(&lateness, 0.5)).with(P99, us(&lateness, 0.99)))
}

fn long<R: Runtime>(contender: Contender, settings: &Settings) -> Result<Sample> {
    let length = settings.pick(Duration::from_secs(2), Duration::from_millis(500));
    let runtime = R::start(contender, settings.cores)?;
    let late = inside(&runtime, lateness::<R>(length));
    Ok(finish(runtime, Sample::default().with(LATE, late)))
}

/// Mean microseconds that many sleeps are late, each with its own length.
fn many<R: Runtime>(contender: Contender, settings: &Settings) -> Result<Sample> {
    let runtime = R::start(contender, settings.cores)?;
    let apart = Duration::from_micros(settings.pick(100, 20));
    // From a task, so that they register with a core and not with this thread.
    let sum = inside(&runtime, async move {
        let sleeps: Vec<_> = (0..MANY)
            .map(|i| Duration::from_millis(100) + apart * i as u32)
            .map(|length| R::spawn(lateness::<R>(length)))
            .collect();
        let mut sum = 0.0;
        for sleep in sleeps {
            sum += sleep.await;
        }
        sum
    });
    Ok(finish(runtime, Sample::default().with(LATE, sum / MANY as f64)))
}

async fn lateness<R: Runtime>(length: Duration) -> f64 {
    let before = Instant::now();
    R::sleep(length).await;
    before.elapsed().saturating_sub(length).as_nanos() as f64 / 1e3
}

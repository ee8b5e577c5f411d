//! How late are timers when nothing is in their way?

use std::time::{Duration, Instant};

use super::mix;
use crate::{
    Result,
    case::{Case, Options},
    stats::{Runs, us},
    subject::{Runtime, Subject, on},
    table::{self, Limit, held},
};

const LONG: Duration = Duration::from_secs(2);
/// Timers that are due within the same second.
const MANY: usize = 10_000;

pub struct Timers;

impl Case for Timers {
    fn name(&self) -> &'static str {
        "timers"
    }

    fn about(&self) -> &'static str {
        "lateness of 8 tickers of 1 ms, of one sleep of 2 s, of 10,000 sleeps within a second"
    }

    fn run(&self, options: &Options) -> Result<()> {
        let length = options.pick(Duration::from_secs(3), Duration::from_secs(1));
        let subjects = Subject::available(&Subject::ALL);
        let mut results: Vec<_> = subjects.iter().map(|_| Results::default()).collect();
        for run in 0..options.runs {
            eprintln!("run {} of {}", run + 1, options.runs);
            for (subject, results) in subjects.iter().zip(&mut results) {
                let (ticks, _) = {
                    use mix::measure;
                    on!(*subject, measure(options.cores, 0, length))?
                };
                results.p50.push(us(&ticks, 0.5));
                results.p99.push(us(&ticks, 0.99));
                results.long.push(on!(*subject, long(options.cores))?);
                results.many.push(on!(*subject, many(options.cores))?);
            }
        }

        println!(
            "{} cores, {} runs: median (smallest..largest), all in us",
            options.cores, options.runs
        );
        table::print(
            ["", "1 ms late p50", "p99", "2 s late", "10,000: mean"],
            subjects.iter().zip(&results).map(|(subject, results)| {
                let (low, high) = mix::alone_limits(*subject);
                let long = match subject {
                    Subject::Tokio => Limit::None,
                    Subject::Cmwq(_) => Limit::AtMost(200.0),
                };
                [
                    subject.to_string(),
                    held(results.p50.show(0), results.p50.median(), low),
                    held(results.p99.show(0), results.p99.median(), high),
                    held(results.long.show(0), results.long.median(), long),
                    results.many.show(0),
                ]
            }),
        );
        Ok(())
    }
}

#[derive(Default)]
struct Results {
    p50: Runs,
    p99: Runs,
    long: Runs,
    many: Runs,
}

/// Microseconds that one long sleep is late.
fn long<R: Runtime>(subject: Subject, cores: usize) -> Result<f64> {
    let runtime = R::start(subject, cores)?;
    let late = runtime.block_on(async { R::spawn(lateness::<R>(LONG)).await });
    runtime.stop();
    Ok(late)
}

/// Mean microseconds that many sleeps are late, each with its own length.
fn many<R: Runtime>(subject: Subject, cores: usize) -> Result<f64> {
    let runtime = R::start(subject, cores)?;
    let sum = runtime.block_on(async {
        // From a task, so that they register with a core and not with this thread.
        R::spawn(async {
            let sleeps: Vec<_> = (0..MANY)
                .map(|i| Duration::from_millis(100) + Duration::from_micros(100) * i as u32)
                .map(|length| R::spawn(lateness::<R>(length)))
                .collect();
            let mut sum = 0.0;
            for sleep in sleeps {
                sum += sleep.await;
            }
            sum
        })
        .await
    });
    runtime.stop();
    Ok(sum / MANY as f64)
}

async fn lateness<R: Runtime>(length: Duration) -> f64 {
    let before = Instant::now();
    R::sleep(length).await;
    before.elapsed().saturating_sub(length).as_nanos() as f64 / 1e3
}

//! From a block to the first instruction of another task on the same core.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    sync::Arc,
    time::{Duration, Instant},
};

use cmwq::{runtime::Detector, sync::Notify};
use hdrhistogram::Histogram;

use crate::{
    Result,
    case::{Case, Options},
    stats::{Runs, histogram, us},
    subject::{Cmwq, Runtime, Subject},
    table::{self, Limit, held},
};

/// A block that nobody takes over ends by itself after this.
const GIVE_UP: Duration = Duration::from_millis(50);

pub struct Detect;

impl Case for Detect {
    fn name(&self) -> &'static str {
        "detect"
    }

    fn about(&self) -> &'static str {
        "a task wakes its neighbour on the one core and blocks: when does the neighbour run?"
    }

    fn run(&self, options: &Options) -> Result<()> {
        let blocks = options.pick(1000, 200);
        let subjects = Subject::available(&[
            Subject::Cmwq(Detector::Perf),
            Subject::Cmwq(Detector::Idle),
            Subject::Cmwq(Detector::Monitor),
        ]);
        let mut results: Vec<_> = subjects.iter().map(|_| [const { None }; 3]).collect();
        for _ in 0..options.runs {
            for (subject, results) in subjects.iter().zip(&mut results) {
                let runtime = Cmwq::start(*subject, 1)?;
                let latency = runtime.block_on(async { Cmwq::spawn(latency(blocks)).await })?;
                runtime.stop();
                for (runs, quantile) in results.iter_mut().zip([0.5, 0.99, 1.0]) {
                    runs.get_or_insert_with(Runs::default).push(us(&latency, quantile));
                }
            }
        }

        println!("{blocks} blocks, {} runs: median (smallest..largest) in us", options.runs);
        table::print(
            ["", "p50", "p99", "max"],
            subjects.iter().zip(results).map(|(subject, results)| {
                let [p50, p99, max] = results.map(Option::unwrap_or_default);
                let (low, high) = match subject {
                    Subject::Cmwq(Detector::Perf) => (Limit::AtMost(8.0), Limit::AtMost(20.0)),
                    Subject::Cmwq(Detector::Idle) => (Limit::AtMost(12.0), Limit::AtMost(50.0)),
                    _ => (Limit::None, Limit::None),
                };
                [
                    subject.to_string(),
                    held(p50.show(1), p50.median(), low),
                    held(p99.show(1), p99.median(), high),
                    max.show(0),
                ]
            }),
        );
        Ok(())
    }
}

/// Nanoseconds from just before a blocking read to the first instruction of the neighbour, which
/// then ends the read.
async fn latency(blocks: usize) -> io::Result<Histogram<u64>> {
    let (mut near, mut far) = UnixStream::pair()?;
    near.set_read_timeout(Some(GIVE_UP))?;
    let turn = Arc::new(Notify::new());
    let neighbour = Cmwq::spawn({
        let turn = turn.clone();
        async move {
            let mut ran_at = Vec::with_capacity(blocks);
            for _ in 0..blocks {
                turn.notified().await;
                ran_at.push(Instant::now());
                far.write_all(&[0])?;
            }
            io::Result::Ok(ran_at)
        }
    });

    let mut blocked_at = Vec::with_capacity(blocks);
    for _ in 0..blocks {
        // The core comes to rest in between, as it does in a service.
        Cmwq::sleep(Duration::from_millis(1)).await;
        turn.notify_one();
        blocked_at.push(Instant::now());
        let mut byte = [0];
        if let Err(error) = near.read_exact(&mut byte) {
            if error.kind() != io::ErrorKind::WouldBlock {
                return Err(error);
            }
            // Nobody took over: the neighbour runs now.
            Cmwq::yield_now().await;
            near.read_exact(&mut byte)?;
        }
    }
    let mut latency = histogram();
    for (blocked, ran) in blocked_at.iter().zip(neighbour.await?) {
        latency.saturating_record(ran.saturating_duration_since(*blocked).as_nanos() as u64);
    }
    Ok(latency)
}

//! From a block to the first instruction of another task on the same core.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    sync::Arc,
    time::{Duration, Instant},
};

use cmwq::sync::Notify;
use hdrhistogram::Histogram;

use crate::{
    Result,
    case::{Case, Figure, Limit, Row, Sample, Settings},
    child::measured::finish,
    contender::Contender::{self, *},
    measure::stats::{histogram, us},
    runtimes::{Cmwq as Subject, Runtime},
};

const P50: Figure = Figure::less("p50, us");
const P99: Figure = Figure::less("p99, us");
const MAX: Figure = Figure::less("max, us");

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

    fn rows(&self, _: &Settings) -> Vec<Row> {
        vec![
            Row::new("1 core", &[P50, P99, MAX], measure)
                .contenders([CmwqPerf, CmwqBpf, CmwqIdle, CmwqMonitor])
                .value(P50, CmwqPerf, Limit::AtMost(8.0))
                .value(P99, CmwqPerf, Limit::AtMost(20.0))
                .value(P50, CmwqBpf, Limit::AtMost(6.0))
                .value(P99, CmwqBpf, Limit::AtMost(15.0))
                .value(P50, CmwqIdle, Limit::AtMost(12.0))
                .value(P99, CmwqIdle, Limit::AtMost(50.0)),
        ]
    }
}

fn measure(contender: Contender, settings: &Settings) -> Result<Sample> {
    let blocks = settings.pick(1000, 100);
    let runtime = Subject::start(contender, 1)?;
    let latency = runtime.block_on(async { Subject::spawn(latency(blocks)).await })?;
    let sample = Sample::default()
        .with(P50, us(&latency, 0.5))
        .with(P99, us(&latency, 0.99))
        .with(MAX, us(&latency, 1.0));
    Ok(finish(runtime, sample))
}

/// Nanoseconds from just before a blocking read to the first instruction of the neighbour, which
/// then ends the read.
async fn latency(blocks: usize) -> io::Result<Histogram<u64>> {
    let (mut near, mut far) = UnixStream::pair()?;
    near.set_read_timeout(Some(GIVE_UP))?;
    let turn = Arc::new(Notify::new());
    let neighbour = Subject::spawn({
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
        Subject::sleep(Duration::from_millis(1)).await;
        turn.notify_one();
        blocked_at.push(Instant::now());
        let mut byte = [0];
        if let Err(error) = near.read_exact(&mut byte) {
            if error.kind() != io::ErrorKind::WouldBlock {
                return Err(error);
            }
            // Nobody took over: the neighbour runs now.
            Subject::yield_now().await;
            near.read_exact(&mut byte)?;
        }
    }
    let mut latency = histogram();
    for (blocked, ran) in blocked_at.iter().zip(neighbour.await?) {
        latency.saturating_record(ran.saturating_duration_since(*blocked).as_nanos() as u64);
    }
    Ok(latency)
}

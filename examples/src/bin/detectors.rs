//! How fast is each block detector on this machine, and what does it cost?
//!
//! For each detector: a runtime of one core. A task wakes its neighbour and blocks at once in a
//! system call; the neighbour notes when its first instruction ran, then ends the block. And the
//! other side: the time of a poll when nothing ever blocks, beside the runtime without a detector.
//!
//! `cargo run --release -p cmwq-examples --bin detectors`

use std::{
    error::Error,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use cmwq::{
    runtime::{Builder, Detector, Pin, Runtime},
    sync::Notify,
};
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use hdrhistogram::Histogram;

/// Measure the block detectors of cmwq on this machine.
#[derive(Parser)]
struct Args {
    /// Blocks for each detector, 10 to 100000
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    blocks: u32,
}

/// A block that nobody takes over ends by itself after this.
const GIVE_UP: Duration = Duration::from_millis(20);
const YIELDS: u32 = 300_000;

const DETECTORS: [(Detector, &str, &str); 5] = [
    (Detector::Off, "off", "nothing; a blocked task stalls its core"),
    (Detector::Monitor, "monitor", "nothing"),
    (Detector::Idle, "idle", "nothing"),
    (Detector::Perf, "perf", "perf_event_open on own threads"),
    (Detector::Bpf, "bpf", "CAP_BPF and CAP_PERFMON"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED);
    table.set_header(["detector", "needs", "block to neighbour p50", "p99", "max", "per poll"]);
    let mut refused = Vec::new();

    for (detector, name, needs) in DETECTORS {
        eprintln!("measuring {name}");
        let runtime = match start(detector) {
            Ok(runtime) => runtime,
            Err(error) => {
                table.add_row([name, needs, "refused", "", "", ""]);
                refused.push(format!("{name}: {error}"));
                continue;
            }
        };
        let poll = poll_cost(&runtime);
        // Without a detector each block lasts until it gives up; a few show that.
        let blocks = if detector == Detector::Off { 20 } else { args.blocks };
        let latency = runtime.block_on(async { cmwq::spawn(block_latency(blocks)).await })??;
        let us = |q| format!("{:.1} us", latency.value_at_quantile(q) as f64 / 1e3);
        let poll = format!("{poll:.1} ns");
        table.add_row([name, needs, &us(0.5), &us(0.99), &us(1.0), &poll]);
    }

    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
    for reason in refused {
        println!("{reason}");
    }
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    println!("A runtime with all defaults takes {}.", runtime.metrics().detector());
    Ok(())
}

/// On one core, pinned: idle needs that, and for the others it makes the figures comparable.
fn start(detector: Detector) -> Result<Runtime, Box<dyn Error>> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).pin(Pin::Always).enable_all().detector(detector);
    Ok(builder.build()?)
}

/// Nanoseconds from just before a blocking read to the first instruction of the neighbour.
async fn block_latency(blocks: u32) -> io::Result<Histogram<u64>> {
    let (mut near, mut far) = UnixStream::pair()?;
    near.set_read_timeout(Some(GIVE_UP))?;
    let turn = Arc::new(Notify::new());
    let neighbour = cmwq::spawn({
        let turn = turn.clone();
        async move {
            let mut ran_at = Vec::with_capacity(blocks as usize);
            for _ in 0..blocks {
                turn.notified().await;
                ran_at.push(Instant::now());
                far.write_all(&[0])?;
            }
            io::Result::Ok(ran_at)
        }
    });

    let mut blocked_at = Vec::with_capacity(blocks as usize);
    for _ in 0..blocks {
        // The core comes to rest in between, as it does in a service.
        cmwq::time::sleep(Duration::from_millis(1)).await;
        turn.notify_one();
        blocked_at.push(Instant::now());
        let mut byte = [0];
        if let Err(error) = near.read_exact(&mut byte) {
            if error.kind() != io::ErrorKind::WouldBlock {
                return Err(error);
            }
            // Nobody took over: the neighbour runs now.
            cmwq::task::yield_now().await;
            near.read_exact(&mut byte)?;
        }
    }
    let ran_at = neighbour.await??;
    let mut latency =
        Histogram::new_with_max(60_000_000_000, 3).expect("constant bounds, in order");
    for (blocked, ran) in blocked_at.iter().zip(ran_at) {
        latency.saturating_record(ran.saturating_duration_since(*blocked).as_nanos() as u64);
    }
    Ok(latency)
}

/// Nanoseconds of a yield between two tasks, the median of nine goes.
fn poll_cost(runtime: &Runtime) -> f64 {
    let mut goes: Vec<f64> = (0..9)
        .map(|_| {
            let go = || async {
                let start = Instant::now();
                for _ in 0..YIELDS {
                    cmwq::task::yield_now().await;
                }
                start.elapsed()
            };
            // Two, so that a yield is a way through the queue.
            let (a, b) = (runtime.spawn(go()), runtime.spawn(go()));
            let (a, b) = runtime.block_on(async { (a.await, b.await) });
            let took = a.expect("no panic").max(b.expect("no panic"));
            thread::sleep(Duration::from_millis(5));
            took.as_nanos() as f64 / f64::from(2 * YIELDS)
        })
        .collect();
    goes.sort_by(f64::total_cmp);
    goes[goes.len() / 2]
}

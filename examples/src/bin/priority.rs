//! Priority inheritance, seen in the latencies of requests.
//!
//! Requests of high priority need a piece of work that a queue of normal priority does (a cache entry
//! to be filled, say), on a CPU that is busy with a long line of other normal work. A request that
//! awaits the piece's `JoinHandle` gets it ahead of the line. One that waits for the same through a
//! channel does not: the runtime cannot know who will send.
//!
//! Run with: `cargo run --release --bin priority`

use cmwq::Workqueue;
use cmwq::sync::oneshot;
use cmwq::time::{Instant, sleep};
use std::error::Error;
use std::time::Duration;

const REQUESTS: usize = 100;
/// Pieces of other work that are in line when a request comes.
const LINE: usize = 20;

fn burn(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

#[derive(Clone, Copy)]
enum Wait {
    Handle,
    Channel,
}

/// The latencies of requests, sorted.
async fn requests(wait: Wait) -> Result<Vec<Duration>, Box<dyn Error>> {
    let normal = Workqueue::builder().name("background").build()?;
    let high = Workqueue::builder().name("requests").high_priority().build()?;
    let mut latencies = Vec::new();
    for _ in 0..REQUESTS {
        for _ in 0..LINE {
            normal.spawn(async { burn(Duration::from_millis(1)) });
        }
        let (queue, start) = (normal.clone(), Instant::now());
        let request = high.spawn(async move {
            let (answer, answered) = oneshot::channel();
            let piece = queue.spawn(async move {
                burn(Duration::from_micros(100));
                // Nobody listens where the handle is awaited.
                let _ = answer.send(());
            });
            match wait {
                Wait::Handle => piece.await.is_ok(),
                Wait::Channel => answered.await.is_ok(),
            }
        });
        if !request.await? {
            return Err("a piece of work was lost".into());
        }
        latencies.push(start.elapsed());
        normal.flush().await;
        sleep(Duration::from_millis(1)).await;
    }
    latencies.sort();
    Ok(latencies)
}

#[cmwq::main(worker_threads = 1)]
async fn main() -> Result<(), Box<dyn Error>> {
    println!("{REQUESTS} requests, each behind {LINE} ms of other work on the same core:");
    for (wait, name) in
        [(Wait::Handle, "awaits the JoinHandle"), (Wait::Channel, "awaits a channel")]
    {
        let latencies = requests(wait).await?;
        let at = |share: usize| latencies[latencies.len() * share / 100];
        println!("{name:>22}: p50 {:>8.2?}, p99 {:>8.2?}", at(50), at(99));
    }
    Ok(())
}

//! A sampler that is called each millisecond while every CPU is busy: by a timer of the runtime, by a
//! dedicated worker, and by one that asks for real-time priority.
//!
//! Where real-time priority is refused, the program says why and goes on without.
//!
//! `cargo run --release -p cmwq-examples --bin sampler`

use cmwq::dedicated::{DedicatedWork, DedicatedWorker};
use hdrhistogram::Histogram;
use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

const PERIOD: Duration = Duration::from_millis(1);
const SAMPLES: u32 = 1_000;

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let stop = Arc::new(AtomicBool::new(false));
    let burners: Vec<_> = (0..thread::available_parallelism()?.get())
        .map(|_| {
            let stop = stop.clone();
            thread::spawn(move || while !stop.load(Ordering::Relaxed) {})
        })
        .collect();

    let runtime = cmwq::runtime::Runtime::new()?;
    report("timer of the runtime", &runtime.block_on(timer())?);
    report("dedicated worker", &dedicated(&DedicatedWorker::builder().name("sampler").build()?)?);
    let worker = DedicatedWorker::builder().name("sampler").realtime(10).build()?;
    if let Some(reason) = worker.granted().as_ref().and_then(|granted| granted.refused()) {
        println!("{reason}");
    }
    report("at real-time priority", &dedicated(&worker)?);

    stop.store(true, Ordering::Relaxed);
    burners.into_iter().try_for_each(|burner| burner.join().map_err(|_| "a burner panicked"))?;
    Ok(())
}

/// How late each sample was, in microseconds.
async fn timer() -> Result<Histogram<u64>, Box<dyn Error + Send + Sync>> {
    cmwq::spawn(async {
        let mut late = Histogram::new(3)?;
        let start = Instant::now();
        for sample in 1..=SAMPLES {
            let due = start + sample * PERIOD;
            cmwq::time::sleep_until(due.into()).await;
            late.record(due.elapsed().as_micros() as u64)?;
        }
        Ok(late)
    })
    .await?
}

/// The same by a work that queues itself.
fn dedicated(worker: &DedicatedWorker) -> Result<Histogram<u64>, Box<dyn Error + Send + Sync>> {
    let (target, (send, samples)) = (worker.clone(), mpsc::channel());
    let mut due = Instant::now() + PERIOD;
    let sampler = DedicatedWork::new_cyclic(|own| {
        move || {
            let _ = send.send(due.elapsed());
            due += PERIOD;
            if let Some(own) = own.upgrade() {
                own.queue_delayed(&target, due.saturating_duration_since(Instant::now()));
            }
        }
    });
    sampler.queue_delayed(worker, PERIOD);
    let mut late = Histogram::new(3)?;
    for sample in samples.iter().take(SAMPLES as usize) {
        late.record(sample.as_micros() as u64)?;
    }
    sampler.cancel_sync_blocking();
    Ok(late)
}

fn report(what: &str, late: &Histogram<u64>) {
    let at = |quantile| late.value_at_quantile(quantile);
    println!("{what:>22}: late by {} us, p99 {}, at most {}", at(0.5), at(0.99), late.max());
}

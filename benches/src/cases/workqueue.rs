//! Workqueues: how soon an urgent item runs beside a hog, what the kernel's `lib/test_workqueue`
//! measures for each affinity scope, and how many futures an ordered queue ends in a second.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use cmwq::{Work, Workqueue, workqueue::Scope};
use hdrhistogram::Histogram;

use crate::{
    Result,
    case::{Case, Figure, Limit, PER_SECOND, Row, Sample, Settings},
    child::measured::finish,
    contender::Contender::{self, *},
    measure::stats::{histogram, us},
    runtimes::{Cmwq as Subject, Runtime},
};

const P50: Figure = Figure::less("p50, us");
const P99: Figure = Figure::less("p99, us");

const SCOPES: [Scope; 6] =
    [Scope::Cpu, Scope::Smt, Scope::Cache, Scope::CacheShard, Scope::Numa, Scope::System];

pub struct Workqueues;

impl Case for Workqueues {
    fn name(&self) -> &'static str {
        "workqueue"
    }

    fn about(&self) -> &'static str {
        "urgent items beside a hog, queueing for each affinity scope, an ordered queue"
    }

    fn rows(&self, _: &Settings) -> Vec<Row> {
        let hog = Row::new("high priority beside a hog, 1 core", &[P50, P99], beside_a_hog)
            .contenders([Cmwq, CmwqUnprivileged])
            // Where the process may not lower nice values the system shares the CPU evenly.
            .value(P99, Cmwq, Limit::AtMost(5000.0));
        let scopes = SCOPES.map(|scope| {
            let figures = &[PER_SECOND, P50, P99];
            Row::new(format!("queue and flush, scope {scope:?}"), figures, move |contender, s| {
                queueing(contender, s, scope)
            })
            .contenders([Cmwq])
        });
        let ordered =
            Row::new("ordered futures that sleep and block", &[PER_SECOND], ordered_futures)
                .contenders([Cmwq]);
        std::iter::once(hog).chain(scopes).chain([ordered]).collect()
    }
}

fn beside_a_hog(contender: Contender, settings: &Settings) -> Result<Sample> {
    let runtime = Subject::start(contender, 1)?;
    let latency = runtime.block_on(urgent_items(settings.pick(1000, 200)))?;
    let sample = Sample::default().with(P50, us(&latency, 0.5)).with(P99, us(&latency, 0.99));
    Ok(finish(runtime, sample))
}

/// Nanoseconds from queueing to the first instruction, on a core whose normal workers burn.
async fn urgent_items(items: usize) -> Result<Histogram<u64>> {
    let normal = Workqueue::builder().name("hogs").build()?;
    let high = Workqueue::builder().name("urgent").high_priority().build()?;
    let stop = Arc::new(AtomicBool::new(false));
    let over = stop.clone();
    let hog = normal.spawn(async move {
        while !over.load(Ordering::Relaxed) {
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(20) {
                std::hint::spin_loop();
            }
            cmwq::task::yield_now().await;
        }
    });
    let mut latency = histogram();
    for _ in 0..items {
        Subject::sleep(Duration::from_millis(2)).await;
        let queued = Instant::now();
        let took = high.spawn(async move { queued.elapsed() }).await?;
        latency.saturating_record(took.as_nanos() as u64);
    }
    stop.store(true, Ordering::Relaxed);
    hog.await?;
    Ok(latency)
}

/// One thread per core queues a work item of its own again and again, and waits each time.
fn queueing(contender: Contender, settings: &Settings, scope: Scope) -> Result<Sample> {
    let runtime = Subject::start(contender, settings.cores)?;
    let queue = runtime.block_on(async { Workqueue::builder().unbound().scope(scope).build() })?;
    let items = settings.pick(20_000, 2_000);
    let start = Instant::now();
    let latencies = thread::scope(|threads| {
        let queueing: Vec<_> =
            (0..settings.cores).map(|_| threads.spawn(|| queue_items(&queue, items))).collect();
        queueing.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()
    });
    let took = start.elapsed();
    let mut all = histogram();
    for latency in latencies {
        all.add(latency.map_err(|_| "a thread that queued has panicked")?)?;
    }
    let sample = Sample::default()
        .with(PER_SECOND, all.len() as f64 / took.as_secs_f64())
        .with(P50, us(&all, 0.5))
        .with(P99, us(&all, 0.99));
    Ok(finish(runtime, sample))
}

fn queue_items(queue: &Workqueue, items: usize) -> Histogram<u64> {
    let times = Arc::new(Mutex::new((Instant::now(), histogram())));
    let shared = times.clone();
    let work = Work::new(move || {
        let (queued, latency) = &mut *shared.lock().unwrap_or_else(PoisonError::into_inner);
        latency.saturating_record(queued.elapsed().as_nanos() as u64);
    });
    for _ in 0..items {
        times.lock().unwrap_or_else(PoisonError::into_inner).0 = Instant::now();
        work.queue(queue);
        work.flush_blocking();
    }
    times.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
}

/// Each awaits a timer and blocks; a check counts that no two are in progress at a time.
fn ordered_futures(contender: Contender, settings: &Settings) -> Result<Sample> {
    const MOMENT: Duration = Duration::from_micros(1);
    let futures = settings.pick(100_000, 5_000);
    let runtime = Subject::start(contender, settings.cores)?;
    let queue = runtime.block_on(async { Workqueue::builder().ordered().build() })?;
    let (in_order, next) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let start = Instant::now();
    for number in 0..futures {
        let (in_order, next) = (in_order.clone(), next.clone());
        queue.spawn(async move {
            let began = next.load(Ordering::Relaxed);
            Subject::sleep(MOMENT).await;
            thread::sleep(MOMENT);
            let ended = next.fetch_add(1, Ordering::Relaxed);
            in_order.fetch_add(usize::from(began == number && ended == number), Ordering::Relaxed);
        });
    }
    queue.flush_blocking();
    let took = start.elapsed();
    let in_order = in_order.load(Ordering::Relaxed);
    if in_order != futures {
        return Err(format!("only {in_order} of {futures} futures ran in their turn").into());
    }
    let sample = Sample::default().with(PER_SECOND, futures as f64 / took.as_secs_f64());
    Ok(finish(runtime, sample))
}

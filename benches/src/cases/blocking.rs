//! Many tasks that block again and again, beside tickers and an echo.

use std::{
    net::TcpListener,
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
    child::measured::finish,
    contender::Contender::{self, *},
    measure::{
        procfs,
        stats::{histogram, us},
    },
    on,
    runtimes::{Net, Runtime},
};

const TICKERS: usize = 8;
const TICK: Duration = Duration::from_millis(1);

const TICK_P99: Figure = Figure::less("ticker late p99, us");
const ECHO_P99: Figure = Figure::less("echo p99, us");
const CALLS: Figure = Figure::more("calls/s");
const CPU: Figure = Figure::less("CPU per call, us");

pub struct Blocking;

impl Case for Blocking {
    fn name(&self) -> &'static str {
        "blocking"
    }

    fn about(&self) -> &'static str {
        "tasks that block, yield, block ... beside 8 tickers of 1 ms and an echo once a millisecond"
    }

    fn rows(&self, settings: &Settings) -> Vec<Row> {
        let mut rows = Vec::new();
        for (micros, shown) in [(100, "100 us"), (1000, "1 ms"), (20_000, "20 ms")] {
            for tasks in settings.pick(&[1, 4, 16, 64][..], &[4, 64][..]) {
                rows.push(row(*tasks, Duration::from_micros(micros), shown));
            }
        }
        rows
    }
}

fn row(tasks: usize, block: Duration, shown: &str) -> Row {
    let figures: &[Figure] = &[CALLS, CPU, TICK_P99, ECHO_P99];
    let name = format!("{tasks} x {shown}");
    let row = Row::new(name, figures, move |contender, settings| match contender {
        Go => blocks::go("blocking", tasks, block, length(settings)).map(|seen| {
            Sample::default()
                .with(CALLS, seen.calls / length(settings).as_secs_f64())
                .with(CPU, seen.cpu_per_call)
                .with(TICK_P99, seen.ticker_p99)
                .with(ECHO_P99, seen.echo_p99)
        }),
        _ => on!(contender, measure(settings, tasks, block)),
    })
    .contenders([
        Tokio,
        TokioSpawnBlocking,
        TokioSpawnBlockingUnprivileged,
        TokioBlockInPlace,
        Cmwq,
        CmwqUnprivileged,
        Go,
    ]);
    match (tasks, block.as_micros()) {
        (64, 100) => row.ratio(CALLS, TokioSpawnBlocking, Limit::AtLeast(1.2)).ratio(
            CPU,
            TokioSpawnBlocking,
            Limit::AtMost(0.7),
        ),
        // As in the mix: where the blocks themselves leave the cores idle.
        (4.., 20_000) => row
            .ratio(TICK_P99, Tokio, Limit::AtMost(1.0 / 150.0))
            .ratio(TICK_P99, TokioSpawnBlocking, Limit::AtMost(0.5))
            .ratio(TICK_P99, Go, Limit::AtMost(0.5)),
        _ => row,
    }
}

fn length(settings: &Settings) -> Duration {
    settings.pick(Duration::from_millis(800), Duration::from_millis(150))
}

struct Shared {
    stop: AtomicBool,
    calls: AtomicU64,
    ticks: Mutex<Histogram<u64>>,
    echoes: Mutex<Histogram<u64>>,
}

fn measure<R: Net>(
    contender: Contender,
    settings: &Settings,
    tasks: usize,
    block: Duration,
) -> Result<Sample> {
    let runtime = R::start(contender, settings.cores)?;
    let shared = Arc::new(Shared {
        stop: AtomicBool::new(false),
        calls: AtomicU64::new(0),
        ticks: Mutex::new(histogram()),
        echoes: Mutex::new(histogram()),
    });
    let way = Way::of(contender);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let handle = runtime.handle();
    R::spawn_on(&handle, echo_server::<R>(listener.try_clone()?));
    R::spawn_on(&handle, echo_client::<R>(listener, shared.clone()));
    for _ in 0..TICKERS {
        R::spawn_on(&handle, ticker::<R>(shared.clone()));
    }
    for _ in 0..tasks {
        R::spawn_on(&handle, blocker::<R>(shared.clone(), way, block));
    }

    // The first blocks bring the workers.
    thread::sleep(length(settings) / 4);
    let before = (procfs::cpu(std::process::id())?, shared.calls.load(Relaxed));
    thread::sleep(length(settings));
    let after = (procfs::cpu(std::process::id())?, shared.calls.load(Relaxed));
    shared.stop.store(true, Relaxed);
    // Long enough for the last blocks to end and everybody to hand in what was seen.
    thread::sleep(Duration::from_millis(300));

    let calls = after.1 - before.1;
    let threads = procfs::threads(std::process::id())? as f64;
    let p99 = |seen: &Mutex<Histogram<u64>>, who: &str| {
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.is_empty() { Err(format!("no {who} came back")) } else { Ok(us(&seen, 0.99)) }
    };
    if calls == 0 {
        return Err("no call came back".into());
    }
    let cpu = after.0.saturating_sub(before.0).as_secs_f64() * 1e6;
    let sample = Sample::default()
        .with(CALLS, calls as f64 / length(settings).as_secs_f64())
        .with(CPU, cpu / calls as f64)
        .with(TICK_P99, p99(&shared.ticks, "ticker")?)
        .with(ECHO_P99, p99(&shared.echoes, "echo")?)
        .beside("threads", threads);
    Ok(finish(runtime, sample))
}

async fn blocker<R: Runtime>(shared: Arc<Shared>, way: Way, block: Duration) {
    while !shared.stop.load(Relaxed) {
        way.block::<R>(block).await;
        shared.calls.fetch_add(1, Relaxed);
        R::yield_now().await;
    }
}

async fn ticker<R: Runtime>(shared: Arc<Shared>) {
    let mut late = histogram();
    while !shared.stop.load(Relaxed) {
        let before = Instant::now();
        R::sleep(TICK).await;
        late.saturating_record(before.elapsed().saturating_sub(TICK).as_nanos() as u64);
    }
    add(&shared.ticks, &late);
}

async fn echo_server<R: Net>(listener: TcpListener) {
    let Ok(mut listener) = R::listen(listener) else { return };
    let Ok(mut stream) = R::accept(&mut listener).await else { return };
    let mut buffer = [0; 64];
    while let Ok(read @ 1..) = R::read(&mut stream, &mut buffer).await {
        if R::write_all(&mut stream, &buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// Hands in nothing if an echo is wrong.
async fn echo_client<R: Net>(listener: TcpListener, shared: Arc<Shared>) {
    let Ok(address) = listener.local_addr() else { return };
    let Ok(mut stream) = R::connect(address).await else { return };
    let mut trips = histogram();
    let mut n: u64 = 0;
    while !shared.stop.load(Relaxed) {
        R::sleep(TICK).await;
        n += 1;
        let start = Instant::now();
        let sent = n.to_ne_bytes();
        let mut back = [0; 8];
        if R::write_all(&mut stream, &sent).await.is_err()
            || !matches!(R::read(&mut stream, &mut back).await, Ok(8))
            || back != sent
        {
            return;
        }
        trips.saturating_record(start.elapsed().as_nanos() as u64);
    }
    add(&shared.echoes, &trips);
}

fn add(all: &Mutex<Histogram<u64>>, own: &Histogram<u64>) {
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    all.add(own).expect("all have the same bounds");
}

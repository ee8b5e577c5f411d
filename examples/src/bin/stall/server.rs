//! A server process: one variant, one round.

use std::{
    io::{self, BufRead, Write},
    process,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

use crate::{
    Result,
    args::ServeArgs,
    measure::Latencies,
    platform::{Blocking, Cmwq, InTask, Platform, SpawnBlocking, Tokio},
    protocol::{LISTENING, START, STARTED, STOP, ServerReport},
    service,
    store::Store,
    variant::Variant,
};

const TICKERS: usize = 8;
const TICK: Duration = Duration::from_millis(1);

/// Serves until stdin ends.
pub fn run(args: &ServeArgs) -> Result<()> {
    match args.variant {
        Variant::TokioInTask => serve::<Tokio, InTask>(args),
        Variant::TokioSpawnBlocking => serve::<Tokio, SpawnBlocking>(args),
        Variant::Cmwq => serve::<Cmwq, InTask>(args),
    }
}

fn serve<P: Platform, B: Blocking>(args: &ServeArgs) -> Result<()> {
    let store = Arc::new(Store::open(&args.data, args.upstream)?);
    let tickers: Vec<_> = (0..TICKERS).map(|_| Arc::new(Ticker::new())).collect();
    let runtime = P::start(args.workers)?;
    let address = P::block_on(&runtime, async {
        let (listener, address) = P::bind().await?;
        P::spawn(accept::<P, B>(listener, store));
        for ticker in &tickers {
            P::spawn(ticker.clone().run::<P>());
        }
        io::Result::Ok(address)
    })?;
    println!("{LISTENING}{address}");

    let mut cpu_at_start = Duration::ZERO;
    for line in io::stdin().lock().lines() {
        match line?.as_str() {
            START => {
                tickers.iter().for_each(|ticker| ticker.start());
                cpu_at_start = cpu_time();
                println!("{STARTED}");
            }
            STOP => {
                let cpu = cpu_time() - cpu_at_start;
                let mut lateness = Latencies::new();
                tickers.iter().for_each(|ticker| ticker.stop(&mut lateness));
                let note = P::describe(&runtime);
                println!("{}", ServerReport { cpu, lateness, note }.to_line());
            }
            other => return Err(format!("unknown command `{other}`").into()),
        }
        io::stdout().flush()?;
    }
    // Not by dropping the runtime: a handler may be waiting for a neighbour that is gone.
    process::exit(0)
}

async fn accept<P: Platform, B: Blocking>(listener: P::Listener, store: Arc<Store>) {
    loop {
        match P::accept(&listener).await {
            Ok(stream) => P::spawn(service::connection::<P, B>(stream, store.clone())),
            // The client counts it; out of descriptors, the next try needs some time.
            Err(_) => P::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// CPU time of this process, all threads.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// Sleeps 1 ms at a time and notes by how much it was longer.
struct Ticker {
    recording: AtomicBool,
    /// Locked by the task for one record, by the main thread at start and stop.
    lateness: Mutex<Latencies>,
}

impl Ticker {
    fn new() -> Ticker {
        Ticker { recording: AtomicBool::new(false), lateness: Mutex::new(Latencies::new()) }
    }

    async fn run<P: Platform>(self: Arc<Self>) {
        loop {
            let before = Instant::now();
            P::sleep(TICK).await;
            if self.recording.load(Ordering::Relaxed) {
                let late = before.elapsed().saturating_sub(TICK);
                self.lateness.lock().unwrap_or_else(PoisonError::into_inner).record(late);
            }
        }
    }

    fn start(&self) {
        self.lateness.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.recording.store(true, Ordering::Relaxed);
    }

    fn stop(&self, into: &mut Latencies) {
        self.recording.store(false, Ordering::Relaxed);
        into.add(&self.lateness.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

//! A log that is written by an ordered queue: the writer blocks on the file, the producers never wait.
//!
//! A work item that is queued while it is pending is queued once, so one write takes all the lines
//! that came meanwhile: the slower the disk, the larger the writes.
//!
//! `cargo run --release -p cmwq-examples --bin log_writer`

use cmwq::{Work, Workqueue};
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PRODUCERS: usize = 8;
const LINES: usize = 5_000;

/// Cheap to clone.
#[derive(Clone)]
struct Log {
    queue: Workqueue,
    work: Work,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// Lines that are not written yet.
    pending: Mutex<String>,
    writes: AtomicUsize,
    error: Mutex<Option<io::Error>>,
}

impl Log {
    fn create(path: &Path) -> Result<Self, Box<dyn Error>> {
        let queue = Workqueue::builder().name("log").ordered().build()?;
        let mut file = File::create(path)?;
        let state = Arc::new(State::default());
        let work = Work::new({
            let state = state.clone();
            move || state.write_to(&mut file)
        });
        Ok(Self { queue, work, state })
    }

    /// Appends a line; it is written soon.
    fn line(&self, line: &str) {
        let mut pending = self.state.pending.lock().expect("no holder panics");
        pending.push_str(line);
        pending.push('\n');
        drop(pending);
        // `false` if it is pending already, and then it has not looked yet: it takes our line too.
        self.work.queue(&self.queue);
    }

    /// Waits until all lines of before are on the disk.
    async fn flush(&self) -> io::Result<()> {
        self.queue.flush().await;
        self.state.error.lock().expect("no holder panics").take().map_or(Ok(()), Err)
    }
}

impl State {
    /// The work item: may block as long as it likes.
    fn write_to(&self, file: &mut File) {
        let lines = std::mem::take(&mut *self.pending.lock().expect("no holder panics"));
        self.writes.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = file.write_all(lines.as_bytes()).and_then(|()| file.sync_data()) {
            *self.error.lock().expect("no holder panics") = Some(error);
        }
    }
}

#[cmwq::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("log");
    let log = Log::create(&path)?;

    let start = Instant::now();
    let producers: Vec<_> = (0..PRODUCERS).map(|n| cmwq::spawn(produce(n, log.clone()))).collect();
    let mut slowest = Duration::ZERO;
    for producer in producers {
        slowest = slowest.max(producer.await?);
    }
    let produced = start.elapsed();
    log.flush().await?;

    println!("{} lines by {PRODUCERS} tasks in {produced:.1?}", PRODUCERS * LINES);
    println!("the slowest call of line(): {slowest:.1?}");
    println!(
        "on disk after {:.1?}, in {} writes, each followed by fdatasync",
        start.elapsed(),
        log.state.writes.load(Ordering::Relaxed)
    );
    check(&fs::read_to_string(&path)?)
}

/// Returns how long the slowest call took.
async fn produce(producer: usize, log: Log) -> Duration {
    let mut slowest = Duration::ZERO;
    for n in 0..LINES {
        let start = Instant::now();
        log.line(&format!("{producer} {n}"));
        slowest = slowest.max(start.elapsed());
        if n % 100 == 0 {
            cmwq::time::sleep(Duration::from_micros(500)).await;
        }
    }
    slowest
}

/// Every line is there, those of a producer in order.
fn check(text: &str) -> Result<(), Box<dyn Error>> {
    let mut next = [0; PRODUCERS];
    for line in text.lines() {
        let (producer, n) = line.split_once(' ').ok_or("a line is torn")?;
        let (producer, n): (usize, usize) = (producer.parse()?, n.parse()?);
        if n != next[producer] {
            return Err(format!("line {n} of {producer} where {} was due", next[producer]).into());
        }
        next[producer] += 1;
    }
    if next != [LINES; PRODUCERS] {
        return Err(format!("lines are missing: {next:?}").into());
    }
    println!("all of them are there, in order");
    Ok(())
}

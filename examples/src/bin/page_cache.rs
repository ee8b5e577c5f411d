//! A page cache that has run out of memory and of threads, and writes its pages all the same.
//!
//! Writers fill pages. Whoever finds none free blocks until one is, as a thread of a kernel does that
//! needs memory; it becomes free when a dirty page was written to the disk. That is the work of a
//! queue, and it needs a worker. When all workers wait for memory, and no further one can be made,
//! nobody is left to write: unless the queue has a rescuer.
//!
//! `cargo run --release -p cmwq-examples --bin page_cache`

use cmwq::Workqueue;
use cmwq::runtime::{Builder, Runtime};
use std::error::Error;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const PAGE: usize = 16 << 10;
/// All the memory there is.
const MEMORY: usize = 8;
const WRITERS: usize = 16;
const PAGES_PER_WRITER: usize = 20;
const PAGES: usize = WRITERS * PAGES_PER_WRITER;
/// All the threads there are for tasks. RLIMIT_NPROC, `pids.max` or want of memory would do the same.
const WORKERS: usize = 4;
/// What the disk takes for a page.
const DISK: Duration = Duration::from_millis(2);
/// How long nothing may happen before it is called a standstill.
const PATIENCE: Duration = Duration::from_millis(700);

type Page = Box<[u8]>;

struct Cache {
    free: Mutex<Vec<Page>>,
    freed: Condvar,
    disk: File,
    waits: AtomicU64,
    written: AtomicUsize,
}

impl Cache {
    fn new() -> std::io::Result<Arc<Self>> {
        let cache = Self {
            free: Mutex::new(Vec::new()),
            freed: Condvar::new(),
            disk: tempfile::tempfile()?,
            waits: AtomicU64::new(0),
            written: AtomicUsize::new(0),
        };
        cache.grow(MEMORY);
        Ok(Arc::new(cache))
    }

    fn grow(&self, pages: usize) {
        (0..pages).for_each(|_| self.give_back(vec![0; PAGE].into()));
    }

    /// Blocks while there is no memory. In an async program one would await here; the kernel, a
    /// `malloc` hook, a connection pool of somebody else's cannot.
    fn allocate(&self) -> Page {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(page) = free.pop() {
                return page;
            }
            self.waits.fetch_add(1, Ordering::Relaxed);
            free = self.freed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn give_back(&self, page: Page) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(page);
        self.freed.notify_one();
    }

    /// Writes a dirty page and frees it.
    async fn write_back(self: Arc<Self>, number: usize, page: Page) {
        cmwq::time::sleep(DISK).await;
        self.disk.write_all_at(&page, (number * PAGE) as u64).expect("the disk is not full");
        self.written.fetch_add(1, Ordering::SeqCst);
        self.give_back(page);
    }

    fn written(&self) -> usize {
        self.written.load(Ordering::SeqCst)
    }

    /// Does each page on the disk hold what its writer wrote?
    fn is_intact(&self) -> std::io::Result<bool> {
        let mut page = vec![0; PAGE];
        for number in 0..PAGES {
            self.disk.read_exact_at(&mut page, (number * PAGE) as u64)?;
            if page.iter().any(|&byte| byte != contents(number)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn contents(number: usize) -> u8 {
    (number % 251) as u8 + 1
}

fn main() -> Result<(), Box<dyn Error>> {
    // A hang would be the failure: say so instead.
    thread::spawn(|| {
        thread::sleep(Duration::from_secs(30));
        eprintln!("not done within 30 s: the rescuer did not come");
        std::process::exit(1);
    });
    println!(
        "{WRITERS} writers, {PAGES} pages; memory for {MEMORY} of them, {WORKERS} threads for all \
         tasks"
    );
    with_rescuer()?;
    without_rescuer()
}

fn with_rescuer() -> Result<(), Box<dyn Error>> {
    let (runtime, cache) = (runtime()?, Cache::new()?);
    let queue = Workqueue::builder().name("writeback").reclaim().build_on(runtime.handle())?;
    let start = Instant::now();
    let writers = start_writers(&runtime, &cache, &queue);
    runtime.block_on(async {
        for writer in writers {
            writer.await.expect("no writer panics");
        }
        queue.flush().await;
    });
    assert!(cache.is_intact()?);
    println!(
        "with a rescuer: all pages written in {:.0} ms; {} times a thread waited for memory, {} \
         times the pool called mayday",
        start.elapsed().as_secs_f64() * 1e3,
        cache.waits.load(Ordering::Relaxed),
        runtime.metrics().maydays_count()
    );
    Ok(())
}

fn without_rescuer() -> Result<(), Box<dyn Error>> {
    let (runtime, cache) = (runtime()?, Cache::new()?);
    let queue = Workqueue::builder().name("writeback").build_on(runtime.handle())?;
    let writers = start_writers(&runtime, &cache, &queue);
    let stuck_at = wait_for_standstill(&cache);
    let metrics = runtime.metrics();
    println!(
        "without: {stuck_at} pages written, then nothing for {} ms: {} threads wait for memory, and \
         one more could not be made {} times; the pool called mayday {} times, and nobody came",
        PATIENCE.as_millis(),
        metrics.workers_per_core(0),
        metrics.cap_hits() + metrics.thread_creation_failures(),
        metrics.maydays_count()
    );
    // As much as all of them want: nobody waits any more.
    cache.grow(PAGES);
    runtime.block_on(async {
        for writer in writers {
            writer.await.expect("no writer panics");
        }
        queue.flush().await;
    });
    assert!(cache.is_intact()?);
    println!("with more memory it goes on: all {} pages written", cache.written());
    Ok(())
}

fn runtime() -> std::io::Result<Runtime> {
    Ok(Builder::new_multi_thread()
        .worker_threads(1)
        .max_workers_per_core(WORKERS)
        .enable_all()
        .build()?)
}

/// Fills pages and queues each to be written.
fn start_writers(
    runtime: &Runtime,
    cache: &Arc<Cache>,
    queue: &Workqueue,
) -> Vec<cmwq::task::JoinHandle<()>> {
    let writer = |writer: usize| {
        let (cache, queue) = (cache.clone(), queue.clone());
        runtime.spawn(async move {
            for number in writer * PAGES_PER_WRITER..(writer + 1) * PAGES_PER_WRITER {
                let mut page = cache.allocate();
                page.fill(contents(number));
                queue.spawn(cache.clone().write_back(number, page));
            }
        })
    };
    (0..WRITERS).map(writer).collect()
}

/// How many pages were written when no more were.
fn wait_for_standstill(cache: &Cache) -> usize {
    loop {
        let before = cache.written();
        thread::sleep(PATIENCE);
        if cache.written() == before {
            return before;
        }
    }
}

//! Random reads of 4 KiB from a file in the page cache.

use std::{
    fs::File,
    io::{SeekFrom, Write},
    os::unix::fs::{FileExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Instant,
};

use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::{
    Result,
    case::{Case, Limit, PER_SECOND, Row, Sample, Settings},
    child::measured::finish,
    contender::Contender::{self, *},
    measure::counters::Counters,
    on,
    runtimes::Runtime,
};

const BLOCK: usize = 4096;
const BLOCKS: u64 = 4096;

pub struct Files;

impl Case for Files {
    fn name(&self) -> &'static str {
        "files"
    }

    fn about(&self) -> &'static str {
        "random 4 KiB from the page cache: std::fs in a task, tokio::fs, spawn_blocking, threads"
    }

    fn rows(&self, _: &Settings) -> Vec<Row> {
        [1, 64]
            .map(|tasks| {
                let name = if tasks == 1 { "1 task".into() } else { format!("{tasks} tasks") };
                Row::new(name, &[PER_SECOND], move |contender, settings| match contender {
                    Threads => threads(settings, tasks),
                    _ => on!(contender, measure(settings, tasks)),
                })
                .contenders([TokioFs, TokioSpawnBlocking, Cmwq, CmwqUnprivileged, CmwqOff, Threads])
                .ratio(PER_SECOND, TokioFs, Limit::AtLeast(10.0))
                .ratio(PER_SECOND, Threads, Limit::AtLeast(0.9))
            })
            .into()
    }
}

/// A file in which each block says its own number.
struct Numbered(PathBuf);

impl Numbered {
    fn create() -> Result<Numbered> {
        let path = std::env::temp_dir().join(format!("cmwq-benches-{}", std::process::id()));
        let mut file = File::create(&path)
            .map_err(|error| format!("cannot create {} ({error})", path.display()))?;
        let numbered = Numbered(path);
        file.set_permissions(PermissionsExt::from_mode(0o600))?;
        let mut block = [0; BLOCK];
        for number in 0..BLOCKS {
            block[..8].copy_from_slice(&number.to_ne_bytes());
            file.write_all(&block)?;
        }
        Ok(numbered)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Numbered {
    fn drop(&mut self) {
        // It is in the folder for temporary files.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Which block comes next: every number in an order that read-ahead cannot guess.
fn next(block: u64) -> u64 {
    (block * 1_103_515_245 + 12_345) % BLOCKS
}

fn check(block: u64, bytes: &[u8; BLOCK]) -> Result<()> {
    match bytes[..8] == block.to_ne_bytes() {
        true => Ok(()),
        false => Err(format!("a read of block {block} gave another").into()),
    }
}

/// Reads until told to stop; the number of reads.
#[derive(Clone)]
struct Reader {
    file: Arc<File>,
    stop: Arc<AtomicBool>,
    first: u64,
}

impl Reader {
    fn read(&self, block: u64) -> Result<()> {
        let mut bytes = [0; BLOCK];
        self.file.read_exact_at(&mut bytes, block * BLOCK as u64)?;
        check(block, &bytes)
    }

    fn on_thread(&self) -> Result<u64> {
        let (mut block, mut reads) = (self.first, 0);
        while !self.stop.load(Relaxed) {
            self.read(block)?;
            block = next(block);
            reads += 1;
        }
        Ok(reads)
    }

    /// The same in a task, which lets others run now and then.
    async fn in_task<R: Runtime>(self) -> Result<u64> {
        let (mut block, mut reads) = (self.first, 0);
        while !self.stop.load(Relaxed) {
            self.read(block)?;
            block = next(block);
            reads += 1;
            if reads % 64 == 0 {
                R::yield_now().await;
            }
        }
        Ok(reads)
    }

    async fn by_spawn_blocking<R: Runtime>(self) -> Result<u64> {
        let (mut block, mut reads) = (self.first, 0);
        while !self.stop.load(Relaxed) {
            let reader = self.clone();
            R::spawn_blocking(move || reader.read(block)).await?;
            block = next(block);
            reads += 1;
        }
        Ok(reads)
    }

    async fn by_tokio_fs(self) -> Result<u64> {
        let mut file = tokio::fs::File::from_std(self.file.try_clone()?);
        let (mut block, mut reads) = (self.first, 0);
        let mut bytes = [0; BLOCK];
        while !self.stop.load(Relaxed) {
            file.seek(SeekFrom::Start(block * BLOCK as u64)).await?;
            file.read_exact(&mut bytes).await?;
            check(block, &bytes)?;
            block = next(block);
            reads += 1;
        }
        Ok(reads)
    }
}

/// Readers of one file, each with a place of its own.
fn readers(path: &Path, number: usize) -> Result<(Vec<Reader>, Arc<AtomicBool>)> {
    let stop = Arc::new(AtomicBool::new(false));
    // Each opens it: tokio::fs moves the position of its file.
    let readers = (0..number).map(|n| {
        let file = Arc::new(File::open(path)?);
        Ok(Reader { file, stop: stop.clone(), first: n as u64 * 61 % BLOCKS })
    });
    Ok((readers.collect::<Result<_>>()?, stop))
}

fn measure<R: Runtime>(contender: Contender, settings: &Settings, tasks: usize) -> Result<Sample> {
    let file = Numbered::create()?;
    let (readers, stop) = readers(file.path(), tasks)?;
    let runtime = R::start(contender, settings.cores)?;
    let counters = Counters::now()?;
    let start = Instant::now();
    let handles: Vec<_> = runtime.block_on(async {
        let spawn = |reader: Reader| match contender {
            TokioFs => R::spawn(boxed(reader.by_tokio_fs())),
            TokioSpawnBlocking => R::spawn(boxed(reader.by_spawn_blocking::<R>())),
            _ => R::spawn(boxed(reader.in_task::<R>())),
        };
        readers.into_iter().map(spawn).collect()
    });
    thread::sleep(settings.window());
    stop.store(true, Relaxed);
    let reads = runtime.block_on(async {
        let mut reads = 0;
        for handle in handles {
            reads += handle.await?;
        }
        Ok::<_, crate::Error>(reads)
    })?;
    Ok(finish(runtime, sample(reads, start, &counters)?))
}

type Boxed = std::pin::Pin<Box<dyn Future<Output = Result<u64>> + Send>>;

/// One type for the three ways; a box for each task, not for each read.
fn boxed(future: impl Future<Output = Result<u64>> + Send + 'static) -> Boxed {
    Box::pin(future)
}

fn threads(settings: &Settings, number: usize) -> Result<Sample> {
    let file = Numbered::create()?;
    let (readers, stop) = readers(file.path(), number)?;
    let counters = Counters::now()?;
    let start = Instant::now();
    let threads: Vec<_> =
        readers.into_iter().map(|reader| thread::spawn(move || reader.on_thread())).collect();
    thread::sleep(settings.window());
    stop.store(true, Relaxed);
    let mut reads = 0;
    for thread in threads {
        reads += thread.join().map_err(|_| "a reader panicked")??;
    }
    sample(reads, start, &counters)
}

fn sample(reads: u64, start: Instant, counters: &Counters) -> Result<Sample> {
    if reads == 0 {
        return Err("nothing was read".into());
    }
    let per_second = reads as f64 / start.elapsed().as_secs_f64();
    counters.per(reads, Sample::default().with(PER_SECOND, per_second))
}

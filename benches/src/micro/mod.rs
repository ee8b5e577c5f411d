//! Small pieces of work that are repeated in batches.
//!
//! A [`Micro`] is written once against [`Runtime`]; the cases time its batches on every contender,
//! `cargo bench` gives the same batches to criterion. Each batch counts what ran and fails when
//! something is missing, so that a runtime cannot be fast by losing work.

pub mod channels;
pub mod remote;
pub mod scheduler;
pub mod short;
pub mod timers;

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::Duration,
};

use crate::{
    Result,
    case::{Row, Sample, Settings},
    child::measured::finish,
    contender::Contender,
    measure::throughput::throughput,
    on,
    runtimes::{Bare, Runtime},
};

/// A batch that takes longer than this has lost something.
const LOST: Duration = Duration::from_secs(20);

/// Work in batches.
pub trait Micro: Copy + 'static {
    fn name(&self) -> String;

    /// Prepares; each call of what it returns makes one batch and says of how many operations.
    fn batches<R: Runtime>(&self, runtime: &R, cores: usize) -> impl FnMut() -> Result<u64>;

    /// A row that measures operations per second.
    fn row(self) -> Row {
        let name = self.name();
        Row::new(name, &[crate::case::PER_SECOND], move |contender, settings| match contender {
            Contender::Bare => measure::<Bare>(contender, settings, self),
            _ => on!(contender, measure(settings, self)),
        })
    }
}

fn measure<R: Runtime>(
    contender: Contender,
    settings: &Settings,
    work: impl Micro,
) -> Result<Sample> {
    let runtime = R::start(contender, settings.cores)?;
    let sample = throughput(settings, work.batches(&runtime, settings.cores))?;
    Ok(finish(runtime, sample))
}

/// Runs it in a task rather than in `block_on`, and gives it back.
pub fn inside<R: Runtime, T: Send + 'static>(
    runtime: &R,
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    runtime.block_on(async { R::spawn(work).await })
}

/// Counts what ran and says when all has.
pub struct Tally {
    ran: Arc<AtomicU64>,
    done: SyncSender<()>,
    all_done: Receiver<()>,
}

/// A task's part of it.
#[derive(Clone)]
pub struct Ticket {
    ran: Arc<AtomicU64>,
    done: SyncSender<()>,
    of: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self::new()
    }
}

impl Tally {
    pub fn new() -> Tally {
        let (done, all_done) = sync_channel(1);
        Tally { ran: Arc::default(), done, all_done }
    }

    /// Begins a batch.
    pub fn expect(&self, of: u64) -> Ticket {
        self.ran.store(0, Relaxed);
        Ticket { ran: self.ran.clone(), done: self.done.clone(), of }
    }

    /// Blocks until all tickets of the batch were used.
    pub fn wait(&self, of: u64) -> Result<u64> {
        match self.all_done.recv_timeout(LOST) {
            Ok(()) => Ok(of),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                Err(format!("{} of {of} ran", self.ran.load(Relaxed)).into())
            }
        }
    }
}

impl Ticket {
    /// Something ran.
    pub fn used(&self) {
        if self.ran.fetch_add(1, Relaxed) + 1 == self.of {
            // The receiver lives as long as the batch.
            let _ = self.done.send(());
        }
    }
}

/// The check of a batch: as many as there should be.
pub fn expect(what: &str, is: u64, should_be: u64) -> Result<u64> {
    if is == should_be { Ok(is) } else { Err(format!("{is} {what} of {should_be}").into()) }
}

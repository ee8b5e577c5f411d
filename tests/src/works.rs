//! Work items for tests: one that counts, and one that waits.

use cmwq::{Work, Workqueue};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// A delay that is soon over.
pub const SOON: Duration = Duration::from_millis(2);
/// Longer than any test.
pub const HOUR: Duration = Duration::from_secs(3600);

/// A bound queue of the runtime that this thread is in.
///
/// # Panics
/// Outside of a runtime.
pub fn queue() -> Workqueue {
    Workqueue::builder().build().unwrap()
}

/// A work item that counts its executions.
pub fn counted() -> (Work, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let runs = count.clone();
    let work = Work::new(move || {
        runs.fetch_add(1, Ordering::SeqCst);
    });
    (work, count)
}

/// A work item whose execution lasts until it is told to end.
pub struct Gate {
    /// The item.
    pub work: Work,
    /// Tells of each execution that begins.
    pub entered: mpsc::Receiver<()>,
    leave: mpsc::Sender<()>,
    runs: Arc<AtomicUsize>,
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    /// Not queued yet.
    pub fn new() -> Self {
        let (enter, entered) = mpsc::channel();
        let (leave, left) = mpsc::channel();
        let runs = Arc::new(AtomicUsize::new(0));
        let count = runs.clone();
        let work = Work::new(move || {
            let _ = enter.send(());
            let _ = left.recv();
            count.fetch_add(1, Ordering::SeqCst);
        });
        Self { work, entered, leave, runs }
    }

    /// Queues it and waits until it runs.
    ///
    /// # Panics
    /// If it is pending already.
    pub fn run(&self, queue: &Workqueue) {
        assert!(self.work.queue(queue));
        self.entered.recv().unwrap();
    }

    /// As [`run`](Self::run), on a CPU.
    ///
    /// # Panics
    /// If it is pending already, or nobody serves the CPU.
    pub fn run_on(&self, cpu: usize, queue: &Workqueue) {
        assert!(self.work.queue_on(cpu, queue));
        self.entered.recv().unwrap();
    }

    /// Lets one execution end.
    ///
    /// # Panics
    /// If the item is gone.
    pub fn end(&self) {
        self.leave.send(()).unwrap();
    }

    /// Executions that have ended.
    pub fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }
}

/// At most two CPUs that work can be queued on.
pub fn cpus(queue: &Workqueue) -> Vec<usize> {
    let probe = Work::new(|| ());
    let known = |cpu: &usize| {
        let is_known = probe.queue_on(*cpu, queue);
        probe.flush_blocking();
        is_known
    };
    (0..4096).filter(known).take(2).collect()
}

/// How often it was counted.
pub fn value(count: &AtomicUsize) -> usize {
    count.load(Ordering::SeqCst)
}

//! Works for the tests of dedicated workers.

use cmwq::dedicated::{DedicatedWork, DedicatedWorker};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};

/// A worker with a thread and default settings.
pub fn worker() -> DedicatedWorker {
    DedicatedWorker::builder().build().expect("a thread")
}

/// A worker that collects works.
pub fn without_thread() -> DedicatedWorker {
    DedicatedWorker::builder().without_thread().build().expect("no thread is needed")
}

/// What the works of a test write into, in their order.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<usize>>>);

impl Log {
    /// Writes its number.
    pub fn work(&self, number: usize) -> DedicatedWork {
        let log = self.clone();
        DedicatedWork::new(move || log.push(number))
    }

    /// Writes a number.
    pub fn push(&self, number: usize) {
        self.0.lock().unwrap().push(number);
    }

    /// What has been written since the last time.
    pub fn take(&self) -> Vec<usize> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// A work whose execution lasts until it is told to end.
pub struct Gate {
    /// The work.
    pub work: DedicatedWork,
    /// Told by each execution when it begins.
    pub entered: mpsc::Receiver<()>,
    /// Ends one execution.
    pub leave: mpsc::Sender<()>,
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    /// An open one.
    pub fn new() -> Self {
        let ((enter, entered), (leave, left)) = (mpsc::channel(), mpsc::channel());
        let work = DedicatedWork::new(move || {
            let _ = enter.send(());
            let _ = left.recv();
        });
        Self { work, entered, leave }
    }

    /// Queues it and waits until it runs.
    pub fn shut(&self, worker: &DedicatedWorker) {
        assert!(self.work.queue(worker));
        self.entered.recv().expect("it runs");
    }

    /// The execution that waits, or the next one, ends.
    pub fn open(&self) {
        self.leave.send(()).expect("it waits");
    }
}

/// Polls once, and says whether that was enough.
pub fn is_ready(future: Pin<&mut impl Future>) -> bool {
    matches!(future.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(_))
}

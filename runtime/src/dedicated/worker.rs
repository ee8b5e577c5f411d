//! The handle of a dedicated worker.

use super::builder::Builder;
use super::error::WorkerError;
use super::shared::Shared;
use super::thread::{self, Granted};
use super::wait::{Flush, Wait, block_on, hand_over};
use std::fmt;
use std::future::Future;
use std::sync::Arc;

/// One worker on one thread of its own, which executes what is queued in that order: the kernel's
/// `kthread_worker`. See the [module](super) for what it is for.
///
/// The handle is cheap to clone. Dropping the last one does not block: as with
/// [`destroy`](Self::destroy), what is queued is still executed (if a thread serves the worker), what
/// waits for its delay is cancelled, and then the thread ends; nobody waits for that. So a program that
/// wants to see the end of it calls `destroy`, or [`flush`](Self::flush) before the drop.
///
/// # Examples
///
/// Served by a thread of the program's own, which was made for something else:
///
/// ```
/// use cmwq::dedicated::{DedicatedWork, DedicatedWorker};
///
/// let worker = DedicatedWorker::builder().name("ui").without_thread().build()?;
/// let work = DedicatedWork::new(|| println!("on the main thread"));
/// assert!(work.queue(&worker), "collected");
/// let stop = {
///     let worker = worker.clone();
///     DedicatedWork::new(move || drop(worker.stop()))
/// };
/// stop.queue(&worker);
/// worker.run()?;
/// assert!(!work.is_pending());
/// # Ok::<(), cmwq::dedicated::WorkerError>(())
/// ```
#[derive(Clone)]
pub struct DedicatedWorker {
    handle: Arc<Handle>,
}

/// What the clones share: its drop is that of the last one.
struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        // In a forked child the lock may be held for ever, and there is no thread to be ended.
        if !self.shared.is_forked() {
            self.shared.end();
        }
    }
}

impl DedicatedWorker {
    /// Settings of a new worker.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { handle: Arc::new(Handle { shared }) }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.shared().settings.name
    }

    // Serving.

    /// Gives the worker a thread of its own, as its builder was told, and waits until it has begun.
    ///
    /// # Errors
    ///
    /// A thread serves it already, it was destroyed, or the operating system refuses the thread or its
    /// CPUs.
    pub fn start(&self) -> Result<(), WorkerError> {
        thread::start(self.shared())
    }

    /// Serves the worker on the calling thread, until [`stop`](Self::stop) is called or the worker was
    /// destroyed and all that was queued is done. The kernel's `kthread_worker_fn`.
    ///
    /// Different threads may serve a worker, one after the other; the thread keeps the CPUs and the
    /// priority that it has. Inside of a task the core is handed over for as long as it lasts.
    ///
    /// # Errors
    ///
    /// A thread serves it already, or it was destroyed.
    pub fn run(&self) -> Result<(), WorkerError> {
        let seat = self.shared().take_seat()?;
        hand_over();
        seat.serve();
        Ok(())
    }

    /// Asks the thread that serves the worker to leave after the present execution, at once, and gives
    /// a future that waits until it has. Its output tells whether there was one. What is queued, and
    /// what is queued later, is kept for the next thread. The kernel's `kthread_stop`.
    ///
    /// On the serving thread itself, that is inside of a closure, it does not wait. A worker that is
    /// being destroyed executes first what it has.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the wait; the thread leaves all the same.
    pub fn stop(&self) -> impl Future<Output = bool> + Send + 'static {
        let wait = self.shared().stop().map(|until| Wait::new(self.shared(), until));
        async move {
            match wait {
                Some(wait) => {
                    wait.await;
                    true
                }
                None => false,
            }
        }
    }

    /// As [`stop`](Self::stop), blocking the thread. Inside of a task the core is handed over
    /// meanwhile.
    pub fn stop_blocking(&self) -> bool {
        block_on(self.stop())
    }

    /// Does a thread serve it? The answer may be old when it arrives.
    pub fn is_served(&self) -> bool {
        self.shared().locked(|books, _| books.server.is_some())
    }

    /// What its own thread got; `None` while there is none, or [`run`](Self::run) serves.
    pub fn granted(&self) -> Option<Arc<Granted>> {
        self.shared().granted()
    }

    // Waiting.

    /// Waits until everything is over that was queued before this call. What waits for its delay does
    /// not count, and nothing that is queued later delays it. While no thread serves the worker it
    /// waits for one to come.
    ///
    /// On the worker's own thread, that is inside of a closure, it is over at once: it would wait for
    /// itself. (In the kernel that is a deadlock.)
    ///
    /// # Cancel safety
    ///
    /// Dropping it has no effect on the worker. A new flush waits for what was queued before the new
    /// one.
    ///
    /// # Examples
    ///
    /// ```
    /// use cmwq::dedicated::{DedicatedWork, DedicatedWorker};
    ///
    /// # #[cmwq::main]
    /// # async fn main() -> Result<(), cmwq::dedicated::WorkerError> {
    /// let worker = DedicatedWorker::builder().build()?;
    /// let works: Vec<_> = (0..3).map(|n| DedicatedWork::new(move || println!("{n}"))).collect();
    /// assert!(works.iter().all(|work| work.queue(&worker)));
    /// worker.flush().await;
    /// assert!(works.iter().all(|work| !work.is_busy()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn flush(&self) -> Flush {
        let shared = self.shared();
        shared.assert_not_forked();
        let until = shared.locked(|books, _| {
            books.promote();
            books.all()
        });
        Flush::new(Wait::new(shared, until))
    }

    /// As [`flush`](Self::flush), blocking the thread. Inside of a task the core is handed over
    /// meanwhile.
    pub fn flush_blocking(&self) {
        block_on(self.flush());
    }

    /// Ends the worker, whatever other handles there are, and gives a future that waits for that. What
    /// is queued is executed, and then the thread leaves. From the call on nothing is queued any more,
    /// not even by the closures (the kernel would leave it in the list, with a warning); what waits for
    /// its delay is cancelled. If no thread serves the worker, everything is.
    ///
    /// Inside of one of its closures it does not wait. A second call waits too.
    ///
    /// # Cancel safety
    ///
    /// It begins with the call. Dropping the future ends the wait only.
    pub fn destroy(self) -> impl Future<Output = ()> + Send + 'static {
        self.shared().assert_not_forked();
        let wait = self.shared().end().map(|until| Wait::new(self.shared(), until));
        async move {
            if let Some(wait) = wait {
                wait.await;
            }
        }
    }

    /// As [`destroy`](Self::destroy), blocking the thread. Inside of a task the core is handed over
    /// meanwhile.
    pub fn destroy_blocking(self) {
        block_on(self.destroy());
    }
}

impl fmt::Debug for DedicatedWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DedicatedWorker")
            .field("name", &self.name())
            .field("served", &self.is_served())
            .finish_non_exhaustive()
    }
}

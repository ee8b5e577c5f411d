//! The handle of a workqueue.

use super::builder::Builder;
use super::flush::Flush;
use super::queue::{Place, Queue};
use crate::task::JoinHandle;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

/// A workqueue: futures and work items with an order, a limit, and an end that can be waited for.
///
/// The handle is cheap to clone.
#[derive(Clone)]
pub struct Workqueue {
    pub(crate) queue: Arc<Queue>,
}

impl Workqueue {
    /// Settings of a new queue.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(super) fn new(queue: Arc<Queue>) -> Self {
        Self { queue }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.queue.common.name
    }

    /// Queues a future.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.queue.spawn(Place::Local, future, Location::caller())
    }

    /// Queues a future on the pool of a CPU.
    #[track_caller]
    pub fn spawn_on<F>(&self, cpu: usize, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.queue.spawn(Place::Cpu(cpu), future, Location::caller())
    }

    /// Waits until everything is done that was queued before this call; nothing that is queued later
    /// delays it.
    pub fn flush(&self) -> Flush {
        self.queue.flush()
    }
}

impl fmt::Debug for Workqueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workqueue").field("name", &self.name()).finish_non_exhaustive()
    }
}

//! The handle of a workqueue.

use super::builder::Builder;
use super::drain::Draining;
use super::flush::Flush;
use super::queue::{Place, Queue};
use crate::runtime::Handle;
use crate::task::JoinHandle;
use crate::time::error::Elapsed;
use futures_task::{FutureObj, Spawn, SpawnError};
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// A workqueue: futures and work items with an order, a limit, and an end that can be waited for.
///
/// The handle is cheap to clone. Dropping the last one neither blocks nor aborts: what is queued goes
/// on, and the queue is gone when its last item is done. A clone that is held by an item of the queue
/// lives as long as that item and not longer; so it keeps the queue no longer than the item does
/// anyway. (An item that never ends keeps its queue until the runtime ends.)
///
/// # Futures
///
/// A future is *in progress* from its first poll to completion, also while it awaits, and that whole
/// span counts for `max_active`, for order and for [`flush`](Self::flush). Up to then it is
/// *inactive* and waits in the order of queueing. Aborting an inactive future takes it out at once;
/// its drop is run by a worker.
///
/// A task that awaits the `JoinHandle` of an inactive one of its own queue lends it its slot, so that
/// a limit is not a deadlock; on an ordered queue, where that would break the order, the await
/// returns an error with [`is_deadlock`](crate::task::JoinError::is_deadlock). Only what the task
/// itself awaits is noticed: not a wait through a channel, nor through another task.
///
/// # Examples
///
/// ```
/// use cmwq::Workqueue;
///
/// # #[cmwq::main]
/// # async fn main() -> Result<(), cmwq::workqueue::BuildError> {
/// let log = Workqueue::builder().name("log").ordered().build()?;
/// for line in ["one", "two", "three"] {
///     log.spawn(async move {
///         // Blocks, and only the log waits.
///         println!("{line}");
///     });
/// }
/// log.flush().await;
/// # Ok(())
/// # }
/// ```
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

    /// Queues a future: on a bound queue on the CPU of the caller, on an unbound one on the pool that
    /// serves that CPU.
    ///
    /// A queue that drains or is destroyed drops the future, unless one of the queue's own items
    /// queues it; awaiting the handle then gives an error with
    /// [`is_rejected`](crate::task::JoinError::is_rejected). After the runtime's shutdown it is one
    /// with [`is_cancelled`](crate::task::JoinError::is_cancelled).
    ///
    /// # Panics
    ///
    /// In a process forked from the one that built the queue's runtime.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.queue.spawn(Place::Local, future, Location::caller())
    }

    /// As [`spawn`](Self::spawn), on the pool of a CPU. It is rejected if no worker of the runtime
    /// serves that CPU. In a runtime whose workers are not pinned, `cpu` is the number of a core.
    ///
    /// On an unbound queue it is the pool whose group has the CPU, or any if the queue does not use it.
    ///
    /// # Panics
    ///
    /// As [`spawn`](Self::spawn).
    #[track_caller]
    pub fn spawn_on<F>(&self, cpu: usize, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.queue.spawn(Place::Cpu(cpu), future, Location::caller())
    }

    /// As [`spawn`](Self::spawn), on a NUMA node of an unbound queue. If the queue has no CPU on that
    /// node it is any; if there is no such node, or the queue is bound, the future is rejected.
    ///
    /// # Panics
    ///
    /// As [`spawn`](Self::spawn).
    #[track_caller]
    pub fn spawn_on_node<F>(&self, node: usize, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.queue.spawn(Place::Node(node), future, Location::caller())
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        Handle { shared: self.queue.common.shared.clone() }.block_on(future)
    }

    /// Waits until everything is done that was queued before this call. Nothing that is queued later
    /// delays it, and any number of flushes may wait at once.
    ///
    /// It waits for futures until they complete: for one that never ends it waits for ever, and an
    /// item that flushes its own queue waits for itself. See [`flush_timeout`](Self::flush_timeout).
    ///
    /// # Cancel safety
    ///
    /// Dropping it has no effect on the queue. A new flush waits for what was queued before the new
    /// one.
    pub fn flush(&self) -> Flush {
        self.queue.flush()
    }

    /// As [`flush`](Self::flush), blocking the thread. Inside of a task the core is handed over
    /// first.
    pub fn flush_blocking(&self) {
        self.block_on(self.flush());
    }

    /// As [`flush`](Self::flush), for at most `timeout`.
    ///
    /// # Errors
    ///
    /// Something that was queued before was not done by then.
    pub async fn flush_timeout(&self, timeout: Duration) -> Result<(), Elapsed> {
        crate::time::timeout(timeout, self.flush()).await
    }

    /// Waits until the queue is empty. Meanwhile it takes only what its own items queue; what comes
    /// from outside is rejected. Wakes are never refused, nor is what is inactive already.
    ///
    /// It begins with the call, not with the first poll, and ends when the future is done or dropped. A
    /// future that is kept and not polled, or forgotten, keeps the queue closed, the latter for ever.
    /// While items go on queueing others it goes on too, with a warning at the 10th and at each 100th
    /// round.
    pub fn drain(&self) -> impl Future<Output = ()> + Send + 'static {
        Draining::begin(&self.queue, false).run()
    }

    /// As [`drain`](Self::drain), blocking the thread. Inside of a task the core is handed over
    /// first.
    pub fn drain_blocking(&self) {
        self.block_on(self.drain());
    }

    /// As [`drain`](Self::drain), for good: the queue, which other handles may still refer to, takes
    /// nothing from outside any more, even if the future is dropped early.
    ///
    /// Also the queues that every runtime has (as [`system`](crate::workqueue::system)) can be
    /// destroyed, with all that depends on them; see there.
    pub fn destroy(self) -> impl Future<Output = ()> + Send + 'static {
        Draining::begin(&self.queue, true).run()
    }

    /// As [`destroy`](Self::destroy), blocking the thread. Inside of a task the core is handed over
    /// first.
    pub fn destroy_blocking(self) {
        let draining = Draining::begin(&self.queue, true).run();
        self.block_on(draining);
    }

    /// Aborts all futures that are in the queue, in progress or not, as
    /// [`JoinHandle::abort`] does. Work items are not affected. Does not wait; a
    /// [`flush`](Self::flush) does.
    pub fn abort_all(&self) {
        self.queue.abort_all();
    }

    /// Stops the queue: nothing of it is polled, and what is woken or queued waits. Polls that are
    /// under way go on to their end, which is not waited for. Aborted futures are dropped all the same.
    pub fn freeze(&self) {
        self.queue.set_frozen(true);
    }

    /// Ends a [`freeze`](Self::freeze): everything goes on in the order in which it came. A freezable
    /// queue of a runtime that is frozen stays so until that is thawed.
    pub fn thaw(&self) {
        self.queue.set_frozen(false);
    }

    /// Is the queue frozen, by itself or with its runtime?
    pub fn is_frozen(&self) -> bool {
        self.queue.admin().is_frozen()
    }
}

/// A spawner for code that is generic over executors. The future is queued as with
/// [`Workqueue::spawn`], and detached.
///
/// It fails with "shutdown" where the future would be rejected.
impl Spawn for Workqueue {
    #[track_caller]
    fn spawn_obj(&self, future: FutureObj<'static, ()>) -> Result<(), SpawnError> {
        self.queue
            .spawn_detached(Place::Local, future, Location::caller())
            .map_err(|_| SpawnError::shutdown())
    }
}

impl fmt::Debug for Workqueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workqueue")
            .field("name", &self.name())
            .field("flags", &self.queue.common.flags)
            .finish_non_exhaustive()
    }
}

//! The handle of a work item.

use super::control::Control;
use super::flush::{Flush, Which};
use super::link::Destination;
use super::run::{Execute, WorkSched};
use crate::task::{Birth, Id, WorkTask};
use crate::workqueue::Workqueue;
use crate::workqueue::queue::Place;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// A closure that can be queued again and again, on any [`Workqueue`]: the kernel's `work_struct` and
/// `delayed_work` in one.
///
/// Queueing is possible from any thread, inside of a runtime or not. While the work is *pending*
/// (queued, or waiting for its delay) it is not queued a second time. It is pending no more when its
/// closure is called, so queueing it during an execution gives one more. The closure may block.
///
/// No two executions overlap, whichever queues and CPUs it is queued on. (In the kernel that holds
/// for one workqueue only.) If it is queued elsewhere while it runs, it waits for the end of the
/// execution, and then runs where it was queued last.
///
/// The handle is cheap to clone. A pending work runs also when all its handles are dropped; otherwise
/// the last handle drops the closure. A closure that holds a handle of its own work keeps it for
/// ever: let it hold a [`WeakWork`], as in the second example.
///
/// If the closure panics, the panic is reported through `tracing` with the place where the work was
/// made, and counted; the work can be queued again. A runtime that is configured to shut down on an
/// unhandled panic does so.
///
/// When the runtime of the queue shuts down, what is pending is not executed (as if it were
/// cancelled), and queueing returns `false` from then on. The work can go on in another runtime. While
/// a task that blocks keeps the old one alive it may stay pending there; [`cancel`](Work::cancel) takes
/// it back. And the other way round, a runtime waits for an execution elsewhere of what is pending in it.
///
/// # Examples
///
/// ```
/// use cmwq::{Work, Workqueue};
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// # #[cmwq::main]
/// # async fn main() -> Result<(), cmwq::workqueue::BuildError> {
/// let queue = Workqueue::builder().name("flush").build()?;
/// let runs = Arc::new(AtomicUsize::new(0));
/// let count = runs.clone();
/// let work = Work::new(move || {
///     count.fetch_add(1, Ordering::Relaxed);
/// });
/// for _ in 0..3 {
///     assert!(work.queue(&queue));
///     work.flush().await;
/// }
/// assert_eq!(runs.load(Ordering::Relaxed), 3);
/// # Ok(())
/// # }
/// ```
///
/// A work that queues itself:
///
/// ```
/// use cmwq::{Work, Workqueue};
/// use std::time::Duration;
///
/// # #[cmwq::main]
/// # async fn main() -> Result<(), cmwq::workqueue::BuildError> {
/// let queue = Workqueue::builder().build()?;
/// let (target, (send, mut ticks)) = (queue.clone(), cmwq::sync::mpsc::unbounded_channel());
/// let ticker = Work::new_cyclic(|own| {
///     move || {
///         if let Some(own) = own.upgrade() {
///             let _ = send.send(());
///             own.queue_delayed(&target, Duration::from_millis(1));
///         }
///     }
/// });
/// ticker.queue(&queue);
/// for _ in 0..3 {
///     ticks.recv().await;
/// }
/// ticker.cancel_sync().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Work {
    inner: Arc<Inner>,
}

/// A handle that does not keep its [`Work`]; see there.
#[derive(Clone)]
pub struct WeakWork {
    inner: Weak<Inner>,
}

struct Inner {
    task: WorkTask,
    control: Arc<Control<Destination>>,
}

impl Work {
    /// Makes a work item from a closure. It belongs to no queue and no runtime.
    #[track_caller]
    pub fn new<F>(closure: F) -> Self
    where
        F: FnMut() + Send + 'static,
    {
        Self { inner: Arc::new(Inner::new(closure, Location::caller())) }
    }

    /// Makes a work item whose closure may know it. The handle that `make` is given can be upgraded
    /// when the work has been made, and as long as one of its handles is left: a work that queues
    /// itself stops when nobody else has it.
    #[track_caller]
    pub fn new_cyclic<F>(make: impl FnOnce(WeakWork) -> F) -> Self
    where
        F: FnMut() + Send + 'static,
    {
        let location = Location::caller();
        let inner =
            Arc::new_cyclic(|inner| Inner::new(make(WeakWork { inner: inner.clone() }), location));
        Self { inner }
    }

    /// A handle that does not keep the work.
    pub fn downgrade(&self) -> WeakWork {
        WeakWork { inner: Arc::downgrade(&self.inner) }
    }

    /// Its id, which no other work item and no task has; see
    /// [`current_work`](crate::workqueue::current_work).
    pub fn id(&self) -> Id {
        self.inner.task.id()
    }

    // Queueing.

    /// Queues the work on the pool near the caller. Returns whether it did: `false` if it is pending
    /// already or disabled, and if the queue is being drained, was destroyed, or its runtime shuts
    /// down.
    ///
    /// After `true`, and after `false` because it is pending, an execution follows that sees
    /// everything that was stored before this call.
    ///
    /// # Panics
    ///
    /// In a process forked from the one that built the queue's runtime: nothing would run there.
    pub fn queue(&self, queue: &Workqueue) -> bool {
        self.queue_at(queue, Place::Local)
    }

    /// As [`queue`](Self::queue), on the pool that serves a CPU. The work stays there: bound pools are
    /// not stolen from.
    ///
    /// CPUs are counted as the system does; where the workers are not pinned, CPU `n` is core `n`.
    /// `false` also if the queue has no such CPU. (The kernel would use it when it comes online.)
    ///
    /// # Panics
    ///
    /// As [`queue`](Self::queue).
    pub fn queue_on(&self, cpu: usize, queue: &Workqueue) -> bool {
        queue.queue.knows(Place::Cpu(cpu)) && self.queue_at(queue, Place::Cpu(cpu))
    }

    /// As [`queue`](Self::queue), on a CPU of a NUMA node.
    ///
    /// # Panics
    ///
    /// As [`queue`](Self::queue).
    pub fn queue_on_node(&self, node: usize, queue: &Workqueue) -> bool {
        queue.queue.knows(Place::Node(node)) && self.queue_at(queue, Place::Node(node))
    }

    fn queue_at(&self, queue: &Workqueue, place: Place) -> bool {
        self.inner.control.queue(&self.inner.task, &mut destination(queue, place))
    }

    /// Queues the work when `delay` has passed; a delay of zero is none. It is pending meanwhile.
    /// Returns as [`queue`](Self::queue) does.
    ///
    /// The queue is asked when the delay has passed: one that refuses then leaves the work idle. A
    /// flush or a drain of the queue does not wait for the delay.
    ///
    /// # Panics
    ///
    /// As [`queue`](Self::queue).
    ///
    /// # Examples
    ///
    /// ```
    /// use cmwq::{Work, Workqueue};
    /// use std::time::Duration;
    ///
    /// # #[cmwq::main]
    /// # async fn main() -> Result<(), cmwq::workqueue::BuildError> {
    /// let queue = Workqueue::builder().build()?;
    /// let work = Work::new(|| println!("too late"));
    /// assert!(work.queue_delayed(&queue, Duration::from_secs(60)));
    /// assert!(work.is_pending());
    /// assert!(work.cancel());
    /// # Ok(())
    /// # }
    /// ```
    pub fn queue_delayed(&self, queue: &Workqueue, delay: Duration) -> bool {
        let target = destination(queue, Place::Local);
        self.inner.control.queue_delayed(&self.inner.task, target, delay)
    }

    /// Queues the work anew when `delay` has passed from now, whether or not it is pending; on
    /// `queue`, whatever it was queued on before. Returns whether it was pending.
    ///
    /// A disabled work stays idle.
    ///
    /// # Panics
    ///
    /// As [`queue`](Self::queue).
    pub fn mod_delayed(&self, queue: &Workqueue, delay: Duration) -> bool {
        let target = destination(queue, Place::Local);
        self.inner.control.mod_delayed(&self.inner.task, target, delay)
    }

    // Waiting.

    /// Waits until the last queueing is over: what is pending has been executed (or cancelled), or
    /// the execution under way has returned. Returns whether it had to wait. What is queued after the
    /// first poll does not matter.
    ///
    /// A delay that has not passed is cut short, as by the kernel's `flush_delayed_work`.
    ///
    /// Inside of the work's own closure it returns `false` at once: it would wait for itself. (In the
    /// kernel that is a deadlock.)
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the wait and changes nothing.
    pub async fn flush(&self) -> bool {
        self.inner.control.warn_of_dependency();
        Flush::new(&self.inner.control, Which::Last).await
    }

    /// As [`flush`](Self::flush), blocking the thread. Inside of a task the core is handed over
    /// meanwhile.
    pub fn flush_blocking(&self) -> bool {
        self.block_on(self.flush(), || false)
    }

    /// Waits with the runtime that the work is queued on, or knows the answer if there is none.
    fn block_on<R>(&self, wait: impl Future<Output = R>, idle: impl FnOnce() -> R) -> R {
        match self.inner.control.runtime() {
            Some(runtime) => runtime.block_on(wait),
            None => idle(),
        }
    }

    // Cancelling.

    /// Takes the work back if it is pending. Returns whether it was. An execution under way goes on.
    pub fn cancel(&self) -> bool {
        self.inner.control.cancel(&self.inner.task)
    }

    /// Takes the work back if it is pending, and waits until it does not run. It cannot be queued
    /// meanwhile. Returns whether it was pending.
    ///
    /// Inside of the work's own closure it does not wait, only cancels. (In the kernel it deadlocks.)
    ///
    /// # Cancel safety
    ///
    /// The work is taken back at the first poll. Dropping the future ends the wait, and lets it be
    /// queued again.
    pub async fn cancel_sync(&self) -> bool {
        let was_pending = self.disable();
        let _enable = Enable(self);
        Flush::new(&self.inner.control, Which::Running).await;
        was_pending
    }

    /// As [`cancel_sync`](Self::cancel_sync), blocking the thread. Inside of a task the core is handed
    /// over meanwhile.
    pub fn cancel_sync_blocking(&self) -> bool {
        let was_pending = self.disable();
        let _enable = Enable(self);
        self.block_on(Flush::new(&self.inner.control, Which::Running), || false);
        was_pending
    }

    /// Takes the work back if it is pending, and lets it not be queued until it was
    /// [enabled](Self::enable) as often as disabled. Returns whether it was pending. An execution
    /// under way goes on; [`cancel_sync`](Self::cancel_sync) waits for it.
    pub fn disable(&self) -> bool {
        self.inner.control.disable(&self.inner.task)
    }

    /// Takes one [`disable`](Self::disable) back. Returns whether the work can be queued now. Without
    /// a `disable` it changes nothing. (The kernel warns.)
    pub fn enable(&self) -> bool {
        self.inner.control.enable()
    }

    /// [`enable`](Self::enable), and if the work can be queued now, [`queue`](Self::queue). Returns
    /// whether it could be queued, like the kernel's `enable_and_queue_work`.
    ///
    /// # Examples
    ///
    /// ```
    /// use cmwq::{Work, Workqueue};
    ///
    /// # #[cmwq::main]
    /// # async fn main() -> Result<(), cmwq::workqueue::BuildError> {
    /// let queue = Workqueue::builder().build()?;
    /// let work = Work::new(|| ());
    /// work.disable();
    /// assert!(!work.queue(&queue));
    /// assert!(work.enable_and_queue(&queue));
    /// assert!(work.flush().await || !work.is_busy());
    /// # Ok(())
    /// # }
    /// ```
    pub fn enable_and_queue(&self, queue: &Workqueue) -> bool {
        let is_enabled = self.enable();
        if is_enabled {
            self.queue(queue);
        }
        is_enabled
    }

    // Looking.

    /// Is it queued, or does it wait for its delay? The answer may be old when it arrives, as with the
    /// following ones.
    pub fn is_pending(&self) -> bool {
        self.inner.control.is_pending()
    }

    /// Is its closure being executed?
    pub fn is_running(&self) -> bool {
        self.inner.control.is_running()
    }

    /// Is it pending or running? The kernel's `work_busy`.
    pub fn is_busy(&self) -> bool {
        self.inner.control.is_busy()
    }

    /// Was it disabled more often than enabled?
    pub fn is_disabled(&self) -> bool {
        self.inner.control.is_disabled()
    }

    /// How often its closure has panicked.
    pub fn panics(&self) -> u64 {
        self.inner.control.panics()
    }
}

impl WeakWork {
    /// The work, if a handle of it is left.
    pub fn upgrade(&self) -> Option<Work> {
        self.inner.upgrade().map(|inner| Work { inner })
    }
}

impl Inner {
    fn new<F>(closure: F, location: &'static Location<'static>) -> Self
    where
        F: FnMut() + Send + 'static,
    {
        let control = Control::new(location);
        let birth = Birth { id: Id::next(), location, core: 0, shard: 0 };
        let execute = Execute { closure, control: control.clone() };
        let task = WorkTask::new(execute, WorkSched(control.clone()), birth);
        Self { task, control }
    }
}

impl fmt::Debug for WeakWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakWork").finish_non_exhaustive()
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work")
            .field("location", &format_args!("{}", self.inner.control.location()))
            .field("pending", &self.is_pending())
            .field("running", &self.is_running())
            .finish_non_exhaustive()
    }
}

/// Where to queue. In a forked child nothing would ever run.
fn destination(queue: &Workqueue, place: Place) -> Destination {
    queue.queue.common.shared.assert_not_forked();
    Destination::new(queue, place)
}

/// Takes the `disable` of a `cancel_sync` back.
struct Enable<'a>(&'a Work);

impl Drop for Enable<'_> {
    fn drop(&mut self) {
        self.0.enable();
    }
}

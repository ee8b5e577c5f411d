//! Work items of dedicated workers.

use super::books::{Books, Later, Until};
use super::item::{Core, Place, WorkState};
use super::shared::Answer;
use super::wait::{Wait, block_on};
use super::worker::DedicatedWorker;
use crate::contain::contain;
use crate::task::Id;
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Thirty years: a delay that is too long to be added to the present.
const FAR: Duration = Duration::from_secs(86_400 * 365 * 30);

/// A closure that a [`DedicatedWorker`] executes each time it is queued: the kernel's `kthread_work`
/// and `kthread_delayed_work` in one.
///
/// It belongs to the worker on which it is queued first, and is refused by others until
/// [`reinit`](Self::reinit). While it is *pending* (queued, or waiting for its delay) it is not queued
/// a second time. It is pending no more when its closure is called, so queueing it during an
/// execution gives one more. No two executions overlap.
///
/// The handle is cheap to clone. A pending work is executed also when all its handles are dropped;
/// otherwise the last handle drops the closure. A closure that holds a handle of its own work keeps
/// it for ever: let it hold a [`WeakDedicatedWork`].
///
/// If the closure panics, the panic is reported through `tracing` with the place where the work was
/// made, and counted; worker and work go on.
///
/// The closure may block: only the worker's other works wait. It is in no runtime unless it enters one
/// ([`Handle::enter`](crate::runtime::Handle::enter)), and may queue on workqueues and use
/// `Handle::block_on` like any other thread.
///
/// # Examples
///
/// A work that queues itself:
///
/// ```
/// use cmwq::dedicated::{DedicatedWork, DedicatedWorker};
/// use std::sync::mpsc;
/// use std::time::Duration;
///
/// let worker = DedicatedWorker::builder().name("poller").build()?;
/// let (target, (send, ticks)) = (worker.clone(), mpsc::channel());
/// let ticker = DedicatedWork::new_cyclic(|own| {
///     move || {
///         if let Some(own) = own.upgrade() {
///             let _ = send.send(());
///             own.queue_delayed(&target, Duration::from_millis(1));
///         }
///     }
/// });
/// ticker.queue(&worker);
/// ticks.iter().take(3).for_each(drop);
/// ticker.cancel_sync_blocking();
/// # Ok::<(), cmwq::dedicated::WorkerError>(())
/// ```
#[derive(Clone)]
pub struct DedicatedWork {
    core: Arc<Core>,
}

/// A handle that does not keep its [`DedicatedWork`]; see there.
#[derive(Clone)]
pub struct WeakDedicatedWork {
    core: Weak<Core>,
}

impl DedicatedWork {
    /// Makes a work from a closure. It belongs to no worker.
    #[track_caller]
    pub fn new<F>(closure: F) -> Self
    where
        F: FnMut() + Send + 'static,
    {
        Self { core: Arc::new(Core::new(closure, Location::caller())) }
    }

    /// Makes a work whose closure may know it. The handle that `make` is given can be upgraded when
    /// the work has been made, and as long as it is pending or one of its handles is left.
    #[track_caller]
    pub fn new_cyclic<F>(make: impl FnOnce(WeakDedicatedWork) -> F) -> Self
    where
        F: FnMut() + Send + 'static,
    {
        let location = Location::caller();
        let make =
            |core: &Weak<Core>| Core::new(make(WeakDedicatedWork { core: core.clone() }), location);
        Self { core: Arc::new_cyclic(make) }
    }

    /// A handle that does not keep the work.
    pub fn downgrade(&self) -> WeakDedicatedWork {
        WeakDedicatedWork { core: Arc::downgrade(&self.core) }
    }

    /// Its id, which no other work and no task has; see
    /// [`current_work`](crate::workqueue::current_work).
    pub fn id(&self) -> Id {
        self.core.id
    }

    /// Makes the work as if it were new: it belongs to no worker, and can be queued on any. Returns
    /// whether it did: `false` while it is pending, running or being cancelled. (The kernel's
    /// `kthread_init_work` does it nevertheless, and corrupts the list.)
    ///
    /// # Examples
    ///
    /// ```
    /// use cmwq::dedicated::{DedicatedWork, DedicatedWorker};
    ///
    /// let (one, other) =
    ///     (DedicatedWorker::builder().build()?, DedicatedWorker::builder().build()?);
    /// let work = DedicatedWork::new(|| ());
    /// assert!(work.queue(&one));
    /// work.flush_blocking();
    /// assert!(!work.queue(&other), "it belongs to the first one");
    /// assert!(work.reinit());
    /// assert!(work.queue(&other));
    /// # Ok::<(), cmwq::dedicated::WorkerError>(())
    /// ```
    pub fn reinit(&self) -> bool {
        let done = self.at_home(|_, _, state| {
            let is_idle =
                state.place == Place::Idle && state.running.is_none() && state.canceling == 0;
            // The caller's reference outlives the lock.
            is_idle.then(|| state.home.take())
        });
        done.is_none_or(|done| done.is_some())
    }

    // Queueing.

    /// Queues the work. Returns whether it did: `false` if it is pending already, if somebody waits in
    /// [`cancel_sync`](Self::cancel_sync), if it belongs to another worker (which is a mistake, and
    /// reported through `tracing`), and if the worker was destroyed.
    ///
    /// After `true`, and after `false` because it is pending, an execution follows that sees
    /// everything that was stored before this call. Works that queue from one thread are executed in
    /// that order.
    ///
    /// # Panics
    ///
    /// In a process forked from the one that made the worker, as all that uses a worker.
    pub fn queue(&self, worker: &DedicatedWorker) -> bool {
        self.queue_at(worker, None, false) == Answer::Queued
    }

    /// Queues the work when `delay` has passed, never earlier; a delay of zero is none. It is pending
    /// meanwhile. Returns as [`queue`](Self::queue) does.
    ///
    /// It is the system's monotonic clock that counts, also where a runtime's clock is paused. A flush
    /// of the worker does not wait for the delay; destroying the worker cancels it.
    pub fn queue_delayed(&self, worker: &DedicatedWorker, delay: Duration) -> bool {
        self.queue_at(worker, deadline(delay), false) == Answer::Queued
    }

    /// Queues the work anew when `delay` has passed from now, whether or not it is pending. Returns
    /// whether it was.
    ///
    /// While somebody waits in [`cancel_sync`](Self::cancel_sync) that one wins: nothing is queued, and
    /// the answer is `true`, as in the kernel. A destroyed worker, and one that the work does not
    /// belong to, take nothing; the answer is `false`.
    pub fn mod_delayed(&self, worker: &DedicatedWorker, delay: Duration) -> bool {
        self.queue_at(worker, deadline(delay), true) == Answer::WasPending
    }

    fn queue_at(&self, worker: &DedicatedWorker, deadline: Option<Instant>, anew: bool) -> Answer {
        let answer = worker.shared().queue(&self.core, deadline, anew);
        if answer == Answer::Foreign {
            contain(|| {
                tracing::warn!(
                    target: "cmwq",
                    worker = worker.name(),
                    work = %self.core.location,
                    "a dedicated work was not queued, since it belongs to another worker; reinit() \
                     it first"
                );
            });
        }
        answer
    }

    /// Calls `f` under the locks of the worker that it belongs to, if there is one.
    fn at_home<R>(
        &self,
        mut f: impl FnMut(&mut Books, &mut Later, &mut WorkState) -> R,
    ) -> Option<R> {
        loop {
            let home = self.core.state().home.clone()?;
            home.assert_not_forked();
            let done = home.locked(|books, later| {
                books.promote();
                let mut state = self.core.state();
                let is_home = state.home.as_ref().is_some_and(|other| Arc::ptr_eq(other, &home));
                is_home.then(|| f(books, later, &mut state))
            });
            // Otherwise it has moved meanwhile.
            if done.is_some() {
                return done;
            }
        }
    }

    // Waiting.

    /// Waits until the last queueing is over: what is pending has been executed (or cancelled), or
    /// the execution under way has returned. Returns whether there was one. What is queued after the
    /// first poll does not matter.
    ///
    /// A delay that has not passed is cut short, as [`Work::flush`](crate::Work::flush) does it. While
    /// no thread serves the worker it waits for one to come.
    ///
    /// On the worker's own thread, that is inside of any of its closures, it returns `false` at once:
    /// it would wait for itself. (In the kernel that is a deadlock.)
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the wait and changes nothing.
    pub async fn flush(&self) -> bool {
        match self.last_queueing() {
            Some(wait) => {
                wait.await;
                true
            }
            None => false,
        }
    }

    /// As [`flush`](Self::flush), blocking the thread. Inside of a task the core is handed over
    /// meanwhile.
    pub fn flush_blocking(&self) -> bool {
        self.last_queueing().map(block_on).is_some()
    }

    /// What there is to wait for, if it is pending or runs.
    fn last_queueing(&self) -> Option<Wait> {
        let until = self.at_home(|books, later, state| {
            if books.is_own_thread() {
                return None;
            }
            let number = match state.place {
                Place::Listed(number) => Some(number),
                Place::Delayed(deadline, number) => {
                    Some(books.hasten(state, deadline, number, later))
                }
                Place::Idle => state.running,
            };
            let home = state.home.clone();
            home.zip(number)
        });
        let (home, number) = until.flatten()?;
        Some(Wait::new(&home, Until::Over(number)))
    }

    // Cancelling.

    /// Takes the work back if it is pending. Returns whether it was. An execution under way goes on.
    /// (The kernel has it with the wait only.)
    pub fn cancel(&self) -> bool {
        let was_pending = self.at_home(|books, later, state| {
            let was_pending = books.take_back(state, later);
            books.settle(later);
            was_pending
        });
        was_pending == Some(true)
    }

    /// Takes the work back if it is pending, delayed or not, and waits until it does not run. It
    /// cannot be queued meanwhile, nor can it queue itself. Returns whether it was pending.
    ///
    /// On the worker's own thread it does not wait, only cancels. (In the kernel a work that cancels
    /// itself so deadlocks.)
    ///
    /// # Cancel safety
    ///
    /// The work is taken back at the first poll. Dropping the future ends the wait, and lets it be
    /// queued again.
    pub async fn cancel_sync(&self) -> bool {
        let Some(mut canceling) = self.begin_cancel() else { return false };
        if let Some(wait) = canceling.wait.take() {
            wait.await;
        }
        canceling.was_pending
    }

    /// As [`cancel_sync`](Self::cancel_sync), blocking the thread. Inside of a task the core is handed
    /// over meanwhile.
    pub fn cancel_sync_blocking(&self) -> bool {
        let Some(mut canceling) = self.begin_cancel() else { return false };
        canceling.wait.take().map(block_on);
        canceling.was_pending
    }

    fn begin_cancel(&self) -> Option<Canceling<'_>> {
        let (was_pending, running) = self.at_home(|books, later, state| {
            let was_pending = books.take_back(state, later);
            books.settle(later);
            state.canceling += 1;
            (was_pending, state.home.clone().zip(state.running))
        })?;
        let wait = running.map(|(home, number)| Wait::new(&home, Until::Over(number)));
        Some(Canceling { work: self, was_pending, wait })
    }

    // Looking.

    /// Is it queued, or does it wait for its delay? The answer may be old when it arrives, as with the
    /// following ones.
    pub fn is_pending(&self) -> bool {
        self.core.state().place != Place::Idle
    }

    /// Is its closure being executed?
    pub fn is_running(&self) -> bool {
        self.core.state().running.is_some()
    }

    /// Is it pending or running?
    pub fn is_busy(&self) -> bool {
        let state = self.core.state();
        state.place != Place::Idle || state.running.is_some()
    }

    /// How often its closure has panicked.
    pub fn panics(&self) -> u64 {
        self.core.panics()
    }
}

impl WeakDedicatedWork {
    /// The work, if a handle of it is left, or it is pending or running.
    pub fn upgrade(&self) -> Option<DedicatedWork> {
        self.core.upgrade().map(|core| DedicatedWork { core })
    }
}

/// A `cancel_sync` under way: while it exists the work cannot be queued, nor be made anew.
struct Canceling<'a> {
    work: &'a DedicatedWork,
    was_pending: bool,
    wait: Option<Wait>,
}

impl Drop for Canceling<'_> {
    fn drop(&mut self) {
        self.work.at_home(|_, _, state| state.canceling -= 1);
    }
}

fn deadline(delay: Duration) -> Option<Instant> {
    if delay.is_zero() {
        return None;
    }
    let now = Instant::now();
    Some(now.checked_add(delay).unwrap_or_else(|| now + FAR))
}

impl fmt::Debug for DedicatedWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DedicatedWork")
            .field("id", &self.core.id)
            .field("location", &format_args!("{}", self.core.location))
            .field("pending", &self.is_pending())
            .field("running", &self.is_running())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for WeakDedicatedWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakDedicatedWork").finish_non_exhaustive()
    }
}

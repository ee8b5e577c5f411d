//! A set of tasks whose outputs are taken in the order in which they complete.
//!
//! Every task has an entry with its `JoinHandle` and a waker of its own
//! ([`ready::Signal`]), which the set registers when the task is added. The waker puts the
//! entry's key into a queue ([`ready::Ready`]); `join_next` polls only what the queue names. So a
//! completion costs the same in a set of ten tasks and of a million, where polling all handles
//! would cost a look at each.
//!
//! A handle is polled with the entry's waker alone. It is `Pending` although its signal was
//! raised when the budget of the polling task is used up: the handle then wakes its waker itself,
//! and the set yields.

mod ready;

use super::{AbortHandle, Id, JoinError, JoinHandle};
use crate::runtime::Handle;
use ready::{Ready, Signal};
use slab::Slab;
use std::fmt;
use std::future::poll_fn;
use std::panic;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// Tasks of one output type that are awaited together.
///
/// [`join_next`](Self::join_next) gives the outputs in the order in which the tasks complete.
/// When the set is dropped, all of its tasks are aborted.
///
/// # Differences from tokio
///
/// `build_task` and the methods for `!Send` tasks do not exist.
///
/// # Examples
///
/// ```
/// use cmwq::task::JoinSet;
///
/// #[cmwq::main]
/// async fn main() {
///     let mut set = JoinSet::new();
///     for i in 0..10 {
///         set.spawn(async move { i });
///     }
///     let mut seen = [false; 10];
///     while let Some(output) = set.join_next().await {
///         seen[output.unwrap()] = true;
///     }
///     assert_eq!(seen, [true; 10]);
/// }
/// ```
pub struct JoinSet<T> {
    entries: Slab<Entry<T>>,
    ready: Arc<Ready>,
}

struct Entry<T> {
    handle: JoinHandle<T>,
    signal: Arc<Signal>,
    waker: Waker,
    /// The output of a task that had completed when its waker was registered. In a Mutex only
    /// because a set may be shared between threads where its outputs may not.
    early: Option<Box<Mutex<Result<T, JoinError>>>>,
}

impl<T> Entry<T> {
    /// Polls the task after its key was taken out of the queue.
    fn poll(&mut self, spend_budget: bool) -> Poll<Result<T, JoinError>> {
        self.signal.lower();
        if let Some(output) = self.early.take() {
            return Poll::Ready(output.into_inner().unwrap_or_else(PoisonError::into_inner));
        }
        let mut cx = Context::from_waker(&self.waker);
        if spend_budget {
            Pin::new(&mut self.handle).poll(&mut cx)
        } else {
            Pin::new(&mut super::unconstrained(&mut self.handle)).poll(&mut cx)
        }
    }
}

impl<T> JoinSet<T> {
    /// Makes an empty set.
    pub fn new() -> Self {
        JoinSet { entries: Slab::new(), ready: Arc::new(Ready::default()) }
    }

    /// The number of tasks in the set: those that run, and those that have completed and were
    /// not joined yet.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Is there no task in the set?
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<T: 'static> JoinSet<T> {
    /// Spawns a task on the current runtime and adds it to the set. The handle that is returned
    /// can abort it.
    ///
    /// # Panics
    ///
    /// Outside of a runtime, as [`spawn`](crate::spawn).
    #[track_caller]
    pub fn spawn<F>(&mut self, task: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        self.insert(super::spawn(task))
    }

    /// Spawns a task on the runtime of `handle` and adds it to the set.
    #[track_caller]
    pub fn spawn_on<F>(&mut self, task: F, handle: &Handle) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        self.insert(handle.spawn(task))
    }

    /// Runs a closure as [`spawn_blocking`](crate::task::spawn_blocking) does, and adds it to
    /// the set. A closure that has started cannot be aborted.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    ///
    /// # Examples
    ///
    /// ```
    /// use cmwq::task::JoinSet;
    ///
    /// # #[cmwq::main]
    /// # async fn main() {
    /// let mut set = JoinSet::new();
    /// for i in 0..4 {
    ///     set.spawn_blocking(move || i);
    /// }
    /// let mut outputs = set.join_all().await;
    /// outputs.sort();
    /// assert_eq!(outputs, [0, 1, 2, 3]);
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn_blocking<F>(&mut self, f: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        self.insert(super::spawn_blocking(f))
    }

    /// As [`spawn_blocking`](Self::spawn_blocking), on the runtime of `handle`.
    #[track_caller]
    pub fn spawn_blocking_on<F>(&mut self, f: F, handle: &Handle) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        self.insert(handle.spawn_blocking(f))
    }

    fn insert(&mut self, mut handle: JoinHandle<T>) -> AbortHandle {
        let abort = handle.abort_handle();
        let slot = self.entries.vacant_entry();
        let signal = Signal::new(slot.key(), self.ready.clone());
        let waker = Waker::from(signal.clone());

        // Registers the waker, whether or not the set is polled again after this.
        let mut registration = super::unconstrained(&mut handle);
        let early = match Pin::new(&mut registration).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => Some(Box::new(Mutex::new(output))),
            Poll::Pending => None,
        };
        let completed = early.is_some().then(|| waker.clone());
        slot.insert(Entry { handle, signal, waker, early });
        self.ready.reserve(self.entries.len());
        if let Some(waker) = completed {
            waker.wake();
        }
        abort
    }

    /// Waits until one of the tasks has completed, takes it out of the set and returns its
    /// output. Returns `None` when the set is empty.
    ///
    /// # Errors
    ///
    /// The [`JoinError`] of a task that panicked or was aborted.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: where another branch of a `select!` wins, no task was taken out of the set.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        poll_fn(|cx| self.poll_join_next(cx)).await
    }

    /// As [`join_next`](Self::join_next), with the id of the task beside its output. The id of a
    /// task that failed is in the error: [`JoinError::id`].
    ///
    /// # Errors
    ///
    /// The [`JoinError`] of a task that panicked or was aborted.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, as `join_next`.
    pub async fn join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        poll_fn(|cx| self.poll_join_next_with_id(cx)).await
    }

    /// Takes out one task that has completed, without waiting. Returns `None` when there is no
    /// such task, be the set empty or not. Spends none of the calling task's budget.
    ///
    /// # Errors
    ///
    /// The [`JoinError`] of a task that panicked or was aborted.
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        let output = self.try_join_next_with_id()?;
        Some(output.map(|(_, value)| value))
    }

    /// As [`try_join_next`](Self::try_join_next), with the id of the task beside its output.
    ///
    /// # Errors
    ///
    /// The [`JoinError`] of a task that panicked or was aborted.
    pub fn try_join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        loop {
            let key = self.ready.pop()?;
            let Some(entry) = self.entries.get_mut(key) else { continue };
            if let Poll::Ready(output) = entry.poll(false) {
                return Some(self.take(key, output));
            }
        }
    }

    /// Polls for the next task that completes.
    ///
    /// - `Ready(None)`: the set is empty.
    /// - `Ready(Some(output))`: the task was taken out of the set. Others may be ready, too: poll
    ///   again before waiting.
    /// - `Pending`: the waker of `cx` is woken when a task completes, also one that is added
    ///   later. Where the calling task's budget is used up, it is woken at once.
    ///
    /// Only the waker of the last call is woken.
    ///
    /// # Errors
    ///
    /// The [`JoinError`] of a task that panicked or was aborted.
    pub fn poll_join_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, JoinError>>> {
        self.poll_join_next_with_id(cx)
            .map(|output| output.map(|result| result.map(|(_, value)| value)))
    }

    /// As [`poll_join_next`](Self::poll_join_next), with the id of the task beside its output.
    ///
    /// # Errors
    ///
    /// The [`JoinError`] of a task that panicked or was aborted.
    pub fn poll_join_next_with_id(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<(Id, T), JoinError>>> {
        if self.entries.is_empty() {
            return Poll::Ready(None);
        }
        loop {
            let Some(key) = self.ready.pop() else {
                if self.ready.wait(cx.waker()) {
                    return Poll::Pending;
                }
                continue;
            };
            let Some(entry) = self.entries.get_mut(key) else { continue };
            if let Poll::Ready(output) = entry.poll(true) {
                return Poll::Ready(Some(self.take(key, output)));
            }
            if entry.signal.is_raised() {
                // The budget is used up, or the task completed this moment: yield either way.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    fn take(&mut self, key: usize, output: Result<T, JoinError>) -> Result<(Id, T), JoinError> {
        let entry = self.entries.remove(key);
        output.map(|value| (entry.handle.id(), value))
    }

    /// Waits for all tasks and returns their outputs in the order of completion.
    ///
    /// # Panics
    ///
    /// When a task panicked, with its payload, or was aborted. The remaining tasks are aborted
    /// then. To go on in spite of failures, call [`join_next`](Self::join_next) in a loop.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: the future owns the set, and dropping it aborts the tasks and loses the
    /// outputs taken so far.
    pub async fn join_all(mut self) -> Vec<T> {
        let mut outputs = Vec::with_capacity(self.len());
        while let Some(output) = self.join_next().await {
            match output {
                Ok(value) => outputs.push(value),
                Err(error) => match error.try_into_panic() {
                    Ok(payload) => panic::resume_unwind(payload),
                    Err(error) => panic!("`JoinSet::join_all`: {error}"),
                },
            }
        }
        outputs
    }

    /// Aborts all tasks and waits until they are gone. Panics of the tasks are ignored. The set
    /// is empty afterwards and can be used again.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the tasks are aborted at the first poll; those not yet gone stay in the set.
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while self.join_next().await.is_some() {}
    }

    /// Aborts all tasks. They stay in the set until they are joined, as cancelled ones or, where
    /// they had completed before, with their outputs.
    pub fn abort_all(&mut self) {
        for (_, entry) in &self.entries {
            entry.handle.abort();
        }
    }

    /// Takes all tasks out of the set without aborting them: they go on in the background.
    pub fn detach_all(&mut self) {
        self.entries.clear();
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        for (_, entry) in &self.entries {
            entry.handle.abort();
        }
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len()).finish()
    }
}

/// Spawns every future of an iterator on the current runtime and collects them in a set.
///
/// # Examples
///
/// ```
/// use cmwq::task::JoinSet;
///
/// # #[cmwq::main]
/// # async fn main() {
/// let set: JoinSet<u32> = (0..4).map(|i| async move { i }).collect();
/// assert_eq!(set.join_all().await.iter().sum::<u32>(), 6);
/// # }
/// ```
impl<T, F> FromIterator<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> Self {
        let mut set = Self::new();
        set.extend(futures);
        set
    }
}

/// Spawns every future of an iterator on the current runtime.
impl<T, F> Extend<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    fn extend<I: IntoIterator<Item = F>>(&mut self, futures: I) {
        for future in futures {
            self.spawn(future);
        }
    }
}

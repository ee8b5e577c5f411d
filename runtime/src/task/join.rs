//! The owner's handle of a task.

use super::raw::{Output, RawTask};
use super::state::COMPLETE;
use super::{AbortHandle, Id};
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Awaits the output of a spawned task. Dropping it detaches the task, which goes on.
///
/// An output that nobody awaits is dropped where the later of the two happens: by the worker when the
/// task completes, or by whoever drops the handle. A panic of that drop ends there, after the panic
/// hook has reported it.
///
/// # Cancel safety
///
/// Awaiting `&mut JoinHandle` in a `select!` loses nothing if another branch wins.
///
/// # Panics
///
/// If it is polled again after it returned the output.
///
/// # Examples
///
/// ```
/// #[cmwq::main]
/// async fn main() {
///     let task = cmwq::spawn(async { 6 * 7 });
///     assert_eq!(task.await.unwrap(), 42);
/// }
/// ```
pub struct JoinHandle<T> {
    raw: RawTask,
    _output: PhantomData<T>,
}

// SAFETY: the handle moves or drops a T on whichever thread it is, never shares one.
unsafe impl<T: Send> Send for JoinHandle<T> {}
// SAFETY: through & there is only the state word.
unsafe impl<T: Send> Sync for JoinHandle<T> {}

impl<T> UnwindSafe for JoinHandle<T> {}
impl<T> RefUnwindSafe for JoinHandle<T> {}
impl<T> Unpin for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    pub(super) fn new(raw: RawTask) -> Self {
        Self { raw, _output: PhantomData }
    }

    /// Cancels the task: its future is dropped at the next point where it is not being polled,
    /// and awaiting this handle gives an error with [`is_cancelled`](super::JoinError::is_cancelled)
    /// unless the task completed first. A task that blocks is cancelled when it returns; a
    /// closure of `spawn_blocking` that has started is not cancelled.
    pub fn abort(&self) {
        self.raw.abort();
    }

    /// Has the task completed, or been cancelled?
    pub fn is_finished(&self) -> bool {
        self.raw.state().load().has(COMPLETE)
    }

    /// A handle that can abort the task, and nothing else.
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle::new(self.raw)
    }

    /// The task's id.
    pub fn id(&self) -> Id {
        self.raw.header().id
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Output<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let budget = ready!(crate::budget::poll_proceed(cx));
        let mut output = Poll::Pending;
        // SAFETY: a JoinHandle<T> is made for a task whose output is T, and we are that handle.
        unsafe {
            let read = self.raw.header().vtable.read_output;
            read(self.raw.pointer(), (&raw mut output).cast(), cx.waker());
        }
        if output.is_ready() {
            budget.made_progress();
        }
        output
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        // SAFETY: we are the handle, and go.
        unsafe { (self.raw.header().vtable.drop_join_handle)(self.raw.pointer()) }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("id", &self.id()).finish()
    }
}

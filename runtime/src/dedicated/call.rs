//! Functions that a worker calls once, and their results.

use super::error::WorkerError;
use super::shared::Shared;
use super::wait::block_on;
use super::work::{DedicatedWork, WeakDedicatedWork};
use super::worker::DedicatedWorker;
use crate::contain::discard;
use crate::task::{Id, JoinError};
use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::oneshot;

/// The result of a function, or its panic.
type Outcome<R> = Result<R, Box<dyn Any + Send>>;

/// Waits for the result of a function that a worker calls; see [`DedicatedWorker::call`].
///
/// # Errors
///
/// The function panicked ([`is_panic`](JoinError::is_panic)); the worker was destroyed before
/// ([`is_rejected`](JoinError::is_rejected)) or meanwhile, or the call was taken back
/// ([`is_cancelled`](JoinError::is_cancelled)); or it is awaited by a closure of that worker, which
/// would be for ever ([`is_deadlock`](JoinError::is_deadlock)).
///
/// # Cancel safety
///
/// Dropping it detaches the function, which is called all the same; see [`cancel`](Self::cancel).
#[must_use = "the result is lost, and a panic too"]
pub struct Call<R> {
    id: Id,
    // A strong one would keep the sender of a call that was taken back.
    work: WeakDedicatedWork,
    shared: Arc<Shared>,
    was_refused: bool,
    outcome: oneshot::Receiver<Outcome<R>>,
}

impl DedicatedWorker {
    /// Lets the worker call `f` once, in its turn, and gives a future of the result. It is queued by the
    /// call, not by the first poll.
    ///
    /// (The kernel has no such function: who needs a result there waits for a completion.)
    ///
    /// # Examples
    ///
    /// ```
    /// use cmwq::dedicated::DedicatedWorker;
    ///
    /// # #[cmwq::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let worker = DedicatedWorker::builder().name("database").build()?;
    /// let answer = worker.call(|| std::thread::current().name().map(str::to_owned)).await?;
    /// assert_eq!(answer.as_deref(), Some("database"));
    /// # Ok(())
    /// # }
    /// ```
    #[track_caller]
    pub fn call<F, R>(&self, f: F) -> Call<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let (send, outcome) = oneshot::channel();
        let mut once = Some((f, send));
        let work = DedicatedWork::new(move || {
            let Some((f, send)) = once.take() else { return };
            if let Err(Err(panic)) = send.send(catch_unwind(AssertUnwindSafe(f))) {
                // Nobody waits; the panic hook has reported it.
                discard(panic);
            }
        });
        Call {
            id: work.id(),
            was_refused: !work.queue(self),
            work: work.downgrade(),
            shared: self.shared().clone(),
            outcome,
        }
    }
}

impl<R> Call<R> {
    /// The id that [`current_work`](crate::workqueue::current_work) gives inside of the function.
    pub fn id(&self) -> Id {
        self.id
    }

    fn name(&self) -> &str {
        &self.shared.settings.name
    }

    /// Takes the call back if the function has not been begun. Returns whether it did; then the future
    /// gives an error with [`is_cancelled`](JoinError::is_cancelled).
    pub fn cancel(&self) -> bool {
        self.work.upgrade().is_some_and(|work| work.cancel())
    }

    /// Waits for the result, blocking the thread. Inside of a task the core is handed over meanwhile.
    ///
    /// # Errors
    ///
    /// As the future.
    pub fn wait(self) -> Result<R, JoinError> {
        block_on(self)
    }
}

impl<R> Future for Call<R> {
    type Output = Result<R, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let id = self.id;
        Poll::Ready(match Pin::new(&mut self.outcome).poll(cx) {
            Poll::Ready(Ok(Ok(result))) => Ok(result),
            Poll::Ready(Ok(Err(panic))) => Err(JoinError::panic(id, panic)),
            Poll::Ready(Err(_)) if self.was_refused => {
                Err(JoinError::rejected(id, WorkerError::destroyed(self.name()).to_string()))
            }
            Poll::Ready(Err(_)) => Err(JoinError::cancelled(id)),
            Poll::Pending if self.shared.locked(|books, _| books.is_own_thread()) => {
                let by = format!(
                    "a closure of the same dedicated worker {:?}, which would wait for ever; await it \
                     on another thread",
                    self.name()
                );
                Err(JoinError::deadlock(id, by))
            }
            Poll::Pending => return Poll::Pending,
        })
    }
}

impl<R> fmt::Debug for Call<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("id", &self.id).finish_non_exhaustive()
    }
}

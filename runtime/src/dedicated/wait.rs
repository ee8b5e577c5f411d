//! Waiting for a worker.

use super::books::Until;
use super::lock;
use super::shared::Shared;
use crate::context;
use crate::worker::Local;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Waits until something is over.
///
/// On the thread that serves the worker it is over at once: it would wait for itself.
pub(super) struct Wait {
    shared: Arc<Shared>,
    until: Until,
    waiter: Option<u64>,
}

impl Wait {
    pub(super) fn new(shared: &Arc<Shared>, until: Until) -> Self {
        Self { shared: shared.clone(), until, waiter: None }
    }

    fn is_over(&self) -> bool {
        self.shared.locked(|books, _| books.is_over(self.until))
    }
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { shared, until, waiter } = &mut *self;
        shared.assert_not_forked();
        // Cloned, and what is left of it dropped, without the lock.
        let mut waker = Some(cx.waker().clone());
        let mut forgotten = None;
        shared.locked(|books, _| {
            if books.is_over(*until) || books.is_own_thread() {
                forgotten = waiter.take().and_then(|id| books.waiters.forget(id));
                return Poll::Ready(());
            }
            match (&waiter, &mut waker) {
                (Some(id), Some(waker)) => books.waiters.renew(*id, waker),
                _ => *waiter = waker.take().map(|waker| books.waiters.add(*until, waker)),
            }
            Poll::Pending
        })
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        // In a forked child the lock may be held for ever.
        let Some(id) = self.waiter.take().filter(|_| !self.shared.is_forked()) else { return };
        let waker = self.shared.locked(|books, _| books.waiters.forget(id));
        drop(waker);
    }
}

/// Waits until everything is over that was queued before it was made; see
/// [`DedicatedWorker::flush`](super::DedicatedWorker::flush).
#[must_use = "a flush waits only where it is awaited"]
pub struct Flush(Wait);

impl Flush {
    pub(super) fn new(wait: Wait) -> Self {
        Self(wait)
    }
}

impl Future for Flush {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl fmt::Debug for Flush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flush").field("is_over", &self.0.is_over()).finish_non_exhaustive()
    }
}

/// Blocks the thread until the future is complete. Inside of a task the core is handed over first.
///
/// Not the runtime's `block_on`: there may be none, and these waits need nothing of it.
pub(super) fn block_on<R>(wait: impl Future<Output = R>) -> R {
    let mut wait = pin!(wait);
    let parker = Arc::new(Parker::default());
    let waker = Waker::from(parker.clone());
    loop {
        if let Poll::Ready(result) = wait.as_mut().poll(&mut Context::from_waker(&waker)) {
            return result;
        }
        hand_over();
        parker.park();
    }
}

/// This thread is about to sleep. If a task does it, somebody else has to run its core.
pub(super) fn hand_over() {
    context::with_local(|local| local.into_iter().for_each(Local::hand_over));
}

#[derive(Default)]
struct Parker {
    is_woken: Mutex<bool>,
    woken: Condvar,
}

impl Parker {
    fn park(&self) {
        let is_woken = lock(&self.is_woken);
        let woken = self.woken.wait_while(is_woken, |is_woken| !*is_woken);
        *woken.unwrap_or_else(PoisonError::into_inner) = false;
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        *lock(&self.is_woken) = true;
        self.woken.notify_one();
    }
}

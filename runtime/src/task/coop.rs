//! Sharing a core among tasks that are always ready.

use crate::budget::{self, Budget};
use pin_project_lite::pin_project;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Lets the other tasks of the core run once.
///
/// # Examples
///
/// ```
/// #[cmwq::main]
/// async fn main() {
///     cmwq::task::yield_now().await;
/// }
/// ```
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Spends one unit of the task's budget, and yields if there is none left. For loops over things that
/// are always ready and spend none themselves.
pub async fn consume_budget() {
    poll_fn(|cx| {
        let budget = ready!(budget::poll_proceed(cx));
        budget.made_progress();
        Poll::Ready(())
    })
    .await;
}

pin_project! {
    /// The future of [`unconstrained`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Unconstrained<F> {
        #[pin]
        inner: F,
    }
}

/// Polls a future without a budget: its sockets, timers and join handles never make it yield.
pub fn unconstrained<F>(inner: F) -> Unconstrained<F> {
    Unconstrained { inner }
}

impl<F: Future> Future for Unconstrained<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        budget::with_budget(Budget::unconstrained(), || self.project().inner.poll(cx))
    }
}

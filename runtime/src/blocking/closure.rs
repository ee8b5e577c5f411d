//! A closure as a future.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Runs the closure in its first poll.
pub(super) struct Closure<F>(Option<F>);

impl<F> Closure<F> {
    pub(super) fn new(f: F) -> Self {
        Self(Some(f))
    }
}

// The closure is moved out before it runs, and is never pinned.
impl<F> Unpin for Closure<F> {}

impl<F: FnOnce() -> R, R> Future for Closure<F> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<R> {
        let f = self.0.take().expect("a closure is polled once");
        Poll::Ready(f())
    }
}

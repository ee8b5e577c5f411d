//! Executor and timer for [hyper] 1 (feature `hyper`).
//!
//! hyper brings no runtime: it asks for something that starts futures ([`Executor`], for HTTP/2 and
//! for clients with a pool) and something that measures time ([`Timer`], for header and keep-alive
//! timeouts). The sockets need no type here: with feature `tokio-io`, which is on by default,
//! [`net::TcpStream`](crate::net::TcpStream) implements tokio's I/O traits, and
//! `hyper_util::rt::TokioIo` makes hyper's of them.
//!
//! Services of tower, such as an `axum::Router`, are served in the same way, by
//! `hyper_util::service::TowerToHyperService`. `axum::serve` needs tokio's runtime.
//!
//! A handler may block. The connection that it serves waits for it; every other connection of the
//! core goes on.
//!
//! ```
//! use std::time::{Duration, Instant};
//!
//! use cmwq::hyper::{Executor, Timer};
//! use hyper::rt::{Executor as _, Timer as _};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // What hyper does with the two; `examples/src/bin/http.rs` is a whole server.
//! cmwq::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
//!     let (send, receive) = cmwq::sync::oneshot::channel();
//!     Executor::new().execute(async {
//!         let deadline = Instant::now() + Duration::from_millis(5);
//!         Timer::new().sleep_until(deadline).await;
//!         send.send(Instant::now() >= deadline)
//!     });
//!     assert_eq!(receive.await, Ok(true)); // never early
//! });
//! # Ok(())
//! # }
//! ```
//!
//! [hyper]: https://docs.rs/hyper/1

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use pin_project_lite::pin_project;

use crate::time;

/// Starts hyper's background futures as tasks of the current runtime.
///
/// `hyper_util::client::legacy::Client::builder`, `hyper_util::server::conn::auto::Builder::new` and
/// the `http2` builders of hyper take it.
///
/// # Panics
///
/// [`execute`](::hyper::rt::Executor::execute) panics outside of a runtime, as
/// [`cmwq::spawn`](crate::spawn) does.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Executor;

impl Executor {
    /// The executor; it has no state.
    pub const fn new() -> Executor {
        Executor
    }
}

impl<F> ::hyper::rt::Executor<F> for Executor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        // Detached: hyper has its own channels to what it starts.
        drop(crate::spawn(future));
    }
}

/// hyper's timeouts on the timers of the current runtime.
///
/// Late by tens of microseconds where tokio's timer is late by up to a millisecond; never early.
///
/// # Panics
///
/// The futures that it makes panic when they are polled outside of a runtime, as
/// [`cmwq::time::sleep`](crate::time::sleep) does.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Timer;

impl Timer {
    /// The timer; it has no state.
    pub const fn new() -> Timer {
        Timer
    }
}

impl ::hyper::rt::Timer for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn ::hyper::rt::Sleep>> {
        Box::pin(Sleep { inner: time::sleep(duration) })
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn ::hyper::rt::Sleep>> {
        Box::pin(Sleep { inner: time::sleep_until(deadline.into()) })
    }

    /// The runtime's clock, so that a paused one holds hyper's timeouts too.
    fn now(&self) -> Instant {
        time::Instant::now().into_std()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn ::hyper::rt::Sleep>>, deadline: Instant) {
        // Keeps the allocation, and the place in the wheel where the deadline allows it.
        match sleep.as_mut().downcast_mut_pin::<Sleep>() {
            Some(own) => own.project().inner.reset(deadline.into()),
            None => *sleep = self.sleep_until(deadline),
        }
    }
}

pin_project! {
    // A type of its own, because hyper finds it again by its type in `reset`.
    struct Sleep {
        #[pin]
        inner: time::Sleep,
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().inner.poll(cx)
    }
}

impl ::hyper::rt::Sleep for Sleep {}

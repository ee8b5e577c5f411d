//! A descriptor with an optional place in a driver.
//!
//! A source registers at the first operation that would have to wait, with the driver of the thread
//! that polls it: so a socket that was accepted on one core and handed to a task on another is served
//! by the core where it is used. Until then every operation simply tries its system call. A socket
//! that never has to wait (short requests, a quick answer, closed) is never registered, which saves
//! two `epoll_ctl` calls.
//!
//! # States
//!
//! `unregistered -> registered`, never back but by taking the socket out ([`Source::into_inner`]) or
//! dropping it. The registration lies in a `OnceLock`; the mutex beside it lets one thread register
//! while others wait for it, since two halves of a socket may be polled on two cores at once.
//!
//! # The loop of an operation
//!
//! 1. Take a unit of the budget, or yield.
//! 2. Registered: look at the readiness word; if empty, leave the waker and return `Pending`.
//! 3. Make the system call. Done, unless it says `WouldBlock`:
//! 4. Registered: clear the readiness that step 2 saw. Not registered: register. Go to 2.
//!
//! When it registers because a read would wait, it takes for granted that a write would not, and the
//! other way round. Were readiness empty, the first write on a fresh socket would wait for a turn of
//! the driver to learn what is nearly always true. If it is false the write gets `WouldBlock` and
//! clears it; the tick keeps an event that came meanwhile.
//!
//! A wait without an operation (`readable()`, the end of a connect) takes nothing for granted.

use crate::budget;
use crate::driver::{self, Direction, ReadyEvent, Registration};
use crate::io::{Interest, Ready};
use std::future::poll_fn;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};

#[derive(Debug)]
pub(crate) struct Source<S: AsRawFd> {
    registration: OnceLock<Registration>,
    registering: Mutex<()>,
    /// `None` only between `into_inner` and the end of the drop that follows.
    io: Option<S>,
}

impl<S: AsRawFd> Source<S> {
    pub(crate) fn new(io: S) -> Source<S> {
        Source { registration: OnceLock::new(), registering: Mutex::new(()), io: Some(io) }
    }

    pub(crate) fn get(&self) -> &S {
        self.io.as_ref().expect("a source keeps its descriptor until it is consumed")
    }

    /// Takes the descriptor out of the driver and returns it.
    pub(crate) fn into_inner(mut self) -> S {
        self.deregister();
        self.io.take().expect("a source keeps its descriptor until it is consumed")
    }

    fn deregister(&mut self) {
        if let (Some(registration), Some(io)) = (self.registration.take(), &self.io) {
            registration.deregister(io.as_raw_fd());
        }
    }

    /// The registration, made now if there is none, with `initial` taken for granted.
    ///
    /// Panics when the thread has no driver. Errors: those of `epoll_ctl`, and a driver that is gone.
    fn register(&self, initial: Ready) -> io::Result<&Registration> {
        if let Some(registration) = self.registration.get() {
            return Ok(registration);
        }
        driver::assert_current();
        let _one_at_a_time = self.registering.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(registration) = self.registration.get() {
            return Ok(registration);
        }
        let fd = self.get().as_raw_fd();
        let registration = driver::with_current(|handle| match handle {
            Some(handle) => Registration::new(handle, fd, initial),
            None => Err(driver::gone()),
        })?;
        Ok(self.registration.get_or_init(|| registration))
    }

    /// Performs `op`, or waits in the slot of `direction` until it can be performed.
    ///
    /// `drained` tells from the result whether the next call would have to wait.
    pub(crate) fn poll_io<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        mut op: impl FnMut(&S) -> io::Result<R>,
        drained: impl FnOnce(&R) -> bool,
    ) -> Poll<io::Result<R>> {
        let unit = ready!(budget::poll_proceed(cx));
        loop {
            let Some(registration) = self.registration.get() else {
                match op(self.get()) {
                    Err(error) if would_block(&error) => {
                        _ = self.register(direction.optimistic())?
                    }
                    result => {
                        unit.made_progress();
                        return Poll::Ready(result);
                    }
                }
                continue;
            };
            let event = ready!(registration.poll_ready(cx, direction))?;
            match op(self.get()) {
                Err(error) if would_block(&error) => registration.clear_would_block(event),
                result => {
                    if result.as_ref().is_ok_and(drained) {
                        registration.clear_drained(event);
                    }
                    unit.made_progress();
                    return Poll::Ready(result);
                }
            }
        }
    }

    /// As [`poll_io`](Self::poll_io), beside any number of other tasks.
    pub(crate) async fn async_io<R>(
        &self,
        interest: Interest,
        mut op: impl FnMut(&S) -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            let seen = match self.registration.get() {
                Some(registration) => Some((registration, registration.readiness(interest).await?)),
                None => None,
            };
            let unit = poll_fn(budget::poll_proceed).await;
            match (op(self.get()), seen) {
                (Err(error), Some((registration, event))) if would_block(&error) => {
                    registration.clear_would_block(event);
                }
                (Err(error), None) if would_block(&error) => _ = self.register(Ready::EMPTY)?,
                (result, _) => {
                    unit.made_progress();
                    return result;
                }
            }
        }
    }

    /// Performs `op` now or not at all: `WouldBlock` where it would have to wait.
    pub(crate) fn try_io<R>(
        &self,
        interest: Interest,
        op: impl FnOnce(&S) -> io::Result<R>,
    ) -> io::Result<R> {
        let Some(registration) = self.registration.get() else {
            return op(self.get());
        };
        let event = registration.event(interest);
        if event.ready.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let result = op(self.get());
        if result.as_ref().is_err_and(would_block) {
            registration.clear_would_block(event);
        }
        result
    }

    /// Waits in the slot of `direction` for readiness alone.
    pub(crate) fn poll_ready(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<()>> {
        let unit = ready!(budget::poll_proceed(cx));
        let registration = self.register(Ready::EMPTY)?;
        let _: ReadyEvent = ready!(registration.poll_ready(cx, direction))?;
        unit.made_progress();
        Poll::Ready(Ok(()))
    }

    /// Waits for readiness alone, beside any number of other tasks.
    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        let event = self.register(Ready::EMPTY)?.readiness(interest).await?;
        Ok(event.ready)
    }
}

impl<S: AsRawFd> Drop for Source<S> {
    fn drop(&mut self) {
        // Before the descriptor is closed, which is when `io` is dropped.
        self.deregister();
    }
}

fn would_block(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

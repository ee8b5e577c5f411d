//! The driver itself: wait, dispatch, hand out wakers.

use super::deadline::Deadline;
use super::handle::Handle;
use super::registry::Registry;
use super::scheduled_io::ScheduledIo;
use crate::io::Ready;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;
use std::time::Duration;

/// Addresses of sources are never so small.
const UNPARK: Token = Token(0);
const DEADLINE: Token = Token(1);

/// Events of one turn. More than that come in the next one.
const EVENTS: usize = 256;

/// How long a [`turn`](Driver::turn) waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all.
    Poll,
    /// Until this time, in nanoseconds of `CLOCK_MONOTONIC`. Never returns for the deadline before
    /// it; a deadline that has passed means [`Poll`](Self::Poll).
    Until(u64),
    /// Without a limit.
    Forever,
}

/// Waits for the sockets of a core.
///
/// Dropping it makes every wait on a socket that is registered with it fail, and wakes the tasks
/// that wait: that runs their wakers, so drop it outside of locks.
pub struct Driver {
    poll: Poll,
    events: Events,
    deadline: Deadline,
    /// Wakers that became due and were not handed out yet. Empty between turns, unless the sink
    /// panicked.
    due: VecDeque<Waker>,
    handle: Handle,
}

impl Driver {
    /// Makes a driver and its handle.
    ///
    /// # Errors
    ///
    /// The process or the system has too many open files (it takes four descriptors), or the kernel
    /// has no memory.
    pub fn new() -> io::Result<(Driver, Handle)> {
        static NEXT_ID: AtomicUsize = AtomicUsize::new(1);
        let failed = |what: &'static str| {
            move |error: io::Error| {
                let message = format!("cannot make an I/O driver: {what} failed: {error}");
                io::Error::new(error.kind(), message)
            }
        };
        let poll = Poll::new().map_err(failed("epoll_create"))?;
        let waker = mio::Waker::new(poll.registry(), UNPARK).map_err(failed("eventfd"))?;
        let deadline = Deadline::new().map_err(failed("timerfd_create"))?;
        poll.registry()
            .register(&mut SourceFd(&deadline.as_raw_fd()), DEADLINE, Interest::READABLE)
            .map_err(failed("epoll_ctl for its timerfd"))?;
        let registry = poll.registry().try_clone().map_err(failed("dup of its epoll"))?;
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let handle = Handle::new(id, Registry::new(registry), waker);
        let driver = Driver {
            poll,
            events: Events::with_capacity(EVENTS),
            deadline,
            due: VecDeque::with_capacity(EVENTS),
            handle: handle.clone(),
        };
        Ok((driver, handle))
    }

    /// Waits, then hands each waker that became due to `sink`. Returns the number of events of
    /// sockets.
    ///
    /// It returns when a socket became ready, the deadline of `wait` has come or
    /// [`Handle::unpark`] was called; it may also return for no reason (a signal, a former deadline),
    /// so the caller looks at its clock and its queues.
    ///
    /// `sink` is called outside of all locks of this crate. If it panics, the wakers that are left
    /// are handed out by the next turn, which then does not wait. Allocates only when more tasks
    /// become due at once than ever before.
    ///
    /// # Errors
    ///
    /// Those of `epoll_wait` and `timerfd_settime`, of which none occurs while the descriptors of the
    /// driver are intact. An interrupted wait is no error.
    pub fn turn(&mut self, wait: Wait, sink: &mut dyn FnMut(Waker)) -> io::Result<usize> {
        // Before the wait: see "Why a stale event touches no freed memory" in the module's essay.
        self.handle.registry().free_released();
        let timeout = self.prepare(wait)?;
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.events.clear(),
            Err(error) => return Err(error),
        }
        let handled = self.dispatch();
        while let Some(waker) = self.due.pop_front() {
            sink(waker);
        }
        Ok(handled)
    }

    /// The timeout of `epoll_wait`, after the timer was set as `wait` needs it.
    ///
    /// A deadline that is set and no longer wanted is left alone: at worst one turn ends early.
    fn prepare(&mut self, wait: Wait) -> io::Result<Option<Duration>> {
        const AT_ONCE: Option<Duration> = Some(Duration::ZERO);
        if !self.due.is_empty() {
            return Ok(AT_ONCE);
        }
        match wait {
            Wait::Poll => Ok(AT_ONCE),
            Wait::Until(at) if Deadline::has_passed(at) => Ok(AT_ONCE),
            Wait::Until(at) => self.deadline.arm(at).map(|()| None),
            Wait::Forever => Ok(None),
        }
    }

    fn dispatch(&mut self) -> usize {
        let mut handled = 0;
        for event in &self.events {
            match event.token() {
                UNPARK => {}
                DEADLINE => self.deadline.fired(),
                Token(address) => {
                    let io = ptr::with_exposed_provenance::<ScheduledIo>(address);
                    // SAFETY: `Registry::register` exposed this address, and the source lives: it was
                    // in `epoll` during the wait that has just ended, and a source is freed only at
                    // the start of a turn that follows its removal from `epoll` (or by the drop of
                    // the driver), while this turn has `&mut self`.
                    let io = unsafe { &*io };
                    io.dispatch(Ready::from_mio(event), &mut self.due);
                    handled += 1;
                }
            }
        }
        handled
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let sources = self.handle.registry().shut_down();
        for (_, io) in &sources {
            io.shut_down(&mut self.due);
        }
        for waker in self.due.drain(..) {
            // One task's waker must not keep the others from learning that the driver is gone. The
            // panic was reported by the panic hook.
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("id", &self.handle.id()).finish_non_exhaustive()
    }
}

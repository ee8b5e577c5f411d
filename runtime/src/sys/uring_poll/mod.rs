//! One thread that waits for several descriptors, with the least latency there is.
//!
//! A detector's standby sleeps here until the kernel reports a context switch of a worker, or until
//! somebody kicks it. A small io_uring with one multishot poll per descriptor wakes it after 3.4 us
//! (p50; p99 5.4), epoll after 3.9 (5.9), because the ring needs no second look at each descriptor
//! and no new arming. Where the ring is refused (old kernel, seccomp, `kernel.io_uring_disabled`),
//! epoll takes its place with the same behaviour:
//!
//! - edge-triggered: a descriptor is reported when something new arrives, not for as long as it is
//!   readable;
//! - each new watch is reported once by the next wait, whether it is ready or not. That closes a gap
//!   which no backend can close: to poll a descriptor of perf takes its event away, and both
//!   backends poll when a watch begins, may poll once more before they report, and then find
//!   nothing. The caller looks at its rings after they are watched, so it misses nothing;
//! - reports may come in vain and may be merged;
//! - a descriptor that hangs up is reported, and then perhaps never again.
//!
//! # State
//!
//! A watch is a key of the caller, a token, a share of the descriptor, and whether it is still
//! to be reported as new. Tokens are never used
//! twice: a completion that was on its way when its watch was taken out matches nothing and is
//! dropped, even if the key is in use again. The share keeps the file open, so a multishot poll
//! that the kernel ended can be armed again without the risk that the number now means another file.
//!
//! The ring is made with `SINGLE_ISSUER` and `DEFER_TASKRUN`: completions are handled by the thread
//! that waits, when it waits. That is what makes it fast, and why a waiter must stay on the thread
//! that made it; it is not `Send`. The core's own rings must not be like this, since their
//! completions would be stuck with a blocked worker. Here the thread does nothing else but wait.
//!
//! # Rejected
//!
//! - `poll(2)` with all descriptors: same latency as epoll, linear cost, no memory between calls.
//! - A ring without `DEFER_TASKRUN` for Linux 5.13 to 6.0: a third variant to test, for 0.5 us.

mod epoll;
mod kick;
mod ring;

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use epoll::Epoll;
use ring::Ring;

pub use kick::Kick;

/// Waits for several descriptors on behalf of one thread.
pub struct Waiter {
    backend: Backend,
    watches: Vec<Watch>,
    next_token: u64,
    /// Not `Send`: a ring with one issuer belongs to the thread that made it.
    _thread: PhantomData<*const ()>,
}

enum Backend {
    Ring(Box<Ring>),
    Epoll(Epoll),
}

struct Watch {
    token: u64,
    key: u64,
    fd: Arc<OwnedFd>,
    /// Not reported yet.
    new: bool,
}

/// The token of what is not a watch, such as the completion of a removal.
const NO_TOKEN: u64 = 0;

impl Waiter {
    /// A waiter of the calling thread, by io_uring, or by epoll where the ring is refused.
    ///
    /// # Errors
    ///
    /// If epoll is refused as well, for example because the process has no descriptor left.
    pub fn new() -> io::Result<Waiter> {
        let backend = match Ring::new() {
            Ok(ring) => Backend::Ring(Box::new(ring)),
            Err(_) => Backend::Epoll(Epoll::new()?),
        };
        Ok(Self::with(backend))
    }

    fn with(backend: Backend) -> Waiter {
        Waiter { backend, watches: Vec::new(), next_token: NO_TOKEN + 1, _thread: PhantomData }
    }

    /// Does it wait by io_uring (`false`: by epoll)?
    pub fn is_uring(&self) -> bool {
        matches!(self.backend, Backend::Ring(_))
    }

    /// Reports `key` from now on when `fd` becomes readable or hangs up, and once in any case, by
    /// the next [`wait`](Self::wait), which then does not sleep.
    ///
    /// The waiter keeps `fd` open until [`unwatch`](Self::unwatch); it is shared instead of
    /// duplicated, since each of many standbys may wait for each worker. A key may stand for several
    /// descriptors.
    ///
    /// # Errors
    ///
    /// If the descriptor does not support waiting; then it is not watched.
    pub fn watch(&mut self, fd: &Arc<OwnedFd>, key: u64) -> io::Result<()> {
        let watch = Watch { token: self.next_token, key, fd: Arc::clone(fd), new: true };
        self.next_token += 1;
        match &mut self.backend {
            Backend::Ring(ring) => ring.add(&watch)?,
            Backend::Epoll(epoll) => epoll.add(&watch)?,
        }
        self.watches.push(watch);
        Ok(())
    }

    /// Forgets every descriptor of `key`; none of them is reported any more.
    pub fn unwatch(&mut self, key: u64) {
        let backend = &mut self.backend;
        self.watches.retain(|watch| {
            if watch.key == key {
                match backend {
                    Backend::Ring(ring) => ring.remove(watch),
                    Backend::Epoll(epoll) => epoll.remove(watch),
                }
            }
            watch.key != key
        });
    }

    /// Sleeps until something is ready, then calls `ready` with the key of each ready descriptor.
    /// May return without a call, for example after a signal.
    ///
    /// Allocates nothing, so that a thread that is blocked while it holds the allocator's lock
    /// cannot stop the thread that is here to notice.
    ///
    /// # Errors
    ///
    /// What the kernel reports; a waiter that fails repeatedly should be replaced.
    pub fn wait(&mut self, ready: &mut dyn FnMut(u64)) -> io::Result<()> {
        if self.watches.iter().any(|watch| watch.new) {
            for watch in self.watches.iter_mut().filter(|watch| watch.new) {
                watch.new = false;
                ready(watch.key);
            }
            return Ok(());
        }
        match &mut self.backend {
            Backend::Ring(ring) => ring.wait(&self.watches, ready),
            Backend::Epoll(epoll) => epoll.wait(&self.watches, ready),
        }
    }
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<u64> = self.watches.iter().map(|watch| watch.key).collect();
        f.debug_struct("Waiter").field("is_uring", &self.is_uring()).field("keys", &keys).finish()
    }
}

fn watch_of(watches: &[Watch], token: u64) -> Option<&Watch> {
    watches.iter().find(|watch| watch.token == token)
}

#[cfg(test)]
mod tests;

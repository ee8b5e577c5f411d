//! Waking a thread that waits in a [`Waiter`](super::Waiter).

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};

/// An eventfd: any thread kicks, the waiting one watches and drains.
#[derive(Debug)]
pub struct Kick(Arc<OwnedFd>);

impl Kick {
    /// Makes one that is not kicked.
    ///
    /// # Errors
    ///
    /// `EMFILE` or `ENFILE` if there is no descriptor left.
    pub fn new() -> io::Result<Kick> {
        Ok(Kick(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)))
    }

    /// Wakes the thread that watches, or, if it does not wait now, its next wait. Never blocks.
    pub fn kick(&self) {
        // Fails only when the counter is at its end, and then it is readable anyway.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }

    /// Takes back all kicks so far; `true` if there were any.
    pub fn drain(&self) -> bool {
        rustix::io::read(&self.0, &mut [0u8; 8]).is_ok()
    }

    /// What the thread watches.
    pub fn fd(&self) -> &Arc<OwnedFd> {
        &self.0
    }
}

//! With the perf detector: which standby watches the holder's switch ring.
//!
//! One standby at a time is the *watcher*; it sleeps on the ring of whoever holds the core instead of
//! on its own word. So whoever wakes it has to kick its descriptor too. (The waker sets the word, then
//! looks who the watcher is; the watcher takes the role, then looks at its word. One of them sees the
//! other.) A new holder sees to it that somebody watches it.

use super::NOBODY;
use crate::sys::uring_poll::Kick;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) struct Watch {
    watcher: AtomicU32,
    kick: Kick,
}

impl Watch {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { watcher: AtomicU32::new(NOBODY), kick: Kick::new()? })
    }

    /// Takes the role, if nobody has it.
    pub(crate) fn claim(&self, worker: u32) -> bool {
        let free =
            self.watcher.compare_exchange(NOBODY, worker, Ordering::SeqCst, Ordering::Relaxed);
        free.is_ok()
    }

    /// Gives the role back.
    pub(crate) fn release(&self) {
        self.watcher.store(NOBODY, Ordering::SeqCst);
    }

    pub(crate) fn is_vacant(&self) -> bool {
        self.watcher.load(Ordering::SeqCst) == NOBODY
    }

    /// Makes the watcher look again, if it is this worker.
    pub(crate) fn kick_if(&self, worker: u32) {
        if self.watcher.load(Ordering::SeqCst) == worker {
            self.kick.kick();
        }
    }

    /// Makes the watcher look again, whoever it is: there is another holder.
    pub(crate) fn kick(&self) {
        self.kick.kick();
    }

    pub(crate) fn kick_source(&self) -> &Kick {
        &self.kick
    }
}

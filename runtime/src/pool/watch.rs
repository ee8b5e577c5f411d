//! With the perf detector: which standby watches the holder's switch ring.
//!
//! One standby at a time is the *watcher* ([`WatchRole`]); it sleeps on the ring of whoever holds the
//! core instead of on its own word. So whoever wakes it has to kick its descriptor too. A new holder
//! sees to it that somebody watches it.

use super::watch_role::WatchRole;
use crate::sys::uring_poll::Kick;
use std::io;

pub(crate) struct Watch {
    role: WatchRole,
    kick: Kick,
}

impl Watch {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { role: WatchRole::new(), kick: Kick::new()? })
    }

    /// Takes the role, if nobody has it.
    pub(crate) fn claim(&self, worker: u32) -> bool {
        self.role.claim(worker)
    }

    /// Gives the role back.
    pub(crate) fn release(&self) {
        self.role.release();
    }

    pub(crate) fn is_vacant(&self) -> bool {
        self.role.is_vacant()
    }

    /// Makes the watcher look again, if it is this worker.
    pub(crate) fn kick_if(&self, worker: u32) {
        if self.role.is(worker) {
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

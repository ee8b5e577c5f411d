//! With the perf and bpf detectors: which standby watches the holder.
//!
//! One standby at a time is the *watcher* ([`WatchRole`]); it waits for the kernel to say that whoever
//! holds the core went to sleep ([`watch_holder`](crate::detect::watch_holder)), instead of on its own
//! word. So whoever wakes it has to kick its descriptor too. A new holder sees to it that somebody
//! watches it.

use super::watch_role::WatchRole;
use crate::detect::Gate;
use crate::sys::bpf::Bell;
use crate::sys::perf::SwitchRing;
use crate::sys::uring_poll::Kick;
use std::io;
use std::sync::Arc;

pub(crate) struct Watch {
    role: WatchRole,
    kick: Kick,
    /// With the bpf detector: what rings when the holder goes to sleep.
    bell: Option<Bell>,
}

impl Watch {
    /// For the bpf detector if there is a bell, otherwise for perf.
    pub(crate) fn new(bell: Option<Bell>) -> io::Result<Self> {
        Ok(Self { role: WatchRole::new(), kick: Kick::new()?, bell })
    }

    /// For a worker whose thread is `tid`.
    pub(crate) fn make_gate(&self, tid: i32) -> io::Result<Gate> {
        Ok(match &self.bell {
            Some(bell) => Gate::Bpf(Arc::new(bell.list(tid)?)),
            None => Gate::Perf(Arc::new(SwitchRing::open(tid)?)),
        })
    }

    pub(crate) fn bell(&self) -> Option<&Bell> {
        self.bell.as_ref()
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

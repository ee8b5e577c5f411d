//! How a worker tells the kernel whether its sleep matters, for the detectors that ask the kernel.

use crate::sys::bpf::Slot;
use crate::sys::perf::SwitchRing;
use crate::worker::Stamp;
use std::sync::Arc;

/// Open while the worker is in user code and holds the core, one plain store each way. One writer at
/// a time: the worker while it holds the core; after a takeover the new holder closes it once, before
/// anything can make the old one holder again.
#[derive(Clone)]
pub(crate) enum Gate {
    Perf(Arc<SwitchRing>),
    Bpf(Arc<Slot>),
}

impl Gate {
    /// The worker goes into user code, with this stamp.
    #[inline]
    pub(crate) fn open(&self, stamp: Stamp) {
        match self {
            Gate::Perf(ring) => ring.gate_open(),
            Gate::Bpf(slot) => slot.arm(stamp.bits()),
        }
    }

    #[inline]
    pub(crate) fn close(&self) {
        match self {
            Gate::Perf(ring) => ring.gate_close(),
            Gate::Bpf(slot) => slot.disarm(),
        }
    }

    /// The core was taken from the worker: what it does next must not wake the watchers, and what it
    /// did must not accuse it again.
    pub(crate) fn seal(&self) {
        self.close();
        match self {
            Gate::Perf(ring) => drop(ring.drain()),
            // It says of which poll.
            Gate::Bpf(_) => {}
        }
    }

    /// The worker's thread is about to end.
    pub(crate) fn retire(&self) {
        match self {
            // Its descriptor hangs up by itself.
            Gate::Perf(_) => {}
            Gate::Bpf(slot) => slot.unlist(),
        }
    }
}

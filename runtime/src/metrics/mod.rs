//! What the runtime counts, and the snapshot that users see.

mod counter;
mod snapshot;

pub(crate) use counter::{Counter, Histogram};
pub use snapshot::RuntimeMetrics;

use crate::pool::Witness;

/// The counters of one core.
#[derive(Debug, Default)]
pub(crate) struct CoreStats {
    pub(crate) parks: Counter,
    pub(crate) busy_ns: Counter,
    /// By witness.
    pub(crate) detector_verdicts: Counter,
    pub(crate) monitor_verdicts: Counter,
    pub(crate) worker_verdicts: Counter,
    pub(crate) takeovers: Counter,
    pub(crate) takeover_latency: Histogram,
    pub(crate) handovers: Counter,
    /// Workers that burn CPU after the core was taken from them, now.
    pub(crate) hogs: Counter,
    pub(crate) cpu_intensive: Counter,
    pub(crate) thread_failures: Counter,
    pub(crate) cap_hits: Counter,
    /// Times that the pool whose first core it is starved and called for rescuers.
    pub(crate) maydays: Counter,
    pub(crate) pin_failures: Counter,
    pub(crate) sentinel_failures: Counter,
    pub(crate) ring_failures: Counter,
}

impl CoreStats {
    pub(crate) fn count_verdict(&self, witness: Witness) {
        let counter = match witness {
            Witness::Detector => &self.detector_verdicts,
            Witness::Monitor => &self.monitor_verdicts,
            Witness::Worker => &self.worker_verdicts,
        };
        counter.increment();
    }
}

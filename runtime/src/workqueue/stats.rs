//! What a pool_workqueue counts for those who look at it.

use crate::metrics::Counter;
use std::sync::Arc;

/// The columns of the kernel's `wq_monitor`; "in flight" is in the books.
#[derive(Debug, Default)]
pub(crate) struct PwqStats {
    /// Items that were activated.
    pub(crate) started: Counter,
    /// CPU time of its items, sampled by whoever looks at running workers.
    pub(crate) cpu_ns: Counter,
    /// Polls that used more CPU time than the threshold.
    pub(crate) cpu_intensive: Counter,
    /// Items that were raised because urgent ones wait for them.
    pub(crate) boosted: Counter,
    /// Times that its pool called for rescuers while it had work there.
    pub(crate) mayday: Arc<Counter>,
    /// Polls of its items by the rescuer.
    pub(crate) rescued: Arc<Counter>,
}

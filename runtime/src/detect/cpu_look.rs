//! The monitor's part in watching the CPUs.

use crate::runtime::Shared;
use crate::sys::affinity::{self, CpuSet};
use std::mem;
use std::sync::Arc;

/// Between two looks.
const PERIOD_NS: u64 = 100_000_000;

/// What the monitor saw of its own affinity, which is that of the process. CPUs that are offline are
/// not in it.
pub(super) struct CpuLook {
    next: u64,
    last: CpuSet,
    /// Its memory is used again: a task that is blocked may hold the allocator's lock.
    spare: CpuSet,
}

impl CpuLook {
    pub(super) fn new(shared: &Shared) -> Self {
        let last = shared.original.cpus.clone().unwrap_or_default();
        Self { next: 0, last, spare: CpuSet::new() }
    }

    /// Looks if it is time, and rings if there is something new.
    pub(super) fn look(&mut self, shared: &Arc<Shared>) {
        if shared.hotplug.lacks_thread() && !shared.is_closing() {
            shared.start_hotplug();
        }
        let now = crate::time::now_ns();
        if now < self.next {
            return;
        }
        self.next = now.saturating_add(PERIOD_NS);
        if affinity::read(0, &mut self.spare).is_ok() && self.spare != self.last {
            mem::swap(&mut self.spare, &mut self.last);
            shared.hotplug.ring();
        }
    }
}

//! The monitor's part of the watchdog.

use super::tracker::{Sign, Tracker};
use crate::pool::{Core, PoolKind};
use crate::runtime::Shared;

/// Looks per period.
const LOOKS: u64 = 8;

/// What the monitor remembers of the pools; by the first core of each.
pub(crate) struct Rounds {
    /// 0: the watchdog is off.
    period_ns: u64,
    next: u64,
    trackers: Vec<Tracker>,
}

impl Rounds {
    pub(crate) fn new(shared: &Shared) -> Self {
        Self { period_ns: shared.config.watchdog_ns, next: 0, trackers: Vec::new() }
    }

    /// Looks at all pools if it is time. Takes no lock that a task can hold, calls no user code.
    pub(crate) fn look(&mut self, shared: &Shared) {
        if self.period_ns == 0 {
            return;
        }
        let now = crate::time::now_ns();
        if now < self.next {
            return;
        }
        self.next = now.saturating_add(self.period_ns / LOOKS);
        self.trackers.resize(shared.core_count(), Tracker::default());
        for core in shared.all_cores() {
            core.crew.iter().for_each(|worker| worker.observed.note(worker.epoch.load(), now));
        }
        for (index, tracker) in self.trackers.iter_mut().enumerate() {
            let core = shared.core(index);
            if core.pool.cores[0] != index {
                continue;
            }
            let sign = sign(shared, core);
            if let Some(stalled_ns) = tracker.look(sign, now, self.period_ns) {
                shared.watchdog.ring(index, sign.pending, stalled_ns);
            }
        }
    }
}

/// Of the pool that begins with this core.
fn sign(shared: &Shared, first: &Core) -> Sign {
    let cores = || first.pool.cores.iter().map(|&index| shared.core(index));
    let holders = cores().fold(0, |sum, core| {
        let holder = core.holder();
        let stamp = core.crew.get(holder).map_or(0, |worker| worker.epoch.load().bits());
        mix(mix(sum, holder.into()), stamp)
    });
    // A runtime of one core stands still, and rightly so, while nobody is in block_on.
    let may_work = first.is_open() || first.pool.kind == PoolKind::Unbound;
    Sign {
        holders,
        pending: if may_work {
            cores().map(queued).sum::<usize>() + first.pool.worklist.len()
        } else {
            0
        },
    }
}

/// What waits in the queues of `cmwq::spawn`; an inject list counts as one.
fn queued(core: &Core) -> usize {
    let own = core.holding_worker().map_or(0, |h| h.ring.len() + usize::from(!h.slot.is_empty()));
    own + usize::from(!core.inject.is_empty())
}

/// Two different sequences give the same number about never.
fn mix(sum: u64, next: u64) -> u64 {
    (sum.rotate_left(23) ^ next).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

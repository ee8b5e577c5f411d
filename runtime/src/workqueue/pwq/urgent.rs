//! Where raised items wait; see `boost`.

use super::{Books, Boosts, Inner, PoolHold, PoolWorkqueue, Spot};
use crate::pool::{HIGH_NICE, LineHold, PoolAttrs, PoolKind, RescuerHold};
use crate::workqueue::pools;

/// The pool of raised items.
pub(super) struct Urgent {
    pub(super) pool: PoolHold,
    _line: Option<LineHold>,
}

impl PoolWorkqueue {
    /// Is the pool itself that of urgent items?
    pub(in crate::workqueue) fn is_urgent(&self) -> bool {
        self.common.flags.high_priority
    }

    pub(in crate::workqueue) fn with_boosts<R>(
        &self,
        f: impl FnOnce(&mut Books, &mut Boosts) -> R,
    ) -> R {
        let Inner { books, boosts, .. } = &mut self.lock().inner;
        f(books, boosts)
    }

    /// Makes the urgent pool, if there is none. Where the system refuses, raised items stay where
    /// they are. Not under a lock.
    pub(in crate::workqueue) fn make_urgent_pool(&self) {
        if self.urgent.get().is_some() {
            return;
        }
        let shared = &self.common.shared;
        let made = match self.pool.attrs() {
            Some(attrs) => pools::of_attrs(shared, &PoolAttrs { nice: HIGH_NICE, ..attrs }),
            None if self.pool.kind == PoolKind::Normal => {
                pools::bound(shared, self.pool.cores[0], true)
            }
            None => return,
        };
        let Ok(pool) = made else { return };
        let attach = |rescuer: &RescuerHold| {
            rescuer.attach(shared, &pool, self.id, &self.stats.mayday, &self.stats.rescued)
        };
        let _line = self.common.rescuer.as_ref().map(attach);
        // Nobody is faster: whoever raises does so alone.
        let _ = self.urgent.set(Urgent { pool, _line });
    }

    /// Moves a task that waits in one pool to the other.
    pub(in crate::workqueue) fn shift(&self, spot: Spot, is_urgent: bool) -> Option<Spot> {
        if spot.is_urgent == is_urgent || self.urgent.get().is_none() {
            return None;
        }
        let task = self.pool_for(spot.is_urgent).worklist.remove(spot.key)?;
        Some(self.push(task, is_urgent))
    }
}

//! Which queue a number belongs to.

use crate::workqueue::Queue;
use std::sync::Arc;

/// The names of queues by the numbers of their pool_workqueues, at one moment.
pub(crate) struct QueueNames(Vec<(u64, Arc<str>)>);

impl QueueNames {
    pub(crate) fn of(queues: &[Arc<Queue>]) -> Self {
        let of = |queue: &Arc<Queue>| {
            let name = queue.common.name.clone();
            queue.pwqs().into_iter().map(move |pwq| (pwq.id().0, name.clone())).collect::<Vec<_>>()
        };
        Self(queues.iter().flat_map(of).collect())
    }

    pub(super) fn get(&self, id: u64) -> Option<Arc<str>> {
        self.0.iter().find(|(other, _)| *other == id).map(|(_, name)| name.clone())
    }
}

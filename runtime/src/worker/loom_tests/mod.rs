//! Models of a worker's queues, and of a core that changes hands while its worker pushes.

mod handoff;
mod ring;
mod slot;

use crate::task::mock::Mock;
use crate::task::{Id, Notified};

/// Tasks with their ids, in order.
fn tasks(mock: &Mock, count: usize) -> (Vec<Notified>, Vec<Id>) {
    let tasks: Vec<_> = (0..count).map(|_| mock.task(async {}).0).collect();
    let ids = tasks.iter().map(Notified::id).collect();
    (tasks, ids)
}

/// Runs the tasks that were taken: each of the ids has to be among them once.
fn assert_each_once(mock: &Mock, taken: impl IntoIterator<Item = Notified>, ids: &[Id]) {
    let taken: Vec<_> = taken.into_iter().collect();
    let mut found: Vec<_> = taken.iter().map(Notified::id).collect();
    found.sort_unstable();
    assert_eq!(found, ids, "a task was lost or taken twice");
    taken.into_iter().for_each(Notified::run);
    mock.assert_all_gone();
}

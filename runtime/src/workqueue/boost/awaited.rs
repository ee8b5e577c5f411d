//! What an edge leads to.

use super::raise::{self, Item};
use super::tasks;
use super::waits::{Target, Waits};
use crate::task::TaskRef;
use std::sync::Arc;

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Awaited {
    /// Something on a workqueue.
    Item(Item),
    /// A task of `cmwq::spawn`.
    Task(TaskRef),
}

impl Target for Awaited {
    fn alone<R>(&self, f: impl FnOnce() -> R) -> R {
        raise::alone(f)
    }

    fn raise(&self) -> Option<Arc<Waits<Self>>> {
        match self {
            Self::Item(item) => item.raise(),
            Self::Task(task) => tasks::raise(task),
        }
    }

    fn lower(&self) -> Option<Arc<Waits<Self>>> {
        match self {
            Self::Item(item) => item.lower(),
            Self::Task(task) => tasks::lower(task),
        }
    }
}

//! Which work this thread executes.

use super::item::Core;
use crate::task::Id;
use std::cell::RefCell;
use std::panic::Location;
use std::sync::Arc;

thread_local! {
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

/// An execution on this thread.
#[derive(Clone)]
pub(crate) struct Current {
    pub(crate) id: Id,
    pub(crate) worker: Arc<str>,
    pub(crate) location: &'static Location<'static>,
}

/// An execution begins. Returns the outer one, for [`leave`]: a closure may serve another worker.
pub(super) fn enter(work: &Core, worker: &Arc<str>) -> Option<Current> {
    let inner = Current { id: work.id, worker: worker.clone(), location: work.location };
    CURRENT.try_with(|current| current.replace(Some(inner))).ok().flatten()
}

pub(super) fn leave(outer: Option<Current>) {
    // Fails only while the thread's locals are destroyed.
    let _ = CURRENT.try_with(|current| current.replace(outer));
}

pub(crate) fn current() -> Option<Current> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

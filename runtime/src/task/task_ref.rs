//! A counted reference to a task, for those who hasten it.

use super::Id;
use super::raw::{RawTask, Turn};
use super::state::OnRaise;
use crate::sync_types::atomic::Ordering;
use std::hash::{Hash, Hasher};
use std::panic::Location;

/// Says nothing about the output. Equal references are to the same task.
pub(crate) struct TaskRef(RawTask);

// SAFETY: what is reached through it is the state word and the header, which is made of atomics and
// guarded fields; the last reference may free the task's memory anywhere, but its future and output
// are Send.
unsafe impl Send for TaskRef {}
// SAFETY: as above.
unsafe impl Sync for TaskRef {}

impl TaskRef {
    /// The caller has a reference of its own.
    pub(crate) fn new(task: RawTask) -> Self {
        task.state().ref_inc();
        Self(task)
    }

    /// Different for each task that exists.
    pub(crate) fn address(task: RawTask) -> usize {
        task.pointer().addr().get()
    }

    pub(crate) fn own_address(&self) -> usize {
        Self::address(self.0)
    }

    pub(crate) fn id(&self) -> Id {
        self.0.id()
    }

    /// Where it was spawned.
    pub(crate) fn location(&self) -> &'static Location<'static> {
        self.0.header().location
    }

    /// The core that polled it last.
    pub(crate) fn home_core(&self) -> usize {
        self.0.header().core.load(Ordering::Relaxed).into()
    }

    /// Its scheduler will be told of its completion; `false` if it is complete.
    pub(crate) fn bond(&self) -> bool {
        self.0.state().bond()
    }

    pub(crate) fn unbond(&self) {
        self.0.state().unbond();
    }

    /// Somebody urgent waits for it. Returns whether it is being polled at this moment. The caller
    /// keeps the task's scheduler.
    pub(crate) fn raise(&self) -> bool {
        match self.0.state().raise() {
            OnRaise::Nothing => false,
            OnRaise::Running => true,
            OnRaise::Woken(then) => {
                self.0.follow(then);
                false
            }
        }
    }

    /// Nobody urgent waits for it any more.
    pub(crate) fn lower(&self) {
        self.0.state().lower();
    }

    /// Does somebody urgent wait for it?
    pub(crate) fn is_raised(&self) -> bool {
        self.0.state().is_raised()
    }

    /// Polls the task (or cancels it) if it is queued, whichever queue it is in. Does not unwind.
    pub(crate) fn run_ahead(self) {
        let task = self.0;
        std::mem::forget(self);
        // SAFETY: `self` was a reference, and poll consumes it.
        unsafe { (task.header().vtable.poll)(task.pointer(), Turn::Ahead) }
    }
}

impl Clone for TaskRef {
    fn clone(&self) -> Self {
        Self::new(self.0)
    }
}

impl Drop for TaskRef {
    fn drop(&mut self) {
        self.0.ref_dec(1);
    }
}

impl Eq for TaskRef {}

impl Hash for TaskRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.own_address().hash(state);
    }
}

impl PartialEq for TaskRef {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

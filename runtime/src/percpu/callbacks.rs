//! What the threads of a registration call.

use crate::contain::contain;
use std::cell::Cell;

pub(super) type OnCpu = Box<dyn Fn(usize) + Send + Sync>;

/// The user's; the argument is the CPU.
pub(super) struct Callbacks {
    pub(super) should_run: Option<Box<dyn Fn(usize) -> bool + Send + Sync>>,
    pub(super) run: OnCpu,
    pub(super) create: Option<OnCpu>,
    pub(super) setup: Option<OnCpu>,
    pub(super) cleanup: Option<Box<dyn Fn(usize, bool) + Send + Sync>>,
    pub(super) park: Option<OnCpu>,
    pub(super) unpark: Option<OnCpu>,
}

impl Callbacks {
    /// A panic ends here; the hook has reported it.
    pub(super) fn call(callback: Option<&OnCpu>, cpu: usize) {
        if let Some(callback) = callback {
            contain(|| callback(cpu));
        }
    }

    /// Is there something to do? Without a callback for that: if somebody has woken the thread.
    pub(super) fn has_work(&self, cpu: usize, is_woken: bool) -> bool {
        let Some(should_run) = &self.should_run else { return is_woken };
        // One that panics has nothing to do.
        let answer = Cell::new(false);
        contain(|| answer.set(should_run(cpu)));
        answer.get()
    }

    pub(super) fn clean_up(&self, cpu: usize, is_online: bool) {
        if let Some(cleanup) = &self.cleanup {
            contain(|| cleanup(cpu, is_online));
        }
    }
}

//! Freezing: polls stop, nothing is lost, and a thaw goes on where they stopped.

use super::queue::{Admin, Queue};

impl Queue {
    /// Freezes or thaws the queue itself.
    pub(super) fn set_frozen(&self, frozen: bool) {
        self.change_frozen(|admin| admin.is_frozen = frozen);
    }

    /// Freezes or thaws it with the others of its runtime, if it is freezable.
    pub(super) fn set_frozen_by_runtime(&self, frozen: bool) {
        if self.common.flags.freezable {
            self.change_frozen(|admin| admin.is_frozen_by_runtime = frozen);
        }
    }

    fn change_frozen(&self, change: impl FnOnce(&mut Admin)) {
        let mut admin = self.admin();
        let before = admin.is_frozen();
        change(&mut admin);
        match (before, admin.is_frozen()) {
            (false, true) => self.pwqs().iter().for_each(|pwq| pwq.freeze()),
            (true, false) => self.pwqs().iter().for_each(|pwq| pwq.thaw()),
            _ => {}
        }
    }
}

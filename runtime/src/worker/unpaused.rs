//! Without feature `test-util` the clock cannot be paused.

use super::Local;

impl Local {
    pub(super) fn clock_is_paused(&self) -> bool {
        self.shared().clock.is_paused()
    }

    pub(super) fn advance_paused_clock(&self) -> bool {
        false
    }
}

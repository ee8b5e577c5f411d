//! Without feature `test-util` the clock cannot be paused.

use super::Local;

impl Local {
    pub(super) fn advance_paused_clock(&self) -> bool {
        false
    }
}

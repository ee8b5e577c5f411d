//! Where panics of user code end.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs user code whose panic has nobody to go to. The panic hook has reported it.
pub(crate) fn contain(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        discard(payload);
    }
}

/// Drops the payload of a caught panic. That is user code too, and may panic in turn; what that
/// throws is leaked rather than dropped.
pub(crate) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
}

#[cfg(test)]
mod tests {
    use super::contain;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::panic_any(Bomb);
        }
    }

    #[test]
    fn a_payload_that_panics_when_dropped_ends_here_too() {
        contain(|| std::panic::panic_any(Bomb));
    }
}

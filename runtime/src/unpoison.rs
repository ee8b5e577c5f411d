//! Locks of `std` although another thread panicked while it held them: what our locks guard is
//! consistent at every point that can panic.

use std::sync::{LockResult, PoisonError};

/// What taking a lock, waiting with it, or taking it apart gives.
pub(crate) trait Unpoison {
    type Guard;

    /// The guard, poisoned or not.
    fn unpoison(self) -> Self::Guard;
}

impl<G> Unpoison for LockResult<G> {
    type Guard = G;

    fn unpoison(self) -> G {
        self.unwrap_or_else(PoisonError::into_inner)
    }
}

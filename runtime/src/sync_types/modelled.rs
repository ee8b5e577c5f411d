//! Loom's types.

pub(crate) use loom::cell::UnsafeCell;
pub(crate) use loom::sync::{Arc, Mutex, MutexGuard};

pub(crate) mod atomic {
    pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU16, AtomicU64, AtomicUsize, Ordering};

    /// A compiler barrier is stronger in the model: what it stands in for is one half of a pair
    /// whose other half is `membarrier`, which loom does not know.
    pub(crate) fn compiler_fence(order: Ordering) {
        fence(order);
    }
}

//! Loom's atomics, with SeqCst accesses that are more than AcqRel.
//!
//! Loom knows SeqCst fences but treats a SeqCst access as AcqRel, so it would report a store and
//! a load of two words, all SeqCst, as reordered. Here such an access has a fence on each side:
//! what x86 does for it, and somewhat more than the language promises. So a model shows nothing
//! about weaker accesses that lean on a neighbour that is SeqCst; where one has to, the code has a
//! fence of its own.

use loom::sync::atomic as loom_atomic;

pub(crate) use loom_atomic::{AtomicBool, AtomicPtr, AtomicU16, Ordering, fence};

/// A compiler barrier is stronger in the model: what it stands in for is one half of a pair
/// whose other half is `membarrier`, which loom does not know.
pub(crate) fn compiler_fence(order: Ordering) {
    fence(order);
}

fn fenced<R>(order: Ordering, access: impl FnOnce() -> R) -> R {
    if order != Ordering::SeqCst {
        return access();
    }
    fence(Ordering::SeqCst);
    let result = access();
    fence(Ordering::SeqCst);
    result
}

macro_rules! atomic {
    ($name:ident, $int:ty) => {
        #[derive(Debug, Default)]
        pub(crate) struct $name(loom_atomic::$name);

        // One interface for all three; not every operation is used with every width.
        #[allow(dead_code)]
        impl $name {
            #[track_caller]
            pub(crate) fn new(value: $int) -> Self {
                Self(loom_atomic::$name::new(value))
            }

            #[track_caller]
            pub(crate) fn load(&self, order: Ordering) -> $int {
                fenced(order, || self.0.load(order))
            }

            /// A SeqCst store is an exchange. Loom does not know that a store which follows what
            /// a compare-exchange has read also follows what it has written.
            #[track_caller]
            pub(crate) fn store(&self, value: $int, order: Ordering) {
                match order {
                    Ordering::SeqCst => drop(self.swap(value, order)),
                    _ => self.0.store(value, order),
                }
            }

            #[track_caller]
            pub(crate) fn swap(&self, value: $int, order: Ordering) -> $int {
                fenced(order, || self.0.swap(value, order))
            }

            #[track_caller]
            pub(crate) fn compare_exchange(
                &self,
                current: $int,
                new: $int,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$int, $int> {
                fenced(success, || self.0.compare_exchange(current, new, success, failure))
            }

            #[track_caller]
            pub(crate) fn compare_exchange_weak(
                &self,
                current: $int,
                new: $int,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$int, $int> {
                self.compare_exchange(current, new, success, failure)
            }

            #[track_caller]
            pub(crate) fn fetch_add(&self, value: $int, order: Ordering) -> $int {
                fenced(order, || self.0.fetch_add(value, order))
            }

            #[track_caller]
            pub(crate) fn fetch_sub(&self, value: $int, order: Ordering) -> $int {
                fenced(order, || self.0.fetch_sub(value, order))
            }

            #[track_caller]
            pub(crate) fn fetch_and(&self, value: $int, order: Ordering) -> $int {
                fenced(order, || self.0.fetch_and(value, order))
            }

            #[track_caller]
            pub(crate) fn fetch_or(&self, value: $int, order: Ordering) -> $int {
                fenced(order, || self.0.fetch_or(value, order))
            }

            #[track_caller]
            pub(crate) fn fetch_xor(&self, value: $int, order: Ordering) -> $int {
                fenced(order, || self.0.fetch_xor(value, order))
            }
        }
    };
}

atomic!(AtomicU32, u32);
atomic!(AtomicU64, u64);
atomic!(AtomicUsize, usize);

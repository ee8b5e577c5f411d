//! The word that the sentinel of a core sleeps on.
//!
//! It disarms (store, fence) and then looks at the holder again; a holder that starts to work stores
//! its epoch, fences, then looks whether the sentinel is armed. One of them sees the other.

use crate::sync_types::atomic::{AtomicU32, Ordering, fence};
use crate::sync_types::futex;

/// How the sentinel of a core is made runnable.
#[derive(Default)]
pub(crate) struct Sentinel {
    armed: AtomicU32,
    /// Of its thread; 0 if there is none.
    tid: AtomicU32,
}

impl Sentinel {
    /// Makes the sentinel runnable. A load if it is already. A holder that starts to work has stored
    /// its epoch and fenced before.
    #[inline]
    pub(crate) fn arm(&self) {
        if self.armed.load(Ordering::SeqCst) == 0 {
            self.armed.store(1, Ordering::SeqCst);
            futex::wake_one(&self.armed);
        }
    }

    /// The id of its thread, 0 if there is none.
    pub(crate) fn tid(&self) -> i32 {
        self.tid.load(Ordering::SeqCst) as i32
    }

    /// By its thread: first thing, and 0 at the end.
    pub(super) fn set_tid(&self, tid: i32) {
        self.tid.store(tid as u32, Ordering::SeqCst);
    }

    /// Wakes it to see that the runtime has stopped, which the caller has said before.
    pub(crate) fn stop(&self) {
        self.armed.store(1, Ordering::SeqCst);
        futex::wake_all(&self.armed);
    }

    pub(super) fn is_armed(&self) -> bool {
        self.armed.load(Ordering::SeqCst) != 0
    }

    /// Sleeps until armed, or without cause.
    pub(super) fn wait(&self) {
        futex::wait(&self.armed, 0, None);
    }

    pub(super) fn disarm(&self) {
        self.armed.store(0, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// Disarms unless the core is not quiet any more when that is done.
    pub(super) fn disarm_while(&self, quiet: impl FnOnce() -> bool) {
        self.disarm();
        if !quiet() {
            // The thread that asks is the one that would have to be woken.
            self.armed.store(1, Ordering::SeqCst);
        }
    }
}

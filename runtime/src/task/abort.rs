//! A handle that can abort a task.

use super::Id;
use super::raw::RawTask;
use super::state::COMPLETE;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

/// Aborts a task without being able to await it. Cheap to clone.
///
/// # Examples
///
/// ```
/// #[cmwq::main]
/// async fn main() {
///     let task = cmwq::spawn(std::future::pending::<()>());
///     task.abort_handle().abort();
///     assert!(task.await.unwrap_err().is_cancelled());
/// }
/// ```
pub struct AbortHandle {
    raw: RawTask,
}

// SAFETY: only the state word is reached through it; the last reference may free the task's
// memory anywhere, but its future and output are gone or Send by then.
unsafe impl Send for AbortHandle {}
// SAFETY: as above.
unsafe impl Sync for AbortHandle {}

impl UnwindSafe for AbortHandle {}
impl RefUnwindSafe for AbortHandle {}

impl AbortHandle {
    pub(super) fn new(raw: RawTask) -> Self {
        raw.state().ref_inc();
        Self { raw }
    }

    /// Cancels the task; see [`JoinHandle::abort`](super::JoinHandle::abort).
    pub fn abort(&self) {
        self.raw.abort();
    }

    /// Has the task completed, or been cancelled?
    pub fn is_finished(&self) -> bool {
        self.raw.state().load().has(COMPLETE)
    }

    /// The task's id.
    pub fn id(&self) -> Id {
        self.raw.header().id
    }
}

impl Clone for AbortHandle {
    fn clone(&self) -> Self {
        Self::new(self.raw)
    }
}

impl Drop for AbortHandle {
    fn drop(&mut self) {
        self.raw.ref_dec(1);
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle").field("id", &self.id()).finish()
    }
}

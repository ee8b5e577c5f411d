//! Which driver serves this thread.

use super::Handle;
use std::cell::RefCell;

thread_local! {
    static CURRENT: RefCell<Option<Handle>> = const { RefCell::new(None) };
}

/// Sets the driver with which sockets register that first have to wait on this thread, and returns
/// the former one.
///
/// A worker sets the driver of its core once; `enter` and a nested `block_on` set another and put the
/// former back. While the thread is being torn down nothing is set and `None` is returned.
pub fn set_current(handle: Option<Handle>) -> Option<Handle> {
    CURRENT.try_with(|current| current.replace(handle)).ok().flatten()
}

/// Calls `f` with the driver of this thread, if there is one.
///
/// `f` may call [`set_current`].
pub fn with_current<R>(f: impl FnOnce(Option<&Handle>) -> R) -> R {
    let handle = CURRENT.try_with(|current| current.borrow().clone()).ok().flatten();
    f(handle.as_ref())
}

/// Panics when this thread has no driver.
#[track_caller]
pub(crate) fn assert_current() {
    let running = CURRENT.try_with(|current| current.borrow().is_some()).unwrap_or(false);
    assert!(
        running,
        "there is no reactor running, must be called from the context of a cmwq runtime"
    );
}

//! Children that forked and do not execute.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};

/// In a forked child `first_use` panics. It may catch that and go on, and says whether it did panic.
///
/// # Panics
/// If it did not, or the child hangs.
pub fn panics_after_fork(first_use: impl FnOnce() -> bool) {
    // The default hook writes to stderr, whose lock another thread may hold at the fork.
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    // SAFETY: the child uses nothing but the allocator, which glibc keeps usable after a
    // fork, and leaves by `_exit`; an alarm ends it should it hang.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork: {}", std::io::Error::last_os_error());
    if child == 0 {
        // SAFETY: as above; the default action of the alarm ends the process.
        unsafe { libc::alarm(10) };
        let code = catch_unwind(AssertUnwindSafe(first_use)).map_or(2, |did| i32::from(!did));
        // SAFETY: ends the child without running anything of the parent's.
        unsafe { libc::_exit(code) };
    }
    set_hook(hook);
    let mut status = 0;
    // SAFETY: waits for our own child; `status` outlives the call.
    let waited = unsafe { libc::waitpid(child, &mut status, 0) };
    assert_eq!(waited, child);
    assert_eq!(status, 0, "the child panics at first use, and does not hang");
}

/// Does it panic?
pub fn panics<R>(f: impl FnOnce() -> R) -> bool {
    catch_unwind(AssertUnwindSafe(f)).is_err()
}

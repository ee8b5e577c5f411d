//! Which process is this? Asked at every spawn from outside, so a system call is too much.
//!
//! The id is kept in a page that the kernel empties in a forked child (`MADV_WIPEONFORK`, Linux 4.14),
//! so a child that did not exec finds 0 and asks again. Where the page cannot be had it is a system
//! call each time.
//!
//! Rejected: `pthread_atfork`, which a raw `clone` passes by; a thread-local, which a fork copies.

use rustix::mm::{Advice, MapFlags, ProtFlags};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The id of this process.
#[inline]
pub fn id() -> u32 {
    static WORD: OnceLock<Option<&'static AtomicU32>> = OnceLock::new();
    let Some(word) = WORD.get_or_init(wiped_on_fork) else { return std::process::id() };
    match word.load(Ordering::Relaxed) {
        0 => {
            let id = std::process::id();
            word.store(id, Ordering::Relaxed);
            id
        }
        id => id,
    }
}

/// A word that reads 0 after a fork; never unmapped.
fn wiped_on_fork() -> Option<&'static AtomicU32> {
    let size = rustix::param::page_size();
    let prot = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new private mapping at an address of the kernel's choice touches no existing memory.
    let page =
        unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), size, prot, MapFlags::PRIVATE) };
    let page = page.ok()?;
    // SAFETY: the range is the mapping that was just made; the advice changes nothing before a fork.
    let advised = unsafe { rustix::mm::madvise(page, size, Advice::LinuxWipeOnFork) };
    if advised.is_err() {
        // SAFETY: nobody has a pointer into the mapping yet.
        let _ = unsafe { rustix::mm::munmap(page, size) };
        return None;
    }
    // SAFETY: the page is mapped for good, aligned, zero, and only used as this atomic.
    Some(unsafe { AtomicU32::from_ptr(page.cast()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forked_child_sees_its_own_id() {
        assert_eq!(id(), std::process::id());
        // SAFETY: the child calls only what is safe after a fork of a threaded process: a load, a
        // system call, and _exit.
        match unsafe { libc::fork() } {
            0 => {
                let same = id() == std::process::id();
                // SAFETY: ends the child without running the parent's destructors.
                unsafe { libc::_exit(if same { 0 } else { 1 }) }
            }
            child => {
                let mut status = 0;
                // SAFETY: `status` is valid for the call.
                assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
                assert_eq!(status, 0, "the child took itself for its parent");
            }
        }
        assert_eq!(id(), std::process::id());
    }
}

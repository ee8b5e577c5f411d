//! Memory on NUMA nodes.

use std::io;

/// Pages of one call.
const BATCH: usize = 16;
/// A page, or a part of one where pages are larger: the same page is then named several times.
const PAGE: usize = 4096;

/// Of `linux/mempolicy.h`: pages of this process only.
const MPOL_MF_MOVE: i32 = 1 << 1;

/// Moves the pages that `len` bytes from `start` are in to a node. Pages that do not exist and those
/// that other processes share stay as they are.
///
/// # Errors
///
/// `ENOSYS` from a kernel without nodes, `EPERM` from a filter, `ENODEV` if there is no such node.
pub fn move_to(node: usize, start: *const u8, len: usize) -> io::Result<()> {
    let first = start.addr() & !(PAGE - 1);
    let count = (start.addr() + len).saturating_sub(first).div_ceil(PAGE);
    let nodes = [node as i32; BATCH];
    for batch in (0..count).step_by(BATCH) {
        let pages: [*const u8; BATCH] =
            std::array::from_fn(|n| std::ptr::without_provenance(first + (batch + n) * PAGE));
        let (own, mut status) = ((count - batch).min(BATCH), [0_i32; BATCH]);
        // SAFETY: the kernel reads `own` addresses and nodes and writes as many numbers, and there are
        // BATCH of each. It follows no address: what a page holds and where it appears stays.
        let rc = unsafe {
            let (pages, nodes, status) = (pages.as_ptr(), nodes.as_ptr(), status.as_mut_ptr());
            libc::syscall(libc::SYS_move_pages, 0, own, pages, nodes, status, MPOL_MF_MOVE)
        };
        // A positive number is that of pages which could not be moved.
        if rc < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// The node of the page that an address is in; `None` if there is no page, or the kernel does not say.
#[cfg(test)]
pub fn node_of(address: *const u8) -> Option<usize> {
    let (page, mut status) = (address.map_addr(|address| address & !(PAGE - 1)), -1_i32);
    // SAFETY: the kernel reads one address and writes one number; without nodes it moves nothing.
    let rc = unsafe {
        let (pages, status) = (&raw const page, &raw mut status);
        libc::syscall(libc::SYS_move_pages, 0, 1, pages, std::ptr::null::<i32>(), status, 0)
    };
    usize::try_from(status).ok().filter(|_| rc == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_moved_stays_what_it_is() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|n| n as u8).collect();
        let on = node_of(bytes.as_ptr());
        let Some(node) = on else {
            return eprintln!("SKIPPED what_is_moved_stays_what_it_is: move_pages is refused here");
        };
        match move_to(node, bytes.as_ptr(), bytes.len()) {
            Ok(()) => assert_eq!(node_of(bytes.as_ptr()), on),
            Err(error) => eprintln!("not moved: {error}"),
        }
        assert!(move_to(1000, bytes.as_ptr(), bytes.len()).is_err(), "no such node");
        assert!(bytes.iter().enumerate().all(|(n, &byte)| byte == n as u8));
    }
}

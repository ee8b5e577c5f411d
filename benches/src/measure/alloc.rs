//! The allocator with a counter that is off until the case `memory` turns it on in its child.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

static ON: AtomicBool = AtomicBool::new(false);
static BYTES: AtomicU64 = AtomicU64::new(0);

/// glibc's header before each chunk.
const CHUNK_HEADER: u64 = 8;

/// The system's allocator; when on, adds up what was handed out, rounding and header included.
pub struct Counting;

/// Bytes that all threads allocate while `work` runs; what is freed is not taken off.
pub fn allocated_by<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let before = BYTES.load(Relaxed);
    ON.store(true, Relaxed);
    let result = work();
    ON.store(false, Relaxed);
    (BYTES.load(Relaxed) - before, result)
}

// SAFETY: every call goes to the system's allocator unchanged; the counter is beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise about `layout` is passed on.
        let block = unsafe { System.alloc(layout) };
        count(block);
        block
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise about `layout` is passed on.
        let block = unsafe { System.alloc_zeroed(layout) };
        count(block);
        block
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: `block` came from `System` by this allocator, with this layout.
        let block = unsafe { System.realloc(block, layout, size) };
        count(block);
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: `block` came from `System` by this allocator, with this layout.
        unsafe { System.dealloc(block, layout) }
    }
}

fn count(block: *mut u8) {
    if ON.load(Relaxed) && !block.is_null() {
        // SAFETY: the block was handed out by malloc just now and belongs to the caller.
        let usable = unsafe { libc::malloc_usable_size(block.cast()) };
        BYTES.fetch_add(usable as u64 + CHUNK_HEADER, Relaxed);
    }
}

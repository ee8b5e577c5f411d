//! The allocator of the program.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;

/// Memory of `layout`, which is not empty.
pub(in crate::task) fn allocate(layout: Layout) -> NonNull<u8> {
    debug_assert!(layout.size() > 0);
    // SAFETY: the layout is not empty.
    NonNull::new(unsafe { alloc(layout) }).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Gives memory back.
///
/// # Safety
///
/// It comes from [`allocate`] with the same layout, and nobody uses it any more.
pub(in crate::task) unsafe fn release(block: NonNull<u8>, layout: Layout) {
    // SAFETY: as the caller promises.
    unsafe { dealloc(block.as_ptr(), layout) }
}

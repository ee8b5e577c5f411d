//! Memory that is kept for the next task of its size.

mod class;
mod depot;
mod magazine;
mod rack;
#[cfg(test)]
mod tests;

use super::heap;
use class::Class;
use depot::Depot;
use rack::Racks;
use std::alloc::Layout;
use std::ptr::NonNull;

/// How much the depot keeps, of all classes together, bytes.
const KEPT_LIMIT: usize = 4 << 20;

/// The magazines of each class that are kept beyond that.
const KEPT_FLOOR: usize = 8;

static DEPOT: Depot = Depot::new(KEPT_LIMIT, KEPT_FLOOR);

thread_local! {
    static RACKS: Racks = const { Racks::new(&DEPOT) };
}

/// Memory for a value of `layout`, which is not empty.
#[inline]
pub(in crate::task) fn allocate(layout: Layout) -> NonNull<u8> {
    let Some(class) = Class::of(layout) else { return heap::allocate(layout) };
    let kept = RACKS.try_with(|racks| racks.take(class)).ok().flatten();
    kept.unwrap_or_else(|| heap::allocate(class.layout()))
}

/// Gives memory back.
///
/// # Safety
///
/// It comes from [`allocate`] with the same layout, and nobody uses it any more.
#[inline]
pub(in crate::task) unsafe fn release(block: NonNull<u8>, layout: Layout) {
    let Some(class) = Class::of(layout) else {
        // SAFETY: without a class it came from there, with this layout.
        return unsafe { heap::release(block, layout) };
    };
    // SAFETY: the block is the caller's to give, and of this class, since it has this layout.
    let kept = RACKS.try_with(|racks| unsafe { racks.give(class, block) });
    if kept.is_err() {
        // SAFETY: blocks of a class come from the allocator with its layout, whoever kept them since.
        unsafe { heap::release(block, class.layout()) };
    }
}

//! Sizes of cells that are kept.

use std::alloc::Layout;

const STEP: usize = 16;

/// Cells that are larger go to the allocator, bytes.
const LARGEST: usize = 512;

pub(super) const CLASSES: usize = LARGEST / STEP;

/// Blocks of one size: a multiple of 16 bytes, aligned to 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class(u8);

impl Class {
    /// The smallest class that a value of `layout` fits; `None` if it is not to be kept.
    #[inline]
    pub(super) const fn of(layout: Layout) -> Option<Self> {
        let steps = layout.size().div_ceil(STEP);
        if steps == 0 || steps > CLASSES || layout.align() > STEP {
            return None;
        }
        Some(Self(steps as u8 - 1))
    }

    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..CLASSES as u8).map(Self)
    }

    #[inline]
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }

    /// Bytes of a block.
    pub(super) const fn size(self) -> usize {
        (self.index() + 1) * STEP
    }

    pub(super) const fn layout(self) -> Layout {
        match Layout::from_size_align(self.size(), STEP) {
            Ok(layout) => layout,
            Err(_) => panic!("16 is a power of two"),
        }
    }
}

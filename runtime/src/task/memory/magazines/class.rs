//! Sizes of cells that are kept.

use std::alloc::Layout;

const STEP: usize = 16;

/// Bytes before each block of common allocators, which make the sum a multiple of a step.
const HEADER: usize = 8;

pub(super) const CLASSES: usize = 32;

/// Blocks of one size, 24 to 520 bytes in steps of 16, aligned to 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class(u8);

impl Class {
    /// The smallest class that a value of `layout` fits; `None` if it is not to be kept.
    #[inline]
    pub(super) const fn of(layout: Layout) -> Option<Self> {
        let index = (layout.size() + HEADER).div_ceil(STEP).saturating_sub(2);
        if index >= CLASSES || layout.align() > STEP {
            return None;
        }
        Some(Self(index as u8))
    }

    #[inline]
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }

    /// Bytes of a block.
    pub(super) const fn size(self) -> usize {
        (self.index() + 2) * STEP - HEADER
    }

    pub(super) const fn layout(self) -> Layout {
        match Layout::from_size_align(self.size(), STEP) {
            Ok(layout) => layout,
            Err(_) => panic!("16 is a power of two"),
        }
    }

    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..CLASSES as u8).map(Self)
    }
}

//! A stack of free blocks of one class.

use super::super::heap;
use super::class::Class;
use std::ptr::NonNull;

/// How many blocks fill it.
pub(super) const FULL: u32 = 32;

/// Owns its blocks; who drops one leaks them.
#[derive(Default)]
pub(super) struct Magazine {
    top: Option<NonNull<Block>>,
    count: u32,
}

/// What a free block begins with. Two words, of the three that the smallest class has.
struct Block {
    next: Option<NonNull<Block>>,
    /// Of the topmost block of a magazine in the depot: the magazine below.
    below: Option<NonNull<Block>>,
}

// SAFETY: the blocks are memory that nobody else knows.
unsafe impl Send for Magazine {}

impl Magazine {
    pub(super) const EMPTY: Self = Self { top: None, count: 0 };

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.count == FULL
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<NonNull<u8>> {
        let block = self.top?;
        // SAFETY: the block is ours, and push() has written its words.
        self.top = unsafe { block.as_ref().next };
        self.count -= 1;
        Some(block.cast())
    }

    /// # Safety
    ///
    /// The block is of this magazine's class, and the caller's to give.
    #[inline]
    pub(super) unsafe fn push(&mut self, block: NonNull<u8>) {
        let block = block.cast::<Block>();
        // SAFETY: each class has room for two words, and their alignment.
        unsafe { block.write(Block { next: self.top, below: None }) };
        self.top = Some(block);
        self.count += 1;
    }

    /// Gives the blocks back to the allocator.
    #[cold]
    pub(super) fn scrap(mut self, class: Class) {
        while let Some(block) = self.pop() {
            // SAFETY: blocks of a class come from the allocator with its layout.
            unsafe { heap::release(block, class.layout()) };
        }
    }
}

/// Full magazines on top of each other.
pub(super) struct Pile {
    top: Option<NonNull<Block>>,
    height: usize,
}

// SAFETY: as for Magazine.
unsafe impl Send for Pile {}

impl Pile {
    pub(super) const EMPTY: Self = Self { top: None, height: 0 };

    /// How many there are.
    pub(super) fn height(&self) -> usize {
        self.height
    }

    pub(super) fn push(&mut self, magazine: Magazine) {
        debug_assert!(magazine.is_full());
        if let Some(mut top) = magazine.top {
            // SAFETY: the block is the magazine's, which is ours.
            unsafe { top.as_mut().below = self.top };
            self.top = Some(top);
            self.height += 1;
        }
    }

    pub(super) fn pop(&mut self) -> Option<Magazine> {
        let top = self.top?;
        // SAFETY: the block is the topmost of a magazine in the pile, which is ours.
        self.top = unsafe { top.as_ref().below };
        self.height -= 1;
        Some(Magazine { top: Some(top), count: FULL })
    }
}

//! The cores that are made while the runtime runs: those of high-priority and of unbound pools.
//!
//! Append-only: a core that was once published stays at its index, at its address, until the runtime
//! goes. So anybody looks one up without a lock and without counting references, and keeps the
//! reference as long as it keeps the runtime. What a pool no longer needs is used again by a later
//! pool ([`super::pools`]), hence the table is as long as there were ever cores at once.
//!
//! The places come in blocks that are made when the first of them is needed: a runtime that uses no
//! such pool pays some hundred bytes. A place is a pointer, so that each core is in memory
//! of its own, on its node.

use super::Core;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

const BLOCK: usize = 64;
const BLOCKS: usize = 64;

type Block = Box<[OnceLock<Box<Core>>]>;

pub(crate) struct Table {
    blocks: [OnceLock<Block>; BLOCKS],
    /// Published cores. Written by whoever makes cores, one thread at a time.
    len: AtomicUsize,
}

impl Table {
    pub(crate) fn new() -> Self {
        Self { blocks: [const { OnceLock::new() }; BLOCKS], len: AtomicUsize::new(0) }
    }

    /// How many cores there are.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// How many more there is room for.
    pub(super) fn room(&self) -> usize {
        BLOCK * BLOCKS - self.len()
    }

    #[inline]
    pub(crate) fn get(&self, place: usize) -> Option<&Core> {
        self.blocks.get(place / BLOCK)?.get()?[place % BLOCK].get().map(Box::as_ref)
    }

    /// Publishes a core in the next place. One thread at a time, which has asked for
    /// [`room`](Self::room).
    pub(super) fn push(&self, core: Box<Core>) {
        let place = self.len();
        let block = self.blocks[place / BLOCK]
            .get_or_init(|| (0..BLOCK).map(|_| OnceLock::new()).collect());
        let filled = block[place % BLOCK].set(core);
        assert!(filled.is_ok(), "two threads made cores at once");
        self.len.store(place + 1, Ordering::Release);
    }
}

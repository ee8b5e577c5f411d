//! What a thread has at hand.

use super::class::{CLASSES, Class};
use super::depot::Depot;
use super::magazine::Magazine;
use std::cell::Cell;
use std::ptr::NonNull;

/// The free blocks of a thread.
pub(super) struct Racks {
    depot: &'static Depot,
    racks: [Rack; CLASSES],
}

/// Those of one class.
struct Rack {
    /// Taken from and given to.
    loaded: Cell<Magazine>,
    /// Full or empty, so that a thread that goes to and fro at the edge of a magazine does not go to
    /// the depot each time.
    spare: Cell<Magazine>,
}

impl Racks {
    pub(super) const fn new(depot: &'static Depot) -> Self {
        Self { depot, racks: [const { Rack::new() }; CLASSES] }
    }

    /// A block of this class; `None` if none is kept.
    #[inline]
    pub(super) fn take(&self, class: Class) -> Option<NonNull<u8>> {
        let rack = &self.racks[class.index()];
        rack.pop().or_else(|| self.reload(rack, class))
    }

    /// The same where the loaded magazine is empty.
    #[cold]
    fn reload(&self, rack: &Rack, class: Class) -> Option<NonNull<u8>> {
        let full = rack.spare.take();
        rack.loaded.set(if full.is_empty() { self.depot.take(class) } else { full });
        rack.pop()
    }

    /// Keeps a block.
    ///
    /// # Safety
    ///
    /// It is of this class, and the caller's to give.
    #[inline]
    pub(super) unsafe fn give(&self, class: Class, block: NonNull<u8>) {
        let rack = &self.racks[class.index()];
        let mut loaded = rack.loaded.take();
        if loaded.is_full() {
            self.unload(rack, class, loaded);
            loaded = Magazine::EMPTY;
        }
        // SAFETY: as the caller promises.
        unsafe { loaded.push(block) };
        rack.loaded.set(loaded);
    }

    #[cold]
    fn unload(&self, rack: &Rack, class: Class, full: Magazine) {
        self.depot.put(class, rack.spare.replace(full));
    }
}

impl Rack {
    const fn new() -> Self {
        Self { loaded: Cell::new(Magazine::EMPTY), spare: Cell::new(Magazine::EMPTY) }
    }

    #[inline]
    fn pop(&self) -> Option<NonNull<u8>> {
        let mut loaded = self.loaded.take();
        let block = loaded.pop();
        self.loaded.set(loaded);
        block
    }
}

impl Drop for Racks {
    fn drop(&mut self) {
        for class in Class::all() {
            let rack = &self.racks[class.index()];
            self.depot.put(class, rack.spare.take());
            // The depot's are full, and this one may not be.
            rack.loaded.take().scrap(class);
        }
    }
}

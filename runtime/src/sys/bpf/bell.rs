//! What the standbys of one core wait for: a ring buffer of the kernel's.
//!
//! Nobody reads the records; what counts is that the descriptor becomes readable with each. The
//! kernel compares two positions: its own, in the second page, and that of the reader, in the first.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::call::{self, MapKind, MapSpec};
use super::hook::Hook;
use super::slot::Slot;

/// A bell of the process's; goes back to the hook when it is dropped.
pub struct Bell {
    pub(super) hook: Arc<Hook>,
    /// `None` only while it is dropped.
    pub(super) ring: Option<Ring>,
}

impl Bell {
    /// The descriptor that becomes readable when a listed thread goes to sleep.
    pub fn fd(&self) -> &Arc<OwnedFd> {
        &self.ring().map
    }

    /// Forgets what has rung so far. One thread at a time; it looks at the slots afterwards.
    pub fn silence(&self) {
        self.ring().silence();
    }

    /// Lists thread `tid`: this bell rings when it goes to sleep while it is armed.
    ///
    /// # Errors
    ///
    /// If all slots are taken, or what the kernel says.
    pub fn list(&self, tid: i32) -> io::Result<Slot> {
        Slot::list(&self.hook, tid, self.ring().number)
    }

    fn ring(&self) -> &Ring {
        self.ring.as_ref().expect("present until it is dropped")
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        if let Some(ring) = self.ring.take() {
            self.hook.take_back(ring);
        }
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bell").field("number", &self.ring().number).finish()
    }
}

/// A ring buffer and its place in the program's table.
pub(super) struct Ring {
    pub(super) map: Arc<OwnedFd>,
    pub(super) number: u32,
    page_size: usize,
    /// Ours to write.
    reader: NonNull<AtomicU64>,
    /// Mapped for reading only.
    writer: NonNull<AtomicU64>,
}

// SAFETY: the mappings are not tied to a thread, live as long as the ring, and are accessed as
// atomics only.
unsafe impl Send for Ring {}
// SAFETY: as above.
unsafe impl Sync for Ring {}

impl Ring {
    pub(super) fn new(number: u32) -> io::Result<Ring> {
        let page_size = rustix::param::page_size();
        let map = Self::map()?;
        let page = |prot: ProtFlags, offset: usize| -> io::Result<NonNull<AtomicU64>> {
            // SAFETY: a new mapping at an address of the kernel's choice touches no existing memory.
            let page =
                unsafe { mmap(null_mut(), page_size, prot, MapFlags::SHARED, &map, offset as u64) };
            Ok(NonNull::new(page?.cast()).expect("mmap does not return address 0"))
        };
        let reader = page(ProtFlags::READ | ProtFlags::WRITE, 0)?;
        let writer = page(ProtFlags::READ, page_size).inspect_err(|_| unmap(reader, page_size))?;
        Ok(Ring { map: Arc::new(map), number, page_size, reader, writer })
    }

    /// The buffer itself, the smallest that the kernel makes.
    pub(super) fn map() -> io::Result<OwnedFd> {
        let entries = rustix::param::page_size() as u32;
        let spec = MapSpec { kind: MapKind::RingBuffer, key: 0, value: 0, entries, flags: 0 };
        call::create_map(spec, None)
    }

    fn silence(&self) {
        // SAFETY: mapped as long as `self` lives; the kernel accesses it as one word.
        let (reader, writer) = unsafe { (self.reader.as_ref(), self.writer.as_ref()) };
        reader.store(writer.load(Ordering::Acquire), Ordering::SeqCst);
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        unmap(self.reader, self.page_size);
        unmap(self.writer, self.page_size);
    }
}

/// Gives a page back that `Ring::new` has mapped, and to which no reference is left.
fn unmap(page: NonNull<AtomicU64>, page_size: usize) {
    // SAFETY: as the callers promise; it fails only for a range that is not page-aligned.
    let _ = unsafe { munmap(page.as_ptr().cast(), page_size) };
}

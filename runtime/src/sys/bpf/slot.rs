//! What one thread shares with the program.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::call;
use super::hook::Hook;
use super::program::{ARMED, BLOCKED, Listing, SLOT_SIZE};

/// The words of a listed thread; who may write which is in the essay of [this module](super).
pub struct Slot {
    hook: Arc<Hook>,
    place: u32,
    tid: i32,
}

impl Slot {
    pub(super) fn list(hook: &Arc<Hook>, tid: i32, bell: u32) -> io::Result<Slot> {
        let place = hook.places().take().ok_or_else(|| {
            io::Error::other("all slots of the bpf program are taken by other threads")
        })?;
        // From here on the place is given back by dropping it.
        let slot = Slot { hook: hook.clone(), place, tid };
        slot.disarm();
        slot.word(BLOCKED).store(0, Ordering::Relaxed);
        // SAFETY: the map was made with keys of 4 bytes and listings as values.
        unsafe {
            call::set_element(hook.listings().as_fd(), &tid, &Listing { slot: place, bell })?;
        }
        Ok(slot)
    }

    /// The thread goes to sleep no more, as far as the program is concerned. To be called before it
    /// ends, since its id may then name another thread.
    pub fn unlist(&self) {
        self.disarm();
        // SAFETY: the map was made with keys of 4 bytes. It fails only if the thread is not listed.
        let _ = unsafe { call::remove_element(self.hook.listings().as_fd(), &self.tid) };
    }

    /// From now on it counts if the thread goes to sleep; `stamp` is not 0. One thread at a time may
    /// arm or disarm.
    #[inline]
    pub fn arm(&self, stamp: u64) {
        self.word(ARMED).store(stamp, Ordering::Release);
    }

    /// From now on it does not. One thread at a time may arm or disarm.
    #[inline]
    pub fn disarm(&self) {
        self.arm(0);
    }

    /// The stamp with which the thread went to sleep last while it was armed; 0 if it never has.
    pub fn blocked(&self) -> u64 {
        self.word(BLOCKED).load(Ordering::Acquire)
    }

    #[inline]
    fn word(&self, offset: i16) -> &AtomicU64 {
        let offset = self.place as usize * SLOT_SIZE as usize + offset as usize;
        // SAFETY: the offset is that of an aligned word within the table, which is mapped as long as
        // the hook lives; both sides access it as one word only.
        unsafe { AtomicU64::from_ptr(self.hook.table().as_ptr().byte_add(offset).cast()) }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.hook.places().give_back(self.place);
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("place", &self.place).field("tid", &self.tid).finish()
    }
}

//! A ring in which the kernel records the context switches of one thread.
//!
//! A software event that counts nothing (`PERF_COUNT_SW_DUMMY`) with `context_switch` set makes the
//! kernel write a record of 8 bytes whenever the thread leaves a CPU or comes back, and say whether
//! it was preempted; without that flag it went to sleep. The event's descriptor becomes readable
//! with each record, which is how a standby learns in 3 to 6 us that a worker has blocked.
//! `exclude_kernel` makes it available without privilege up to `kernel.perf_event_paranoid` 2.
//!
//! # The gate
//!
//! Most sleeps of a worker are its own, in the driver, and must not wake anybody. Because the ring
//! is mapped writable the kernel respects `data_tail`: a record that does not fit is dropped, and
//! so is its wakeup. `data_tail` belongs to user space, so one plain store in shared memory opens
//! or closes the ring (1.2-1.8 ns for both; ioctls that do the same take 330 to 900 ns):
//!
//! ```text
//! closed   data_tail = data_head + 1   no byte is free
//! open     data_tail = data_head       all but one are free
//! ```
//!
//! Closing has to look again, since a preemption between the load of the head and the store of the
//! tail moves the head, and the tail would then leave nearly the whole ring free.
//!
//! # Who writes what
//!
//! - `data_head` and the records: the kernel, while it switches the thread.
//! - `data_tail`: [`SwitchRing::gate_open`] and [`SwitchRing::gate_close`], called by one thread at
//!   a time: the worker itself, and, after a takeover, the standby, once, to close. A standby whose
//!   close comes so late that the worker has opened again silences it for one poll; nothing breaks.
//!   [`SwitchRing::drain`] moves the tail of an open gate forward when the ring fills up, by
//!   compare-exchange, and so never undoes what the other two have stored in between.
//! - `seen`: whoever drains. Two drains at once may both report the same switch.
//!
//! # Only the newest record counts
//!
//! The question is whether the thread is blocked now. If it blocked and came back before the
//! standby ran, a takeover would be wrong. So `drain` does not walk the records: it reads the last
//! one, if it is new. That is the word before the head, as every record that the kernel writes here
//! ends with the 8 bytes of a `PERF_RECORD_SWITCH`; a `PERF_RECORD_LOST`, which reports the drops
//! of a closed gate, only ever precedes one.
//!
//! # Rejected
//!
//! - One ring per core for all its workers (`PERF_EVENT_IOC_SET_OUTPUT`): needs events bound to the
//!   CPU, an owner that outlives them, and the thread id in each record.
//! - `SIGIO` instead of polling: twice the latency, and it takes a signal from the program.

mod refusal;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use perf_event_open_sys as sys;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use sys::bindings::{
    PERF_COUNT_SW_DUMMY, PERF_FLAG_FD_CLOEXEC, PERF_RECORD_MISC_SWITCH_OUT,
    PERF_RECORD_MISC_SWITCH_OUT_PREEMPT, PERF_RECORD_SWITCH, PERF_TYPE_SOFTWARE, perf_event_attr,
    perf_event_mmap_page,
};

use refusal::{explain_mmap, explain_open};

/// The length of a `PERF_RECORD_SWITCH`: nothing but the header.
const RECORD: u64 = 8;

/// The context switches of one thread. The essay of this module says who may call what.
#[derive(Debug)]
pub struct SwitchRing {
    fd: Arc<OwnedFd>,
    /// The control page; one page of records follows it.
    page: NonNull<perf_event_mmap_page>,
    page_size: usize,
    /// The head at which the newest record was reported.
    seen: AtomicU64,
}

// SAFETY: the mapping is not tied to a thread and lives as long as the ring; its shared words are
// only accessed as atomics.
unsafe impl Send for SwitchRing {}
// SAFETY: as above.
unsafe impl Sync for SwitchRing {}

/// What the thread did last, as far as the ring has recorded it; at most one field is true, none if
/// there was no record since the last look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Switches {
    /// It went to sleep.
    pub blocked: bool,
    /// It was taken off its CPU while it wanted to go on (`sched_yield` counts as that too).
    pub preempted: bool,
    /// It came back to a CPU.
    pub resumed: bool,
}

impl SwitchRing {
    /// Opens a ring for thread `tid` (0: the calling thread) on whatever CPU it runs. The gate is
    /// closed at first.
    ///
    /// It takes two pages of memory that count against RLIMIT_MEMLOCK. When the thread ends the
    /// descriptor reports `POLLHUP`.
    ///
    /// # Errors
    ///
    /// `PermissionDenied` with a message that says which permission or limit is missing; `ESRCH` if
    /// there is no such thread; `ENOSYS` or `EMFILE` from the kernel as they are.
    pub fn open(tid: i32) -> io::Result<SwitchRing> {
        let mut attr = perf_event_attr {
            type_: PERF_TYPE_SOFTWARE,
            size: size_of::<perf_event_attr>() as u32,
            config: PERF_COUNT_SW_DUMMY.into(),
            ..Default::default()
        };
        attr.set_context_switch(1);
        attr.set_exclude_kernel(1);
        attr.set_exclude_hv(1);
        // Readable after each record, not after half a ring of them.
        attr.set_watermark(1);
        attr.__bindgen_anon_2.wakeup_watermark = 1;
        // SAFETY: `attr` is valid for the call and says its own size.
        let fd = unsafe {
            sys::perf_event_open(&raw mut attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC.into())
        };
        if fd < 0 {
            return Err(explain_open(tid, io::Error::last_os_error()));
        }
        // SAFETY: the call has just returned this descriptor, nobody else knows it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };

        let page_size = rustix::param::page_size();
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no existing memory.
        let page = unsafe { mmap(null_mut(), 2 * page_size, prot, MapFlags::SHARED, &fd, 0) }
            .map_err(|error| explain_mmap(tid, error.into()))?;
        let page = NonNull::new(page.cast()).expect("mmap does not return address 0");
        let ring = SwitchRing { fd: Arc::new(fd), page, page_size, seen: AtomicU64::new(0) };
        ring.gate_close();
        // Records from before the gate was closed are nobody's business.
        ring.drain();
        Ok(ring)
    }

    /// The descriptor that becomes readable when a record is written. Waiting for it consumes the
    /// event; one that came before the wait began is not lost.
    pub fn fd(&self) -> &Arc<OwnedFd> {
        &self.fd
    }

    /// From now on switches are recorded. One thread at a time may open or close.
    #[inline]
    pub fn gate_open(&self) {
        let head = self.head().load(Ordering::Relaxed);
        self.tail().store(head, Ordering::Release);
    }

    /// From now on switches are dropped. One thread at a time may open or close.
    #[inline]
    pub fn gate_close(&self) {
        let mut head = self.head().load(Ordering::Relaxed);
        loop {
            self.tail().store(head + 1, Ordering::Release);
            let now = self.head().load(Ordering::Relaxed);
            if now == head {
                return;
            }
            head = now;
        }
    }

    /// What happened last, if it was not reported yet. Also makes room in a ring that fills up, so
    /// that a thread which is preempted often is still seen when it blocks in the end.
    pub fn drain(&self) -> Switches {
        let mut head = self.head().load(Ordering::Acquire);
        let record = loop {
            if head == self.seen.load(Ordering::Relaxed) {
                return Switches::default();
            }
            let record = self.record_at(head - RECORD).load(Ordering::Relaxed);
            // To overwrite that word the kernel has to go round the ring, which moves the head.
            std::sync::atomic::fence(Ordering::Acquire);
            let now = self.head().load(Ordering::Relaxed);
            if now == head {
                break record;
            }
            head = now;
        };
        self.seen.fetch_max(head, Ordering::Relaxed);
        self.make_room(head);
        Switches::from_record(record)
    }

    /// Gives the records before `head` back to the kernel, if the gate is open and half of the ring
    /// is used.
    fn make_room(&self, head: u64) {
        let tail = self.tail().load(Ordering::Relaxed);
        // A closed gate's tail is ahead of the head: the difference wraps to a huge number.
        let used = head.wrapping_sub(tail);
        let size = self.page_size as u64;
        if used > size / 2 && used <= size {
            // Fails if the gate was moved in between, and then there is nothing to do.
            let _ = self.tail().compare_exchange(tail, head, Ordering::Release, Ordering::Relaxed);
        }
    }

    fn head(&self) -> &AtomicU64 {
        // SAFETY: the field is aligned and mapped as long as `self` lives; the kernel writes it
        // with single stores, and nothing accesses it other than as an atomic.
        unsafe { AtomicU64::from_ptr(&raw mut (*self.page.as_ptr()).data_head) }
    }

    fn tail(&self) -> &AtomicU64 {
        // SAFETY: as in `head`; the kernel only reads it.
        unsafe { AtomicU64::from_ptr(&raw mut (*self.page.as_ptr()).data_tail) }
    }

    /// The word of the record page at a position that counts from the beginning of time.
    fn record_at(&self, position: u64) -> &AtomicU64 {
        let offset = position as usize & (self.page_size - 1);
        debug_assert!(offset.is_multiple_of(8), "records of perf are multiples of 8 bytes");
        // SAFETY: `offset` is a multiple of 8 below the page size, so the word is aligned and lies
        // in the second of the two mapped pages.
        unsafe {
            let records = self.page.as_ptr().cast::<u8>().add(self.page_size);
            AtomicU64::from_ptr(records.add(offset).cast())
        }
    }
}

impl Drop for SwitchRing {
    fn drop(&mut self) {
        // SAFETY: the two pages were mapped by `open`, and no reference into them outlives `self`.
        // Unmapping fails only for a range that is not page-aligned.
        let _ = unsafe { munmap(self.page.as_ptr().cast(), 2 * self.page_size) };
    }
}

impl Switches {
    /// Reads a `perf_event_header`: u32 type, u16 misc, u16 size.
    fn from_record(record: u64) -> Switches {
        let [t0, t1, t2, t3, m0, m1, ..] = record.to_ne_bytes();
        let kind = u32::from_ne_bytes([t0, t1, t2, t3]);
        let misc = u32::from(u16::from_ne_bytes([m0, m1]));
        if kind != PERF_RECORD_SWITCH {
            return Switches::default();
        }
        let out = misc & PERF_RECORD_MISC_SWITCH_OUT != 0;
        let preempted = misc & PERF_RECORD_MISC_SWITCH_OUT_PREEMPT != 0;
        Switches { blocked: out && !preempted, preempted: out && preempted, resumed: !out }
    }
}

//! Waiting by io_uring: one multishot poll per descriptor.

use std::io;
use std::os::fd::AsRawFd;

use io_uring::{IoUring, cqueue, opcode, squeue, types};

use super::{NO_TOKEN, Watch, watch_of};

/// Each entry is submitted at once, so there are never more than a few; nothing is lost if there are.
const ENTRIES: u32 = 8;

pub(super) struct Ring(IoUring);

impl Ring {
    /// Fails before Linux 6.1 and where io_uring is forbidden.
    pub(super) fn new() -> io::Result<Ring> {
        let ring = IoUring::builder().setup_single_issuer().setup_defer_taskrun().build(ENTRIES)?;
        // A filter may allow to make a ring but not to enter it.
        ring.submit()?;
        Ok(Ring(ring))
    }

    pub(super) fn add(&mut self, watch: &Watch) -> io::Result<()> {
        self.push(poll(watch))?;
        // At once, so that a descriptor that cannot be polled is the caller's error if the kernel
        // says so now, and an event is never waited for by nobody.
        self.0.submit().map(drop)
    }

    /// If the removal fails, the poll goes on with a token that nobody knows.
    pub(super) fn remove(&mut self, watch: &Watch) {
        let entry = opcode::PollRemove::new(watch.token).build().user_data(NO_TOKEN);
        if self.push(entry).is_ok() {
            let _ = self.0.submit();
        }
    }

    pub(super) fn wait(&mut self, watches: &[Watch], ready: &mut dyn FnMut(u64)) -> io::Result<()> {
        if let Err(error) = self.0.submit_and_wait(1) {
            match error.raw_os_error() {
                Some(libc::EINTR) => return Ok(()),
                // Completions wait for space in the queue, which is made below.
                Some(libc::EBUSY) => {}
                _ => return Err(error),
            }
        }
        let mut failed = None;
        // Only what is there now: a poll that is armed again below may complete at once, and the
        // caller must get a chance to take the cause away.
        let count = self.0.completion().len();
        for _ in 0..count {
            let Some(completion) = self.next() else { break };
            let Some(watch) = watch_of(watches, completion.user_data()) else { continue };
            let events = completion.result();
            if events < 0 {
                failed = failed.or(Some(io::Error::from_raw_os_error(-events)));
                continue;
            }
            ready(watch.key);
            // The kernel may end a multishot poll at any time. After a hang-up nothing more comes,
            // and a new poll would report the same at once, for ever.
            let hung_up = events & i32::from(libc::POLLHUP | libc::POLLERR) != 0;
            if !cqueue::more(completion.flags()) && !hung_up {
                self.push(poll(watch))?;
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn next(&mut self) -> Option<cqueue::Entry> {
        self.0.completion().next()
    }

    fn push(&mut self, entry: squeue::Entry) -> io::Result<()> {
        loop {
            // SAFETY: a poll and its removal refer to no memory of ours; the descriptor is held
            // open by its watch, and if it were not, the kernel would answer with an error.
            if unsafe { self.0.submission().push(&entry) }.is_ok() {
                return Ok(());
            }
            self.0.submit()?;
        }
    }
}

fn poll(watch: &Watch) -> squeue::Entry {
    opcode::PollAdd::new(types::Fd(watch.fd.as_raw_fd()), libc::POLLIN as u32)
        .multi(true)
        .build()
        .user_data(watch.token)
}

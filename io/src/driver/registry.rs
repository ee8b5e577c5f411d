//! Which sources are registered with a driver, and when their memory may go.

use super::gone;
use super::release::ReleaseStack;
use super::scheduled_io::ScheduledIo;
use crate::io::Ready;
use mio::unix::SourceFd;
use mio::{Interest, Token};
use slab::Slab;
use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many sources may wait for the next turn before it is asked for.
const RELEASE_BATCH: usize = 16;

#[derive(Debug)]
pub(super) struct Registry {
    mio: mio::Registry,
    /// A reference to each source that `epoll` may report; `None` once the driver is gone.
    live: Mutex<Option<Slab<Arc<ScheduledIo>>>>,
    released: ReleaseStack,
}

impl Registry {
    pub(super) fn new(mio: mio::Registry) -> Registry {
        Registry { mio, live: Mutex::new(Some(Slab::new())), released: ReleaseStack::default() }
    }

    fn live(&self) -> MutexGuard<'_, Option<Slab<Arc<ScheduledIo>>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds `fd` for all events, taking `initial` as reported. Errors: those of `epoll_ctl`, and
    /// [`gone`].
    pub(super) fn register(&self, fd: RawFd, initial: Ready) -> io::Result<Arc<ScheduledIo>> {
        let io = {
            let mut live = self.live();
            let entry = live.as_mut().ok_or_else(gone)?.vacant_entry();
            let io = Arc::new(ScheduledIo::new(entry.key(), initial));
            entry.insert(io.clone());
            io
        };
        let token = Token(Arc::as_ptr(&io).expose_provenance());
        let interest = Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY;
        if let Err(error) = self.mio.register(&mut SourceFd(&fd), token, interest) {
            self.remove(&io);
            return Err(error);
        }
        Ok(io)
    }

    /// Takes `fd` out. Returns whether so many sources wait to be freed that a turn is due.
    pub(super) fn deregister(&self, fd: RawFd, io: &Arc<ScheduledIo>) -> bool {
        let is_out = self.mio.deregister(&mut SourceFd(&fd)).is_ok();
        io.forget_waiters();
        // Where `epoll` may still know the address, the source stays until the driver goes.
        if !is_out {
            return false;
        }
        match self.remove(io) {
            Some(last) => self.released.push(last) == RELEASE_BATCH,
            None => false,
        }
    }

    /// Frees what was deregistered. Only between two waits of the driver.
    pub(super) fn free_released(&self) {
        self.released.free_all();
    }

    /// Refuses further registrations and returns the sources that are left. Only when the driver
    /// waits no more.
    pub(super) fn shut_down(&self) -> Slab<Arc<ScheduledIo>> {
        self.live().take().unwrap_or_default()
    }

    /// Is anything registered?
    pub(super) fn is_empty(&self) -> bool {
        self.live().as_ref().is_none_or(Slab::is_empty)
    }

    fn remove(&self, io: &ScheduledIo) -> Option<Arc<ScheduledIo>> {
        self.live().as_mut()?.try_remove(io.key)
    }
}

//! Waiting by epoll, edge-triggered, where io_uring is refused.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use super::{Watch, watch_of};

/// Events per call; what does not fit comes with the next.
const EVENTS: usize = 16;

pub(super) struct Epoll(OwnedFd);

impl Epoll {
    pub(super) fn new() -> io::Result<Epoll> {
        Ok(Epoll(epoll::create(CreateFlags::CLOEXEC)?))
    }

    pub(super) fn add(&mut self, watch: &Watch) -> io::Result<()> {
        let events = EventFlags::IN | EventFlags::ET;
        Ok(epoll::add(&self.0, &watch.fd, EventData::new_u64(watch.token), events)?)
    }

    pub(super) fn remove(&mut self, watch: &Watch) {
        // Fails only for a descriptor that is not registered.
        let _ = epoll::delete(&self.0, &watch.fd);
    }

    pub(super) fn wait(&mut self, watches: &[Watch], ready: &mut dyn FnMut(u64)) -> io::Result<()> {
        let mut events = [MaybeUninit::<Event>::uninit(); EVENTS];
        let events = match epoll::wait(&self.0, &mut events, None) {
            Ok((events, _)) => events,
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for event in events {
            let data = event.data;
            if let Some(watch) = watch_of(watches, data.u64()) {
                ready(watch.key);
            }
        }
        Ok(())
    }
}

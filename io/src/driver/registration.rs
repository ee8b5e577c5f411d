//! A socket's hold on its source.

use super::handle::Handle;
use super::scheduled_io::{Direction, ReadyEvent, ScheduledIo};
use crate::io::{Interest, Ready};
use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::task::{Context, Poll};

/// One descriptor in one driver. Its owner calls [`deregister`](Self::deregister) before it closes
/// the descriptor.
#[derive(Debug)]
pub(crate) struct Registration {
    handle: Handle,
    io: Arc<ScheduledIo>,
}

impl Registration {
    /// Registers `fd`, with `initial` as what is taken for granted until an operation proves it wrong.
    pub(crate) fn new(handle: &Handle, fd: RawFd, initial: Ready) -> io::Result<Registration> {
        let io = handle.registry().register(fd, initial)?;
        Ok(Registration { handle: handle.clone(), io })
    }

    pub(crate) fn poll_ready(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<ReadyEvent>> {
        self.io.poll_ready(cx, direction)
    }

    pub(crate) async fn readiness(&self, interest: Interest) -> io::Result<ReadyEvent> {
        self.io.readiness(interest.mask()).await
    }

    pub(crate) fn event(&self, interest: Interest) -> ReadyEvent {
        self.io.event(interest.mask())
    }

    pub(crate) fn clear_would_block(&self, event: ReadyEvent) {
        self.io.clear_would_block(event);
    }

    pub(crate) fn clear_drained(&self, event: ReadyEvent) {
        self.io.clear_drained(event);
    }

    pub(crate) fn deregister(self, fd: RawFd) {
        if self.handle.registry().deregister(fd, &self.io) {
            self.handle.unpark();
        }
    }
}

//! What a rescuer sleeps by: a count of the rings.

use crate::sync_types::atomic::{AtomicU32, Ordering};
use crate::sync_types::futex;
use std::time::Duration;

#[derive(Default)]
pub(crate) struct Bell(AtomicU32);

/// The rings so far; a later one ends the wait.
#[derive(Clone, Copy)]
pub(crate) struct Ticket(u32);

impl Bell {
    /// What there is to see was stored before.
    pub(crate) fn ring(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        futex::wake_one(&self.0);
    }

    /// To be taken before the look.
    pub(crate) fn ticket(&self) -> Ticket {
        Ticket(self.0.load(Ordering::SeqCst))
    }

    /// Sleeps until it rings, if it has not since the ticket.
    pub(crate) fn wait(&self, ticket: Ticket, timeout: Option<Duration>) {
        futex::wait(&self.0, ticket.0, timeout);
    }
}

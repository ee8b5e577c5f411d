//! The words that the monitor sleeps by.
//!
//! Two kinds of sleep. Between two looks it waits for a period on `signal`; a [`kick`](MonitorWord::kick)
//! ends that. When all cores are parked it sets `asleep`, fences, looks once more, and waits on
//! `signal` without a period; a holder that leaves its park stores its epoch, fences, then looks at
//! `asleep`. One of them sees the other.

use crate::sync_types::atomic::{AtomicU32, Ordering, fence};
use crate::sync_types::futex;
use std::time::Duration;

#[derive(Default)]
pub(super) struct MonitorWord {
    /// Counts kicks.
    signal: AtomicU32,
    /// 1 while it sleeps without a period, or is about to.
    asleep: AtomicU32,
}

/// The kicks so far; a later one ends the sleep.
#[derive(Clone, Copy)]
pub(super) struct Ticket(u32);

impl MonitorWord {
    /// The caller has stored what there is to see, and fenced.
    #[inline]
    pub(super) fn wake_if_asleep(&self) {
        if self.asleep.load(Ordering::SeqCst) != 0 {
            self.kick();
        }
    }

    /// Wakes the monitor, or keeps it from falling asleep before it has looked again.
    pub(super) fn kick(&self) {
        self.asleep.store(0, Ordering::SeqCst);
        self.signal.fetch_add(1, Ordering::SeqCst);
        futex::wake_one(&self.signal);
    }

    /// To be taken before the looks.
    pub(super) fn ticket(&self) -> Ticket {
        Ticket(self.signal.load(Ordering::SeqCst))
    }

    /// Sleeps for a period, or until kicked since `ticket`.
    pub(super) fn wait(&self, ticket: Ticket, period: Duration) {
        futex::wait(&self.signal, ticket.0, Some(period));
    }

    /// Sleeps until kicked since `ticket`, or for as long as `last_look` says; not at all if that
    /// says `None`.
    pub(super) fn sleep(&self, ticket: Ticket, last_look: impl FnOnce() -> Option<Nap>) {
        self.asleep.store(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if let Some(nap) = last_look() {
            let timeout = match nap {
                Nap::Endless => None,
                Nap::AtMost(duration) => Some(duration),
            };
            futex::wait(&self.signal, ticket.0, timeout);
        }
        self.asleep.store(0, Ordering::SeqCst);
    }
}

/// How long to sleep while nothing happens.
#[derive(Clone, Copy)]
pub(super) enum Nap {
    Endless,
    AtMost(Duration),
}

//! May a core be held?
//!
//! A core is *open* or *closed*. One of an unbound pool is closed while it has nothing to do. The only core
//! of a current_thread runtime is closed while nobody is in `block_on`: threads there are its *guests*.
//!
//! # Coming and going
//!
//! Nobody holds a core that its last guest has closed, and the first guest holds a core that it opens,
//! before anybody else may. So adoption, which looks and then takes, is one step with both: all three
//! are made under a lock. A takeover is not, it must not wait: it exchanges one holder for another and so
//! succeeds before the last guest takes the core away from whoever has it, or fails after it.
//!
//! The holder looks at its own word, not at this: who has lost the core finds that out as after a takeover.
//!
//! # Rejected
//!
//! - *To look again after adoption*, without a lock: a guest that comes between the two finds the core held
//!   by somebody who should not be there, and is not the first to run tasks.

use super::{Holder, NOBODY};
use crate::sync_types::atomic::{AtomicBool, Ordering};
use crate::sync_types::{Mutex, MutexGuard, lock};

pub(super) struct Access {
    open: AtomicBool,
    guests: Mutex<Guests>,
}

/// Threads in `block_on` that serve a runtime of one core.
#[derive(Default)]
struct Guests {
    count: usize,
    /// The runtime shuts down, for which its workers need the core.
    closing: bool,
}

/// What became of a core when a guest left.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// It is closed. It was held by this worker.
    Closed(u32),
    /// Others may go on.
    Open,
}

impl Access {
    pub(super) fn new(open: bool) -> Self {
        Self { open: AtomicBool::new(open), guests: Mutex::new(Guests::default()) }
    }

    fn guests(&self) -> MutexGuard<'_, Guests> {
        lock(&self.guests)
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::SeqCst)
    }

    /// Opens a core of an unbound pool. `false` if it was closed.
    pub(super) fn open(&self) -> bool {
        self.open.swap(true, Ordering::SeqCst)
    }

    /// Closes a core of an unbound pool, for its holder, which then gives it up.
    pub(super) fn close(&self) {
        self.open.store(false, Ordering::SeqCst);
    }

    /// Opens the core for good, whether or not there are guests.
    pub(super) fn stay_open(&self) {
        self.guests().closing = true;
        self.open.store(true, Ordering::SeqCst);
    }

    /// This worker becomes the holder, if nobody is and somebody may be.
    pub(super) fn adopt(&self, holder: &Holder, worker: u32) -> bool {
        if !self.is_open() || holder.get() != NOBODY {
            return false;
        }
        let _guests = self.guests();
        self.is_open() && holder.change(NOBODY, worker)
    }

    /// A guest comes. The first one becomes the holder, as this worker; [`NOBODY`] if it cannot hold a
    /// core.
    pub(super) fn come(&self, holder: &Holder, worker: u32) {
        let mut guests = self.guests();
        guests.count += 1;
        if guests.count == 1 {
            holder.change(NOBODY, worker);
        }
        self.open.store(true, Ordering::SeqCst);
    }

    /// A guest leaves. The last one closes the core, and nobody holds it then.
    pub(super) fn leave(&self, holder: &Holder) -> Left {
        let mut guests = self.guests();
        guests.count -= 1;
        if guests.count > 0 || guests.closing {
            return Left::Open;
        }
        self.open.store(false, Ordering::SeqCst);
        Left::Closed(holder.take())
    }
}

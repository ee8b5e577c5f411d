//! Which cores of an unbound pool wait for work, and who wakes them.
//!
//! A push wakes one sleeping core; a core that takes a task and sees more waiting wakes the next. So
//! as many cores run as there are tasks, and none looks for work that is not there.
//!
//! # No wake-up is lost
//!
//! A core *announces* its sleep here and then looks at the worklist; a pusher makes the worklist not
//! empty and then looks here. Each step is followed by a full barrier, so one of them sees the other:
//! the core finds the task, or the pusher finds the core and wakes it. A pusher that finds nobody
//! knows that each core will look at the worklist before it sleeps: those that poll look when the
//! poll ends, and if it blocks, the standby that takes the core over looks.
//!
//! Whoever takes a core out of the set owes it the wake-up, and nobody else gives it one. A core that
//! gets up by itself (a timer, a socket) takes itself out.
//!
//! A core that has no threads yet is in the set from the start. Cores are taken from the lowest
//! number upwards, so such a one is *started* only when all those before it are busy.
//!
//! # Rejected
//!
//! - *Searchers*, as for the cores of the default queue: a wake of those is dear since the woken one
//!   goes through all queues; here there is one list.
//! - *A counter of sleepers and one word to sleep on*: each core sleeps in its own driver.

use super::bits::AtomicBits;
use crate::sync_types::atomic::{Ordering, fence};

pub(super) struct Sleepers(AtomicBits);

impl Sleepers {
    /// All asleep: none has been started.
    pub(super) fn new(cores: usize) -> Self {
        let bits = AtomicBits::new(cores);
        (0..cores).for_each(|core| bits.insert(core));
        Self(bits)
    }

    /// This core is about to sleep. It looks at the worklist after this.
    pub(super) fn announce(&self, core: usize) {
        self.0.insert(core);
        fence(Ordering::SeqCst);
    }

    /// It is awake, or stays awake. A pusher that took it out and wakes it for nothing is seen here,
    /// and so is its task by the look at the worklist that follows.
    pub(super) fn rise(&self, core: usize) {
        self.0.remove(core);
    }

    /// After a push: a core that the caller has to wake.
    pub(super) fn take_one(&self) -> Option<usize> {
        fence(Ordering::SeqCst);
        self.0.take_first()
    }

    /// Takes this core out, to start it. `false` if it is not asleep.
    pub(super) fn take(&self, core: usize) -> bool {
        self.0.remove(core)
    }
}

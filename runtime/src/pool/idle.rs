//! Which cores look for work, and which sleep: who is woken when there is more to do.
//!
//! A worker that has pushed to its ring wakes one sleeping core, unless some core is searching
//! already: the searcher will find the task, and when it does it wakes the next if there is more.
//! A core that goes to sleep says so, then gives its search up, and if no searcher is left it looks at
//! all queues once more. Hence a task pushed meanwhile is seen by it, or its pusher sees that a core
//! sleeps and none is searching.
//!
//! The push side has no fence, so now and then nobody is woken although a core sleeps. That delays
//! only parallelism: the task is in the ring of a worker that is awake, and if that worker stays
//! too long in one poll the monitor wakes a thief.

use super::bits::AtomicBits;
use crate::sync_types::atomic::{AtomicUsize, Ordering};
use crossbeam_utils::CachePadded;

pub(crate) struct Idle {
    parked: CachePadded<AtomicBits>,
    searching: CachePadded<AtomicUsize>,
    cores: usize,
}

impl Idle {
    pub(crate) fn new(cores: usize) -> Self {
        Self {
            parked: CachePadded::new(AtomicBits::new(cores)),
            searching: CachePadded::new(AtomicUsize::new(0)),
            cores,
        }
    }

    /// A core to wake, if one sleeps and none is searching. It counts as searching from now on;
    /// cores from `near` upwards are asked first.
    #[inline]
    pub(crate) fn core_to_wake(&self, near: usize) -> Option<usize> {
        if self.parked.is_empty() || self.searching.load(Ordering::SeqCst) != 0 {
            return None;
        }
        self.claim(near)
    }

    #[cold]
    fn claim(&self, near: usize) -> Option<usize> {
        let zero_to_one =
            self.searching.compare_exchange(0, 1, Ordering::SeqCst, Ordering::Relaxed);
        if zero_to_one.is_err() {
            return None;
        }
        let found = (near..self.cores).chain(0..near).find(|&core| self.parked.remove(core));
        if found.is_none() {
            self.stop_searching();
        }
        found
    }

    /// May one more core search? At most half of them do at a time.
    pub(crate) fn start_searching(&self) -> bool {
        if 2 * self.searching.load(Ordering::SeqCst) >= self.cores {
            return false;
        }
        self.searching.fetch_add(1, Ordering::SeqCst);
        true
    }

    /// `true` for the last searcher.
    pub(crate) fn stop_searching(&self) -> bool {
        self.searching.fetch_sub(1, Ordering::SeqCst) == 1
    }

    /// Is there a searcher, who will find what was pushed?
    pub(crate) fn is_any_searching(&self) -> bool {
        self.searching.load(Ordering::SeqCst) != 0
    }

    /// A hint.
    pub(crate) fn is_parked(&self, core: usize) -> bool {
        self.parked.contains(core)
    }

    /// The core is going to sleep; its search, if it was searching, is over. `true` if it has to look
    /// at all queues once more first: no searcher is left who would.
    pub(crate) fn park(&self, core: usize, searching: bool) -> bool {
        // In this order: whoever has pushed sees a core that sleeps, or one that will look again.
        self.parked.insert(core);
        if searching { self.stop_searching() } else { !self.is_any_searching() }
    }

    /// The core is awake. `false` if [`core_to_wake`](Self::core_to_wake) woke it: it counts as
    /// searching.
    pub(crate) fn unpark(&self, core: usize) -> bool {
        self.parked.remove(core)
    }
}

//! The worker threads of a core: a fixed table, who is on standby, and which places are vacant.
//!
//! A place of the table is filled once and keeps its [`Worker`] until the core goes; a thread that
//! ends leaves the worker behind, and a later thread moves in. So detectors and takeovers can look
//! workers up by index without a lock and without counting references. It is filled by the first
//! thread that moves in, so that the worker is on that thread's node.

use super::bits::AtomicBits;
use super::watch::Watch;
use crate::worker::{Flag, Worker};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) struct Crew {
    /// Boxed: most places are never filled.
    workers: Box<[OnceLock<Box<Worker>>]>,
    /// Places handed out for the first time so far.
    used: AtomicUsize,
    /// Places whose thread has ended.
    vacant: AtomicBits,
    standby: AtomicBits,
    /// With the perf and bpf detectors.
    watch: Option<Watch>,
    /// Threads that exist, or are being made.
    threads: AtomicUsize,
    /// Those of them that have not been on standby yet.
    arriving: AtomicUsize,
}

impl Crew {
    pub(crate) fn new(cap: usize, watch: Option<Watch>) -> Self {
        Self {
            watch,
            workers: (0..cap).map(|_| OnceLock::new()).collect(),
            used: AtomicUsize::new(0),
            vacant: AtomicBits::new(cap),
            standby: AtomicBits::new(cap),
            threads: AtomicUsize::new(0),
            arriving: AtomicUsize::new(0),
        }
    }

    #[inline]
    pub(crate) fn get(&self, index: u32) -> Option<&Worker> {
        self.workers.get(index as usize)?.get().map(Box::as_ref)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Worker> {
        // A place may be claimed by a thread that has not started yet.
        let used = self.used.load(Ordering::Relaxed);
        self.workers[..used].iter().filter_map(|place| place.get().map(Box::as_ref))
    }

    pub(crate) fn cap(&self) -> usize {
        self.workers.len()
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads.load(Ordering::Relaxed)
    }

    /// A place for a new thread, or `None` at the cap.
    pub(crate) fn hire(&self) -> Option<u32> {
        let place = self.vacant.take_first().or_else(|| {
            self.used
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                    (used < self.cap()).then_some(used + 1)
                })
                .ok()
        })?;
        self.threads.fetch_add(1, Ordering::Relaxed);
        self.arriving.fetch_add(1, Ordering::SeqCst);
        Some(place as u32)
    }

    /// The worker of a place that was claimed; made now if this is its first thread.
    pub(crate) fn fill(&self, index: u32) -> &Worker {
        self.workers[index as usize].get_or_init(|| Box::new(Worker::new(index)))
    }

    /// A hired thread is ready to stand by, or will never be.
    pub(crate) fn arrived(&self) {
        self.arriving.fetch_sub(1, Ordering::SeqCst);
    }

    /// Is nobody on standby, nor on the way?
    pub(crate) fn lacks_standby(&self) -> bool {
        self.standby.is_empty() && self.arriving.load(Ordering::SeqCst) == 0
    }

    /// The thread of this place has ended, or was never made.
    pub(crate) fn leave(&self, index: u32) {
        // In this order: who finds no place finds a thread.
        self.vacant.insert(index as usize);
        self.threads.fetch_sub(1, Ordering::Relaxed);
    }

    /// Are all threads on standby, but for one holder?
    pub(crate) fn all_stand_by(&self) -> bool {
        self.threads() == self.standby.len() + 1
    }

    pub(crate) fn standby(&self) -> &AtomicBits {
        &self.standby
    }

    /// Wakes a standby, the one with the lowest index since its stack is likely the warmest.
    /// Takes no lock: detectors call this. `false` if there is none.
    pub(crate) fn wake_standby(&self) -> bool {
        let Some(worker) = self.standby.take_first().and_then(|i| self.get(i as u32)) else {
            return false;
        };
        self.signal(worker);
        true
    }

    /// The same, for a standby that needs one beside itself.
    pub(crate) fn wake_other_standby(&self, own: u32) {
        let other = |&index: &usize| index != own as usize && self.standby.remove(index);
        if let Some(worker) = self.standby.iter().find(other).and_then(|i| self.get(i as u32)) {
            self.signal(worker);
        }
    }

    pub(crate) fn wake_all(&self) {
        for worker in self.iter() {
            self.standby.remove(worker.index() as usize);
            self.signal(worker);
        }
    }

    /// Wakes the thread of a worker from standby, or keeps it from falling asleep.
    pub(crate) fn signal(&self, worker: &Worker) {
        worker.signal();
        if let Some(watch) = &self.watch {
            watch.kick_if(worker.index());
        }
    }

    pub(crate) fn watch(&self) -> Option<&Watch> {
        self.watch.as_ref()
    }
}

impl Crew {
    /// The kernel's rule: more than two idle workers, and more than a quarter of the busy ones.
    pub(crate) fn has_surplus(&self) -> bool {
        let idle = self.standby.len();
        idle > 2 && (idle - 2) * 4 >= self.threads().saturating_sub(idle)
    }

    /// Sends standbys home that have been idle for `keep_alive_ns`, as long as there are too many.
    pub(crate) fn cull(&self, now: u64, keep_alive_ns: u64) {
        // From the top: the low indexes are woken first, so they are the ones in use.
        let mut standbys: Vec<usize> = self.standby.iter().collect();
        while let Some(index) = standbys.pop().filter(|_| self.has_surplus()) {
            let Some(worker) = self.get(index as u32) else { continue };
            let since = worker.idle_since();
            let stale = since != u64::MAX && now.saturating_sub(since) >= keep_alive_ns;
            if stale && self.standby.remove(index) {
                worker.flags.set(Flag::Retire);
                self.signal(worker);
            }
        }
    }
}

#[cfg(all(test, not(cmwq_loom)))]
mod tests {
    use super::*;

    /// A crew of `idle` standbys, idle since 0, and `busy` others.
    fn crew(idle: usize, busy: usize) -> Crew {
        let crew = Crew::new(idle + busy, None);
        for place in 0..idle + busy {
            let index = crew.hire().expect("there is room");
            crew.fill(index);
            crew.arrived();
            if place < idle {
                crew.standby().insert(index as usize);
            }
        }
        crew
    }

    #[test]
    fn more_than_two_idle_and_more_than_a_quarter_are_a_surplus() {
        let surplus = |idle, busy| crew(idle, busy).has_surplus();
        assert!(!surplus(2, 0) && surplus(3, 0));
        assert!(surplus(3, 4) && !surplus(3, 5), "one above two, for four busy ones");
        assert!(surplus(12, 40) && !surplus(12, 41));
    }

    #[test]
    fn the_highest_places_go_until_there_is_no_surplus_and_not_before_their_time() {
        let crew = crew(5, 4);
        crew.cull(99, 100);
        assert_eq!(crew.standby().len(), 5, "not idle for long enough");
        crew.cull(100, 100);
        // Those that were told to go are not idle any more: one above two, for six others.
        assert!(crew.standby().iter().eq(0..3));
        let retired = |index| crew.get(index).unwrap().flags.has(Flag::Retire);
        assert!(!retired(2) && retired(3) && retired(4));
    }
}

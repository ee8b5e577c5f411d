//! Waiting for a change of the CPUs that the calling thread may use.

use crate::sys::affinity::{self, CpuSet};
use crate::sys::cpu_events::CpuEvents;
use crate::sys::uring_poll::Kick;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

/// The looks after the first that follows an event. A cpuset gets its CPU back somewhat later than
/// the machine, by a work item of the kernel's; and whoever changes the affinity of all threads may
/// come to some of them after we have.
const SETTLING: [Duration; 3] =
    [Duration::from_millis(20), Duration::from_millis(200), Duration::from_secs(2)];

/// What a thread knows of the CPUs it may use, and what it waits with for a change.
pub(crate) struct CpuWatch {
    /// Rung by those who have seen a change, or want the thread to end.
    bell: Arc<Kick>,
    events: io::Result<CpuEvents>,
    usable: CpuSet,
    /// How many of [`SETTLING`] are behind us.
    settled: usize,
}

impl CpuWatch {
    /// Looks for the first time. The thread that waits must be one with the same affinity.
    ///
    /// # Errors
    ///
    /// No descriptor is left for the bell, or the affinity cannot be read. Without the kernel's
    /// events it works, see [`refusal`](Self::refusal).
    pub(crate) fn new() -> io::Result<Self> {
        let bell = Arc::new(Kick::new()?);
        // In this order: what changes after the look is told.
        let events = CpuEvents::open();
        let usable = affinity::current()?;
        Ok(Self { bell, events, usable, settled: SETTLING.len() })
    }

    /// Why the kernel does not tell of CPUs that come and go, if so: then a change is seen when
    /// somebody rings.
    pub(crate) fn refusal(&self) -> Option<String> {
        self.events.as_ref().err().map(|error| {
            format!("the kernel's events about CPUs (netlink) are not to be had: {error}")
        })
    }

    pub(crate) fn bell(&self) -> Arc<Kick> {
        self.bell.clone()
    }

    /// The CPUs of the last look.
    pub(crate) fn usable(&self) -> &CpuSet {
        &self.usable
    }

    /// Waits for an event or the bell, for `at_most` so long, and looks. `true` if there was one, of
    /// late or just now, or the CPUs are others than before: threads may have been moved. It may end
    /// earlier and find nothing new.
    pub(crate) fn wait(&mut self, at_most: Option<Duration>) -> bool {
        let settling = SETTLING.get(self.settled).copied();
        let timeout = match (settling, at_most) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self.sleep(timeout);
        // Both are emptied.
        let told = self.bell.drain() | self.events.as_ref().is_ok_and(CpuEvents::drain);
        self.settled = if told { 0 } else { (self.settled + 1).min(SETTLING.len()) };
        self.look() || told || settling.is_some()
    }

    fn sleep(&self, timeout: Option<Duration>) {
        let bell = PollFd::from_borrowed_fd(self.bell.fd().as_fd(), PollFlags::IN);
        let events = self.events.as_ref().ok();
        let events = events.map(|e| PollFd::from_borrowed_fd(e.as_fd(), PollFlags::IN));
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: timeout.as_secs() as i64,
            tv_nsec: timeout.subsec_nanos().into(),
        });
        // An interruption by a signal is as good as a look too many.
        let _ = match events {
            Some(events) => poll(&mut [bell, events], timeout.as_ref()),
            None => poll(&mut [bell], timeout.as_ref()),
        };
    }

    /// `true` if the CPUs are others than at the last look.
    fn look(&mut self) -> bool {
        let now = affinity::current();
        // Without an answer nothing is known to have changed.
        let Some(now) = now.ok().filter(|now| !now.is_empty() && *now != self.usable) else {
            return false;
        };
        self.usable = now;
        true
    }
}

#[cfg(all(test, not(cmwq_loom)))]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_change_of_the_affinity_is_seen_at_the_bell_and_after_it() {
        thread::spawn(|| {
            let all = affinity::current().unwrap();
            let first = CpuSet::single(all.iter().next().unwrap());
            let mut watch = CpuWatch::new().unwrap();
            assert_eq!(*watch.usable(), all);
            assert!(!watch.wait(Some(Duration::ZERO)), "nothing has happened");
            watch.bell().kick();
            assert!(watch.wait(None), "it was rung");
            affinity::set(0, &first).unwrap();
            assert!(watch.wait(None), "it settles: looks again by itself");
            assert_eq!(*watch.usable(), first);
            affinity::set(0, &all).unwrap();
            watch.bell().kick();
            assert!(watch.wait(None));
            assert_eq!(*watch.usable(), all);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn it_settles_and_then_waits_for_ever() {
        let mut watch = CpuWatch::new().unwrap();
        watch.bell().kick();
        assert!(watch.wait(None));
        for _ in SETTLING {
            assert!(watch.settled < SETTLING.len());
            watch.wait(Some(Duration::ZERO));
        }
        assert_eq!(watch.settled, SETTLING.len(), "no further look without a cause");
    }
}

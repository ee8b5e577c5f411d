//! The timerfd that ends a wait.

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

const NANOS_PER_SEC: u64 = 1_000_000_000;

/// One absolute deadline on `CLOCK_MONOTONIC`.
///
/// Registered edge-triggered, it is never read: a new expiry is a new edge, and setting the time
/// forgets an expiry that was not reported yet.
#[derive(Debug)]
pub(super) struct Deadline {
    timer: OwnedFd,
    /// What the timer is set to, in nanoseconds; `None` once it has fired.
    armed: Option<u64>,
}

impl Deadline {
    pub(super) fn new() -> io::Result<Deadline> {
        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        Ok(Deadline { timer, armed: None })
    }

    pub(super) fn as_raw_fd(&self) -> RawFd {
        self.timer.as_raw_fd()
    }

    /// Whether `at` has passed.
    pub(super) fn has_passed(at: u64) -> bool {
        let now = clock_gettime(ClockId::Monotonic);
        now.tv_sec as u64 * NANOS_PER_SEC + now.tv_nsec as u64 >= at
    }

    /// Makes the timer fire at `at`; no system call when it is set to that already.
    pub(super) fn arm(&mut self, at: u64) -> io::Result<()> {
        if self.armed == Some(at) {
            return Ok(());
        }
        let value =
            Timespec { tv_sec: (at / NANOS_PER_SEC) as _, tv_nsec: (at % NANOS_PER_SEC) as _ };
        let once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let spec = Itimerspec { it_interval: once, it_value: value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &spec)?;
        self.armed = Some(at);
        Ok(())
    }

    /// The timer was reported by `epoll`.
    pub(super) fn fired(&mut self) {
        self.armed = None;
    }
}

//! A timer that calls a waker once, for code that is no future.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use pin_project_lite::pin_project;

use super::entry::{Entry, LATEST, State};
use super::now_ns;
use super::sleep::{is_driven, tell_if_lost};
use super::timers::{Armed, Timers};
use crate::context::with_timers;

pin_project! {
    /// A timer of somebody who guards it with a lock of his own.
    pub(crate) struct Alarm {
        // Those that it was armed with last.
        timers: Option<Arc<Timers>>,
        #[pin]
        entry: Entry,
    }

    impl PinnedDrop for Alarm {
        fn drop(this: Pin<&mut Self>) {
            this.cancel();
        }
    }
}

/// How it went to arm an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alarmed {
    /// The waker will be woken.
    Pending,
    /// The time has come already.
    Elapsed,
    /// The timers' runtime has shut down.
    Closed,
}

/// What an alarm that was armed does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ring {
    /// It waits, or was never armed.
    Silent,
    Rung,
    /// It never will: the runtime shuts down.
    Closed,
}

impl Alarm {
    pub(crate) fn new() -> Self {
        Self { timers: None, entry: Entry::new() }
    }

    /// Wakes `waker` once when `delay` has passed on the clock of `timers`. What was armed before is
    /// cancelled.
    pub(crate) fn arm(
        mut self: Pin<&mut Self>,
        timers: &Arc<Timers>,
        delay: Duration,
        waker: Waker,
    ) -> Alarmed {
        self.as_mut().cancel();
        if self.entry.state() == State::Closed {
            // Another runtime's timers may still take it.
            Pin::set(&mut self, Self::new());
        }
        let this = self.project();
        let entry = this.entry.into_ref();
        entry.rearm();
        let delay = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        let when = timers.clock().at(now_ns()).saturating_add(delay).min(LATEST);
        *this.timers = Some(Arc::clone(timers));
        let driven = with_timers(|current| is_driven(timers, current.as_ref()));
        // SAFETY: not armed, and idle by rearm() or new; the owner, whose drop and whose next arm()
        // cancel it in these timers.
        match unsafe { timers.arm(entry, when, waker, driven) } {
            Armed::Pending => {
                tell_if_lost(timers, driven);
                Alarmed::Pending
            }
            Armed::Elapsed => Alarmed::Elapsed,
            Armed::Closed => Alarmed::Closed,
        }
    }

    /// Lets it not ring. A wake may be on its way all the same.
    pub(crate) fn cancel(self: Pin<&mut Self>) {
        let this = self.project();
        if let Some(timers) = this.timers {
            // SAFETY: the owner; the entry was armed with these timers last.
            unsafe { timers.cancel(this.entry.into_ref()) }
        }
    }

    pub(crate) fn ring(&self) -> Ring {
        match self.entry.state() {
            State::Fired => Ring::Rung,
            State::Closed => Ring::Closed,
            State::Idle | State::Armed { .. } => Ring::Silent,
        }
    }
}

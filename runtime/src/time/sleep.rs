//! Waiting until a deadline.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::Instant;
use super::entry::{Entry, State};
use super::timers::{Armed, Timers};
use crate::budget;
use crate::context::{Current, with_timers};

const NO_RUNTIME: &str =
    "there is no timer running, must be called from the context of a cmwq runtime";
const SHUTTING_DOWN: &str = "A cmwq runtime was found, but it is being shut down";

/// Waits until `deadline`.
///
/// Completes at the deadline or after it, never before. Deadlines have the precision of the clock,
/// a nanosecond; how late the task runs is a matter of the scheduler and of the runtime's timer
/// granularity, microseconds in all. (tokio rounds up to the next millisecond.)
///
/// A deadline in the past completes when the core looks at its timers next, or at once.
///
/// # Panics
///
/// Not by itself; the future panics when it is polled for the first time outside of a runtime, and
/// when it is polled while its runtime shuts down. (tokio panics at this call.)
///
/// # Cancel safety
///
/// Dropping the future cancels the wait and loses nothing.
///
/// # Examples
///
/// ```
/// use cmwq::time::{Duration, Instant, sleep_until};
///
/// # #[cmwq::main]
/// # async fn main() {
/// let deadline = Instant::now() + Duration::from_millis(2);
/// sleep_until(deadline).await;
/// assert!(Instant::now() >= deadline);
/// # }
/// ```
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep { deadline, timers: None, entry: Entry::new() }
}

/// A sleep that registers with `timers`, wherever it is polled.
#[cfg(all(test, not(cmwq_loom)))]
pub(super) fn sleep_on(timers: &Arc<Timers>, deadline: Instant) -> Sleep {
    Sleep { deadline, timers: Some(Arc::clone(timers)), entry: Entry::new() }
}

/// Waits for `duration`.
///
/// The same as [`sleep_until`]`(Instant::now() + duration)`: the time runs from this call, not from
/// the first poll. A duration too long to be added to the present, such as `Duration::MAX`, means
/// about 30 years.
///
/// Do not use it for periodic work: [`interval`](super::interval) does not drift.
///
/// # Panics
///
/// As for [`sleep_until`].
///
/// # Cancel safety
///
/// Dropping the future cancels the wait and loses nothing.
///
/// # Examples
///
/// ```
/// use cmwq::time::{Duration, sleep};
///
/// # #[cmwq::main]
/// # async fn main() {
/// sleep(Duration::from_micros(200)).await;
/// # }
/// ```
pub fn sleep(duration: Duration) -> Sleep {
    sleep_until(Instant::after(duration))
}

pin_project! {
    /// The future of [`sleep`] and [`sleep_until`].
    ///
    /// It registers with the timers of the core on which it is polled for the first time and stays
    /// with them. It is `!Unpin`: to poll it more than once, as a `select!` in a loop does, pin it
    /// with `std::pin::pin!` or `Box::pin`.
    ///
    /// # Examples
    ///
    /// ```
    /// use cmwq::time::{Duration, Instant, sleep};
    /// use std::pin::pin;
    ///
    /// # #[cmwq::main]
    /// # async fn main() {
    /// let mut sleep = pin!(sleep(Duration::from_secs(60)));
    /// sleep.as_mut().reset(Instant::now() + Duration::from_millis(1));
    /// sleep.as_mut().await;
    /// assert!(sleep.is_elapsed());
    /// # }
    /// ```
    #[must_use = "a future does nothing unless you `.await` or poll it"]
    pub struct Sleep {
        deadline: Instant,
        // The timers that the entry was armed with, or is to be.
        timers: Option<Arc<Timers>>,
        #[pin]
        entry: Entry,
    }

    impl PinnedDrop for Sleep {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(timers) = this.timers {
                // SAFETY: the owner; the entry is only ever armed with these timers.
                unsafe { timers.cancel(this.entry.as_ref()) }
            }
        }
    }
}

impl Sleep {
    /// The time at which it completes.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether its time has come.
    ///
    /// False as long as it was not polled, or not since a [`reset`](Sleep::reset) that came after
    /// the deadline: only a sleep that waits is told that its time has come.
    pub fn is_elapsed(&self) -> bool {
        self.entry.state() == State::Fired
    }

    /// Moves the deadline, also of a sleep that has completed already and so begins anew.
    ///
    /// A task that waits stays registered and is woken at the new deadline, at once if that has
    /// passed. Putting off a deadline takes no lock; the core then wakes once at the old time and
    /// waits on. That makes it cheap to move an idle timeout at every message.
    ///
    /// # Examples
    ///
    /// ```
    /// use cmwq::time::{Duration, Instant, sleep};
    /// use std::pin::pin;
    ///
    /// # #[cmwq::main]
    /// # async fn main() {
    /// let mut sleep = pin!(sleep(Duration::from_millis(1)));
    /// sleep.as_mut().await;
    /// sleep.as_mut().reset(Instant::now() + Duration::from_millis(1));
    /// sleep.await;
    /// # }
    /// ```
    pub fn reset(self: Pin<&mut Self>, deadline: Instant) {
        let this = self.project();
        *this.deadline = deadline;
        let Some(timers) = this.timers else { return };
        let entry = this.entry.as_ref();
        let when = timers.clock().ns_of(deadline);
        if let State::Armed { deadline } = entry.state() {
            if when >= deadline && entry.put_off(deadline, when) {
                return;
            }
            if when < deadline {
                let driven = with_timers(|current| is_driven(timers, current.as_ref()));
                // SAFETY: the owner, and these are its timers.
                if unsafe { timers.bring_forward(entry, when, driven) } {
                    tell_if_lost(timers, driven);
                    return;
                }
            }
        }
        // It has fired at the old deadline, perhaps just now: it begins anew at the next poll.
        entry.rearm();
    }

    /// Waits without asking the budget, for [`Timeout`](super::Timeout).
    pub(super) fn poll_elapsed(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let entry = this.entry.as_ref();
        match entry.state() {
            State::Fired => return Poll::Ready(()),
            State::Closed => panic!("{SHUTTING_DOWN}"),
            State::Idle => return arm(entry, this.timers, *this.deadline, cx),
            State::Armed { .. } => {}
        }
        // SAFETY: armed by this owner. If it fires in this moment with the same waker, that waker
        // is on its way and Pending is right: memory of a task that has gone is not used again
        // before its waker is dropped, and that comes after the state says fired.
        if unsafe { entry.will_wake(cx.waker()) } {
            return Poll::Pending;
        }
        if let Some(timers) = this.timers {
            // SAFETY: the owner, and these are its timers.
            unsafe { timers.replace_waker(entry, cx.waker().clone()) };
        }
        match entry.state() {
            State::Fired => Poll::Ready(()),
            State::Closed => panic!("{SHUTTING_DOWN}"),
            _ => Poll::Pending,
        }
    }
}

/// Registers with the timers that it was registered with before, or else those of this core.
fn arm(
    entry: Pin<&Entry>,
    timers: &mut Option<Arc<Timers>>,
    deadline: Instant,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let driven = with_timers(|current| match timers {
        Some(timers) => is_driven(timers, current.as_ref()),
        None => {
            let Some(current) = current else { panic!("{NO_RUNTIME}") };
            *timers = Some(Arc::clone(current.timers));
            current.is_holder()
        }
    });
    let Some(timers) = timers else { panic!("{NO_RUNTIME}") };
    let when = timers.clock().ns_of(deadline);
    // SAFETY: idle, says its state, and the caller owns it; its drop cancels it in `timers`, which
    // stay the same from here on.
    match unsafe { timers.arm(entry, when, cx.waker().clone(), driven) } {
        Armed::Pending => {
            tell_if_lost(timers, driven);
            Poll::Pending
        }
        Armed::Elapsed => {
            entry.elapse();
            Poll::Ready(())
        }
        Armed::Closed => panic!("{SHUTTING_DOWN}"),
    }
}

/// Whether this thread looks at the deadlines of `timers` before it waits.
pub(super) fn is_driven(timers: &Arc<Timers>, current: Option<&Current<'_>>) -> bool {
    current.is_some_and(|current| current.is_holder() && Arc::ptr_eq(current.timers, timers))
}

/// The core may have been taken over between the question and the answer; whoever has it now may
/// have looked at the deadlines before this one was there.
pub(super) fn tell_if_lost(timers: &Arc<Timers>, driven: bool) {
    if driven && !with_timers(|current| is_driven(timers, current.as_ref())) {
        timers.unpark();
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let unit = ready!(budget::poll_proceed(cx));
        ready!(self.as_mut().poll_elapsed(cx));
        unit.made_progress();
        Poll::Ready(())
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("deadline", &self.deadline)
            .field("state", &self.entry.state())
            .finish_non_exhaustive()
    }
}

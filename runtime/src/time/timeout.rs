//! A future with a deadline.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::error::Elapsed;
use super::{Instant, Sleep, sleep, sleep_until};
use crate::budget;

/// Requires `future` to complete within `duration`.
///
/// If it completes in time its output is returned, else it is dropped with the returned future and
/// the result is an error. The future is polled before the clock is looked at: one that is ready
/// wins over a deadline that has passed. One that never returns to the runtime cannot be timed out.
///
/// A duration too long to be added to the present means about 30 years.
///
/// # Errors
///
/// [`Elapsed`] if the time is over first.
///
/// # Panics
///
/// As for [`sleep_until`].
///
/// # Cancel safety
///
/// Dropping the future drops the inner one. Whether that loses something is up to the inner one.
///
/// # Examples
///
/// ```
/// use cmwq::time::{Duration, sleep, timeout};
///
/// # #[cmwq::main]
/// # async fn main() {
/// let quick = timeout(Duration::from_secs(60), async { 7 }).await;
/// assert_eq!(quick, Ok(7));
///
/// let slow = timeout(Duration::from_millis(1), sleep(Duration::from_secs(60))).await;
/// assert!(slow.is_err());
/// # }
/// ```
pub fn timeout<F>(duration: Duration, future: F) -> Timeout<F::IntoFuture>
where
    F: IntoFuture,
{
    Timeout { value: future.into_future(), delay: sleep(duration) }
}

/// Requires `future` to complete before `deadline`. As [`timeout`] otherwise.
///
/// # Errors
///
/// [`Elapsed`] if the deadline comes first.
///
/// # Panics
///
/// As for [`sleep_until`].
///
/// # Cancel safety
///
/// As for [`timeout`].
///
/// # Examples
///
/// ```
/// use cmwq::time::{Duration, Instant, timeout_at};
///
/// # #[cmwq::main]
/// # async fn main() {
/// let deadline = Instant::now() + Duration::from_millis(1);
/// let never = timeout_at(deadline, std::future::pending::<()>()).await;
/// assert_eq!(never.unwrap_err().to_string(), "deadline has elapsed");
/// # }
/// ```
pub fn timeout_at<F>(deadline: Instant, future: F) -> Timeout<F::IntoFuture>
where
    F: IntoFuture,
{
    Timeout { value: future.into_future(), delay: sleep_until(deadline) }
}

pin_project! {
    /// The future of [`timeout`] and [`timeout_at`].
    #[must_use = "a future does nothing unless you `.await` or poll it"]
    #[derive(Debug)]
    pub struct Timeout<T> {
        #[pin]
        value: T,
        #[pin]
        delay: Sleep,
    }
}

impl<T> Timeout<T> {
    /// The future that has the deadline.
    pub fn get_ref(&self) -> &T {
        &self.value
    }

    /// The future that has the deadline.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.value
    }

    /// Gives up the deadline and returns the future.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T: Future> Future for Timeout<T> {
    type Output = Result<T::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let had_budget = budget::has_remaining();
        if let Poll::Ready(value) = this.value.poll(cx) {
            return Poll::Ready(Ok(value));
        }
        // A future that uses up the whole budget in each poll must not keep its deadline from being
        // looked at.
        let elapsed = if had_budget && !budget::has_remaining() {
            this.delay.poll_elapsed(cx)
        } else {
            this.delay.poll(cx)
        };
        elapsed.map(|()| Err(Elapsed::new()))
    }
}

#[cfg(all(test, not(cmwq_loom)))]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::super::sleep::sleep_on;
    use super::super::tests::timers;
    use super::*;
    use crate::budget::Budget;

    #[test]
    fn a_value_that_is_ready_wins_over_a_deadline_that_has_passed() {
        let (timers, _) = timers(Duration::ZERO);
        let delay = sleep_on(&timers, Instant::now() - Duration::from_millis(1));
        let timeout = pin!(Timeout { value: std::future::ready(1), delay });
        let polled = timeout.poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(polled, Poll::Ready(Ok(1)));
    }

    #[test]
    fn a_future_that_uses_up_its_budget_is_timed_out_all_the_same() {
        let (timers, _) = timers(Duration::ZERO);
        let delay = sleep_on(&timers, Instant::now() - Duration::from_millis(1));
        let greedy = poll_fn(|cx| {
            while let Poll::Ready(unit) = budget::poll_proceed(cx) {
                unit.made_progress();
            }
            Poll::<()>::Pending
        });
        let timeout = pin!(Timeout { value: greedy, delay });
        let polled = budget::with_budget(Budget::initial(), || {
            timeout.poll(&mut Context::from_waker(Waker::noop()))
        });
        assert_eq!(polled, Poll::Ready(Err(Elapsed::new())));
    }

    #[test]
    fn gives_the_future_back() {
        let mut timeout = timeout(Duration::MAX, std::future::ready(1));
        *timeout.get_mut() = std::future::ready(2);
        assert_eq!(timeout.get_ref().clone().into_inner(), 2);
        assert_eq!(timeout.into_inner().into_inner(), 2);
    }
}

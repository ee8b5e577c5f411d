//! Waiting until one queueing is over.
//!
//! The kernel links a barrier behind the work, which the same worker executes, outside of
//! `max_active`. Here the barrier is an entry in the work's list of waiters, and the worker that
//! ends the execution wakes it: no slot, no place in any list.

use super::control::{Control, Place};
use super::target::Target;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// For whom a flush waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// The last queueing, pending or running.
    Last,
    /// The execution under way.
    Running,
}

/// Waits until a queueing is over; the output tells whether it had to.
pub(super) struct Flush<T: Target> {
    control: Arc<Control<T>>,
    state: Phase,
}

enum Phase {
    New(Which),
    Waiting { number: u64, waiter: u64 },
    Over,
}

impl<T: Target> Flush<T> {
    pub(super) fn new(control: &Arc<Control<T>>, which: Which) -> Self {
        Self { control: control.clone(), state: Phase::New(which) }
    }

    fn begin(&mut self, which: Which, cx: &Context<'_>) -> Poll<bool> {
        let mut waker = Some(cx.waker().clone());
        let control = &self.control;
        let phase = control.locked(|state, later| {
            // It would wait for itself: also what is pending waits for this execution.
            if state.is_own_thread() {
                return None;
            }
            if which == Which::Last
                && matches!(&state.pending, Some(pending) if matches!(pending.place, Place::Delayed { .. }))
            {
                if let Some(alarm) = &mut state.alarm {
                    alarm.as_mut().cancel();
                }
                control.end_delay(state, later);
            }
            let pending = state.pending.as_ref().filter(|_| which == Which::Last);
            let number = pending.map(|pending| pending.number);
            let number = number.or(state.running.as_ref().map(|running| running.number))?;
            Some(Phase::Waiting { number, waiter: state.add_waiter(number, waker.take()?) })
        });
        match phase {
            Some(waiting) => {
                self.state = waiting;
                Poll::Pending
            }
            None => {
                self.state = Phase::Over;
                Poll::Ready(false)
            }
        }
    }
}

impl<T: Target> Future for Flush<T> {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        match self.state {
            Phase::New(which) => self.begin(which, cx),
            Phase::Waiting { number, waiter } => {
                let mut waker = cx.waker().clone();
                let is_live = self.control.locked(|state, _| {
                    state.renew_waiter(waiter, &mut waker);
                    state.is_live(number)
                });
                if is_live {
                    return Poll::Pending;
                }
                self.state = Phase::Over;
                Poll::Ready(true)
            }
            Phase::Over => panic!("a flush was polled after it was over"),
        }
    }
}

impl<T: Target> Drop for Flush<T> {
    fn drop(&mut self) {
        if let Phase::Waiting { waiter, .. } = self.state {
            let waker = self.control.locked(|state, _| state.forget_waiter(waiter));
            drop(waker);
        }
    }
}

//! Waiting until one queueing is over.
//!
//! The kernel links a barrier behind the work, which the same worker executes, outside of
//! `max_active`. Here the barrier is an entry in the work's list of waiters, and the worker that
//! ends the execution wakes it: no slot, no place in any list.

use super::control::{Control, Pending, Place, State};
use super::target::{Link, Target};
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
    /// That the task which polls this waits.
    bond: Option<<T::Link as Link>::Bond>,
}

// Nothing in it is pinned.
impl<T: Target> Unpin for Flush<T> {}

enum Phase {
    New(Which),
    Waiting { number: u64, waiter: u64 },
    Over,
}

impl<T: Target> Flush<T> {
    pub(super) fn new(control: &Arc<Control<T>>, which: Which) -> Self {
        Self { control: control.clone(), state: Phase::New(which), bond: None }
    }

    fn begin(&mut self, which: Which, cx: &Context<'_>) -> Poll<bool> {
        let mut waker = Some(cx.waker().clone());
        let (control, mut bond) = (&self.control, None);
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
            bond = control.bond(state, number);
            Some(Phase::Waiting { number, waiter: state.waiters.add(number, waker.take()?) })
        });
        self.renew(bond);
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

impl<T: Target> Flush<T> {
    /// Another task may poll this than did before. What stays is not given up in between.
    fn renew(&mut self, bond: Option<<T::Link as Link>::Bond>) {
        if let Some(bond) = &bond {
            T::Link::complete(bond);
        }
        drop(std::mem::replace(&mut self.bond, bond));
    }
}

impl<T: Target> Control<T> {
    /// The item of a queue that this thread runs waits for this queueing.
    fn bond(&self, state: &State<T>, number: u64) -> Option<<T::Link as Link>::Bond> {
        let entry = match (&state.pending, &state.running) {
            (Some(Pending { number: pending, place: Place::Listed(entry) }), _)
            | (Some(Pending { number: pending, place: Place::Met { entry, .. } }), _)
                if *pending == number =>
            {
                entry
            }
            (_, Some(running)) if running.number == number => &running.entry,
            _ => return None,
        };
        entry.link.bond(self.ticket(entry))
    }
}

impl<T: Target> Future for Flush<T> {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        match self.state {
            Phase::New(which) => self.begin(which, cx),
            Phase::Waiting { number, waiter } => {
                let mut waker = cx.waker().clone();
                let (is_live, bond) = self.control.locked(|state, _| {
                    state.waiters.renew(waiter, &mut waker);
                    (state.is_live(number), self.control.bond(state, number))
                });
                self.renew(bond);
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
            let waker = self.control.locked(|state, _| state.waiters.forget(waiter));
            drop(waker);
        }
    }
}

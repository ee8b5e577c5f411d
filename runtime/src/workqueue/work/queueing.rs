//! Queueing, at once and after a delay.

use super::control::{Control, Entry, Later, Pending, Place, State};
use super::target::Target;
use crate::task::{Notified, WorkTask};
use crate::time::{Alarm, Alarmed, Ring};
use std::sync::Arc;
use std::time::Duration;

impl<T: Target> Control<T> {
    /// Queues it, if it is neither pending nor disabled. The lock orders what the caller stored
    /// before the closure, also where the answer is no.
    pub(super) fn queue(&self, task: &WorkTask, target: &mut T) -> bool {
        self.locked(|state, later| state.accepts() && self.list(state, later, task.queue(), target))
    }

    pub(super) fn queue_delayed(
        self: &Arc<Self>,
        task: &WorkTask,
        target: T,
        delay: Duration,
    ) -> bool {
        self.locked(|state, later| {
            state.accepts() && self.delay(state, later, task.queue(), target, delay)
        })
    }

    /// Queues it anew with another delay. Returns whether it was pending.
    pub(super) fn mod_delayed(
        self: &Arc<Self>,
        task: &WorkTask,
        target: T,
        delay: Duration,
    ) -> bool {
        self.grab(task.header(), |state, later, grabbed| {
            let was_pending = grabbed.is_some();
            if state.disabled == 0 {
                let token = grabbed.unwrap_or_else(|| task.queue());
                self.delay(state, later, token, target, delay);
            } else {
                // It is being disabled, and was still pending.
                grabbed.into_iter().for_each(|token| later.take_back(token));
            }
            was_pending
        })
    }

    /// Hands the queue's reference to the target. Returns whether that took it.
    pub(super) fn list(
        &self,
        state: &mut State<T>,
        later: &mut Later<T>,
        task: Notified,
        target: &mut T,
    ) -> bool {
        let number = state.number();
        self.list_as(state, later, task, target, number)
    }

    fn list_as(
        &self,
        state: &mut State<T>,
        later: &mut Later<T>,
        task: Notified,
        target: &mut T,
        number: u64,
    ) -> bool {
        let (index, ticket) = self.free_ticket(state);
        match target.admit(task, ticket) {
            Ok(link) => {
                let place = Place::Listed(Entry { link, ticket: index });
                state.pending = Some(Pending { number, place });
                true
            }
            Err(refused) => {
                later.take_back(refused);
                state.over(number, later);
                false
            }
        }
    }

    fn delay(
        self: &Arc<Self>,
        state: &mut State<T>,
        later: &mut Later<T>,
        task: Notified,
        mut target: T,
        delay: Duration,
    ) -> bool {
        if delay.is_zero() {
            let is_listed = self.list(state, later, task, &mut target);
            later.forget_target(target);
            return is_listed;
        }
        let alarm = state.alarm.get_or_insert_with(|| Box::pin(Alarm::new()));
        // The waker's drop is that of an Arc of ours, never the last one here.
        match alarm.as_mut().arm(&target.timers(), delay, Arc::clone(self).into()) {
            Alarmed::Pending => {
                let number = state.number();
                state.pending = Some(Pending { number, place: Place::Delayed { task, target } });
                true
            }
            Alarmed::Elapsed => {
                let is_listed = self.list(state, later, task, &mut target);
                later.forget_target(target);
                is_listed
            }
            Alarmed::Closed => {
                later.take_back(task);
                later.forget_target(target);
                false
            }
        }
    }

    /// The wake of a timer. It may come late, when the delay was cancelled or begun anew.
    pub(super) fn timer_fired(&self) {
        self.locked(|state, later| {
            let ring = state.alarm.as_ref().map_or(Ring::Silent, |alarm| alarm.ring());
            if ring != Ring::Silent {
                self.end_delay(state, later);
            }
        });
    }

    /// Queues it now, if it waits for its timer.
    pub(super) fn end_delay(&self, state: &mut State<T>, later: &mut Later<T>) {
        match state.pending.take() {
            Some(Pending { number, place: Place::Delayed { task, mut target } }) => {
                self.list_as(state, later, task, &mut target, number);
                later.forget_target(target);
            }
            other => state.pending = other,
        }
    }
}

impl<T: Target> State<T> {
    fn accepts(&self) -> bool {
        self.pending.is_none() && self.disabled == 0
    }
}

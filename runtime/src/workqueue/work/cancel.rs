//! Taking PENDING back; disabling.

use super::control::{Control, Later, Pending, Place, State};
use super::target::{Link, Target};
use crate::task::{Header, Notified, WorkTask};
use std::time::Duration;

/// How often somebody who meets a worker between its list and its start looks again before he
/// sleeps for a moment.
const YIELDS: u32 = 64;

const NAP: Duration = Duration::from_micros(50);

/// What came of an attempt to take PENDING back.
enum Grab {
    WasNotPending,
    Grabbed(Notified),
    /// A worker has taken it from its list and not started it yet.
    InHand,
}

impl<T: Target> Control<T> {
    /// Takes PENDING back, and goes on under the same lock.
    ///
    /// A worker that has the item in hand is about to take the lock, with nothing but runtime code
    /// on its way: wait for it, as the kernel does. (A worker that is preempted there may be one
    /// of lower priority on this very CPU, so yielding is not enough.)
    pub(super) fn grab<R>(
        &self,
        task: &Header,
        then: impl FnOnce(&mut State<T>, &mut Later<T>, Option<Notified>) -> R,
    ) -> R {
        let mut then = Some(then);
        let mut tries = 0;
        loop {
            let result = self.locked(|state, later| {
                let grabbed = match self.try_grab(state, later, task) {
                    Grab::InHand => return None,
                    Grab::WasNotPending => None,
                    Grab::Grabbed(task) => Some(task),
                };
                then.take().map(|then| then(state, later, grabbed))
            });
            if let Some(result) = result {
                return result;
            }
            tries += 1;
            relax(tries);
        }
    }

    fn try_grab(&self, state: &mut State<T>, later: &mut Later<T>, task: &Header) -> Grab {
        let Some(Pending { number, place }) = state.pending.take() else {
            return Grab::WasNotPending;
        };
        let grabbed = match place {
            Place::Delayed { task, target } => {
                if let Some(alarm) = &mut state.alarm {
                    alarm.as_mut().cancel();
                }
                later.forget_target(target);
                task
            }
            Place::Met { task, entry } => {
                let aftermath = entry.link.finish(self.ticket(&entry));
                later.settle(entry.link, aftermath);
                task
            }
            Place::Listed(entry) => match entry.link.withdraw(self.ticket(&entry), task) {
                Some((task, aftermath)) => {
                    later.settle(entry.link, aftermath);
                    task
                }
                None => {
                    state.pending = Some(Pending { number, place: Place::Listed(entry) });
                    return Grab::InHand;
                }
            },
        };
        state.over(number, later);
        Grab::Grabbed(grabbed)
    }

    /// Returns whether it was pending.
    pub(super) fn cancel(&self, task: &WorkTask) -> bool {
        self.grab(task.header(), |_, later, grabbed| match grabbed {
            Some(token) => {
                later.take_back(token);
                true
            }
            None => false,
        })
    }

    /// Returns whether it was pending.
    pub(super) fn disable(&self, task: &WorkTask) -> bool {
        // First of all, so that it is not queued again while a worker is waited for.
        self.locked(|state, _| state.disabled += 1);
        self.cancel(task)
    }

    /// Returns whether it may be queued now.
    pub(super) fn enable(&self) -> bool {
        self.locked(|state, _| {
            state.disabled = state.disabled.saturating_sub(1);
            state.disabled == 0
        })
    }
}

#[cfg(not(cmwq_loom))]
fn relax(tries: u32) {
    if tries.is_multiple_of(YIELDS) {
        std::thread::sleep(NAP);
    } else {
        std::thread::yield_now();
    }
}

#[cfg(cmwq_loom)]
fn relax(_tries: u32) {
    loom::thread::yield_now();
}

//! One thread of one CPU.
//!
//! ```text
//!                         wanted: Active          wanted: Parked
//!   started --> parked -------------------> active ----------------> parked --> ...
//!                         setup, the first               park
//!                         time; else unpark
//!
//!   wanted: Stopped --> cleanup, if setup has been called --> ended
//! ```
//!
//! `wanted` is written by others, `phase` by the thread, which thereby answers: whoever asks waits for
//! the phase. Both are under the thread's lock, and no callback is called under it.

use super::callbacks::Callbacks;
use crate::sys;
use crate::sys::affinity::{self, CpuSet};
use crate::sys::uring_poll::Kick;
use std::cell::Cell;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The longest name of a thread that Linux keeps, without the NUL.
const NAME_LEN: usize = 15;

thread_local! {
    /// The per-CPU thread that this one is.
    static CURRENT: Cell<*const Thread> = const { Cell::new(std::ptr::null()) };
}

/// What somebody wants of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Parked,
    Active,
    Stopped,
}

/// Where a thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// On the way from one of the others to another.
    Between,
    Parked,
    Active,
    Ended,
}

/// Which callback was called last of those that come in pairs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    /// None.
    New,
    Active,
    Parked,
}

pub(super) struct Thread {
    pub(super) cpu: usize,
    is_self_parking: bool,
    state: Mutex<State>,
    /// Of the state, for everybody.
    changed: Condvar,
}

struct State {
    wanted: Wanted,
    phase: Phase,
    is_woken: bool,
    /// Can the process use the CPU?
    is_online: bool,
    /// 0 before it has started and after it has ended.
    tid: i32,
}

impl Thread {
    /// To be parked.
    pub(super) fn new(cpu: usize, is_self_parking: bool) -> Self {
        let state = State {
            wanted: Wanted::Parked,
            phase: Phase::Between,
            is_woken: false,
            is_online: true,
            tid: 0,
        };
        Self { cpu, is_self_parking, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// What the thread is called: `name/2`, the name shortened so that the number is not.
    pub(super) fn name(name: &str, cpu: usize) -> String {
        let number = format!("/{cpu}");
        let mut end = name.len().min(NAME_LEN - number.len());
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        format!("{}{number}", &name[..end])
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    pub(super) fn wake(&self) {
        self.change(|state| state.is_woken = true);
    }

    /// Says what is wanted; a thread that is to stop is never wanted otherwise again.
    pub(super) fn want(&self, wanted: Wanted) {
        self.change(|state| {
            if state.wanted != Wanted::Stopped {
                state.wanted = wanted;
            }
        });
    }

    /// Is it, or will it be, parked?
    pub(super) fn is_parked(&self) -> bool {
        self.lock().wanted == Wanted::Parked
    }

    pub(super) fn set_online(&self, is_online: bool) {
        self.change(|state| state.is_online = is_online);
    }

    /// Waits until it is in this phase, or something else is wanted. Not if it is the calling thread.
    pub(super) fn wait_for(&self, wanted: Wanted, phase: Phase) {
        if self.is_current() {
            return;
        }
        let mut state = self.lock();
        while state.wanted == wanted && state.phase != phase && state.phase != Phase::Ended {
            state = self.wait(state);
        }
    }

    /// Waits until a thread that is to be active is.
    pub(super) fn wait_until_begun(&self) {
        self.wait_for(Wanted::Active, Phase::Active);
    }

    pub(super) fn is_current(&self) -> bool {
        std::ptr::eq(CURRENT.get(), self)
    }

    /// Brings it back to its CPU, if it is active and was moved.
    pub(super) fn bring_back(&self) {
        // Under the lock, so that the id is that of the thread.
        let state = self.lock();
        let own = CpuSet::single(self.cpu);
        let is_away = || affinity::get(state.tid).is_ok_and(|cpus| cpus != own);
        if state.tid != 0 && state.phase == Phase::Active && is_away() {
            // Refused if the CPU has just gone away.
            let _ = affinity::set(state.tid, &own);
        }
    }

    /// The thread, from its start to its end. `bell` is rung when it finds itself on another CPU.
    pub(super) fn run(self: &Arc<Self>, callbacks: &Callbacks, bell: &Kick) {
        CURRENT.set(Arc::as_ptr(self));
        self.lock().tid = sys::thread::gettid();
        let mut status = Status::New;
        while self.turn(callbacks, bell, &mut status) {}
        CURRENT.set(std::ptr::null());
        self.change(|state| {
            state.tid = 0;
            state.phase = Phase::Ended;
        });
    }

    /// One round of the thread; `false` if it was the last.
    fn turn(&self, callbacks: &Callbacks, bell: &Kick, status: &mut Status) -> bool {
        let mut state = self.lock();
        match (state.wanted, *status) {
            (Wanted::Stopped, Status::New) => return false,
            (Wanted::Stopped, _) => {
                let is_online = state.is_online;
                drop(state);
                callbacks.clean_up(self.cpu, is_online);
                return false;
            }
            (Wanted::Parked, Status::Active) => {
                state.phase = Phase::Between;
                drop(state);
                Callbacks::call(callbacks.park.as_ref(), self.cpu);
                *status = Status::Parked;
            }
            (Wanted::Parked, _) => {
                state.phase = Phase::Parked;
                self.changed.notify_all();
                while state.wanted == Wanted::Parked {
                    state = self.wait(state);
                }
                state.phase = Phase::Between;
            }
            (Wanted::Active, Status::New | Status::Parked) => {
                drop(state);
                // Refused if the CPU has gone away again: then it is parked soon.
                let _ = affinity::set(0, &CpuSet::single(self.cpu));
                let callback = if *status == Status::New {
                    callbacks.setup.as_ref()
                } else {
                    callbacks.unpark.as_ref()
                };
                Callbacks::call(callback, self.cpu);
                *status = Status::Active;
                self.change(|state| state.phase = Phase::Active);
            }
            (Wanted::Active, Status::Active) => {
                let is_woken = std::mem::take(&mut state.is_woken);
                // Otherwise it is known, and this one parks itself.
                let is_online = state.is_online;
                drop(state);
                if is_online && affinity::current_cpu() != self.cpu {
                    bell.kick();
                }
                self.work(callbacks, is_woken);
            }
        }
        true
    }

    /// Runs the callback if it has something to do, and else sleeps.
    fn work(&self, callbacks: &Callbacks, is_woken: bool) {
        if callbacks.has_work(self.cpu, is_woken) {
            Callbacks::call(Some(&callbacks.run), self.cpu);
            return;
        }
        let mut state = self.lock();
        while state.wanted == Wanted::Active && !state.is_woken {
            state = self.wait(state);
        }
    }

    /// Has the calling thread park when the callback ends that it is in. `false` if it is not one that
    /// parks itself.
    pub(super) fn park_current() -> bool {
        // SAFETY: set by run(), whose reference keeps the thread for as long as it is set, and read by
        // the same thread.
        let current = unsafe { CURRENT.get().as_ref() };
        let parks = current.filter(|current| current.is_self_parking);
        parks.inspect(|current| current.want(Wanted::Parked)).is_some()
    }
}

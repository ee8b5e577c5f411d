//! Running one future to completion on the caller's thread.
//!
//! Three cases. On a thread of its own the caller polls and sleeps; the workers do the rest. Inside a
//! task the same, but the core is handed over before the first sleep: unlike with tokio, that is
//! legal. On a runtime of one core the caller becomes a worker, a *guest*, and holds the core while
//! its future waits.

use super::Shared;
use crate::budget::{self, Budget};
use crate::context;
use crate::pool::NOBODY;
use crate::worker::{Local, Main, Phase, Seat};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

pub(crate) fn block_on<F: Future>(shared: &Arc<Shared>, future: F) -> F::Output {
    shared.assert_not_forked();
    let outer_worker = context::with_local(|local| local.is_some());
    let outer_task = context::set_current_task(None);
    let outer_budget = budget::set(Budget::unconstrained());
    let _restore = Restore(Some((outer_task, outer_budget)));

    let mut future = pin!(future);
    let wants_seat = shared.config.current_thread && !outer_worker;
    if let Some(seat) = wants_seat.then(|| Seat::hire(shared, 0)).flatten() {
        return as_guest(shared, seat, future);
    }
    let _entered = context::enter(shared, shared.any_core());
    let _visit = shared.config.current_thread.then(|| Visit::begin(shared));
    as_thread(shared, future.as_mut())
}

/// A thread that waits for a runtime of one core without being able to hold it: inside a task of
/// another runtime, or at the cap. The core is held by a worker of its own meanwhile.
struct Visit<'a>(&'a Shared);

impl<'a> Visit<'a> {
    fn begin(shared: &'a Shared) -> Self {
        let core = &shared.cores[0];
        core.guest_comes(NOBODY);
        if core.needs_worker() && !core.crew.wake_standby() {
            shared.monitor.request_worker(core);
        }
        Self(shared)
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.0.cores[0].guest_leaves(self.0, NOBODY);
    }
}

/// Gives task id and budget of an outer poll back, on unwinding too.
struct Restore(Option<(Option<crate::task::Id>, Budget)>);

impl Drop for Restore {
    fn drop(&mut self) {
        if let Some((task, budget)) = self.0.take() {
            context::set_current_task(task);
            budget::set(budget);
        }
    }
}

fn poll_once<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    budget::with_budget(Budget::initial(), || future.poll(&mut Context::from_waker(waker)))
}

fn as_thread<F: Future>(shared: &Arc<Shared>, mut future: Pin<&mut F>) -> F::Output {
    let entry = shared.callers.enter();
    let waker = Waker::from(entry.caller.clone());
    loop {
        entry.caller.begin_round();
        check_panicked(shared);
        if let Poll::Ready(output) = poll_once(future.as_mut(), &waker) {
            return output;
        }
        // Inside a task: this thread is about to sleep, so somebody else has to run the core.
        context::with_local(|local| local.into_iter().for_each(Local::hand_over));
        rest(shared, || entry.caller.sleep());
    }
}

/// Waits by `sleep`. A worker of this runtime counts as parked meanwhile: its task can do nothing,
/// which a paused clock wants to know. It holds no core, so nobody else looks.
fn rest(shared: &Arc<Shared>, sleep: impl FnOnce()) {
    context::with_local(|local| {
        let own = local.filter(|local| Arc::ptr_eq(local.shared(), shared));
        match own.map(|local| &local.worker().epoch) {
            Some(epoch) => {
                let phase = epoch.load().phase();
                epoch.enter(Phase::Parked);
                sleep();
                epoch.enter(phase);
            }
            None => sleep(),
        }
    });
}

fn check_panicked(shared: &Shared) {
    assert!(
        !shared.panicked.load(Ordering::SeqCst),
        "a spawned task panicked and the runtime is configured to shut down on unhandled panic"
    );
}

/// Wakes a guest, wherever it sleeps.
struct GuestWaker {
    shared: Arc<Shared>,
    worker: u32,
    woken: AtomicBool,
}

impl Wake for GuestWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.woken.swap(true, Ordering::SeqCst) {
            return;
        }
        let core = &self.shared.cores[0];
        core.park.unpark();
        if let Some(worker) = core.crew.get(self.worker) {
            core.crew.signal(worker);
        }
    }
}

/// The main future of a guest.
struct Guest<'a, F: Future> {
    future: Pin<&'a mut F>,
    state: Arc<GuestWaker>,
    waker: Waker,
    result: Option<std::thread::Result<F::Output>>,
}

impl<F: Future> Main for Guest<'_, F> {
    const IS_GUEST: bool = true;

    fn poll_if_woken(&mut self, local: &Local) -> bool {
        if !self.is_woken() || !self.state.woken.swap(false, Ordering::SeqCst) {
            return false;
        }
        let polled = local.in_user(|| {
            catch_unwind(AssertUnwindSafe(|| poll_once(self.future.as_mut(), &self.waker)))
        });
        self.result = match polled {
            Ok(Poll::Pending) => return false,
            Ok(Poll::Ready(output)) => Some(Ok(output)),
            Err(panic) => Some(Err(panic)),
        };
        true
    }

    fn is_woken(&self) -> bool {
        self.state.woken.load(Ordering::SeqCst)
    }
}

fn as_guest<F: Future>(shared: &Arc<Shared>, seat: Seat, mut future: Pin<&mut F>) -> F::Output {
    let core = &shared.cores[0];
    let state = Arc::new(GuestWaker {
        shared: shared.clone(),
        worker: seat.worker().index(),
        woken: AtomicBool::new(true),
    });
    let waker = Waker::from(state.clone());
    let local = Local::new(seat);
    let mut main = Guest { future: future.as_mut(), state, waker, result: None };
    {
        let _entered = context::enter(shared, 0);
        local.attach();
        // It may block in its first poll; nobody should count on it as a standby.
        local.arrive();
        core.guest_comes(local.worker().index());
        context::with_worker(&local, || {
            local.work(&mut main);
            core.guest_leaves(shared, local.worker().index());
            local.detach();
        });
    }
    let result = main.result.take();
    drop(local);
    match result {
        Some(Ok(output)) => output,
        Some(Err(panic)) => resume_unwind(panic),
        None => {
            // The runtime has stopped under us; the future may still complete by itself.
            check_panicked(shared);
            let _entered = context::enter(shared, 0);
            as_thread(shared, future)
        }
    }
}

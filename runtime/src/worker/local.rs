//! The half of a worker that only its thread has: pushing, and giving away.

use super::countdown::Countdown;
use super::linger::ShortSleeps;
use super::neighbour::Suspect;
use super::{Phase, Seat, Stamp, Worker, handoff};
use crate::contain::contain;
use crate::detect::{Gate, Watcher};
use crate::pool::{Chain, Changes, Core};
use crate::runtime::Shared;
use crate::task::{Id, Notified};
use std::cell::{Cell, OnceCell, RefCell};
use std::panic::Location;
use std::sync::Arc;
use std::task::Waker;

pub(crate) struct Local {
    seat: Seat,
    /// When timers and I/O are looked at between polls.
    pub(super) event_due: Countdown,
    /// When the inject list comes before the worker's own queue.
    pub(super) inject_due: Countdown,
    /// When the workqueues come before it.
    pub(super) worklist_due: Countdown,
    /// The runtime, if this worker runs the tasks of its `cmwq::spawn`: not on an extra core.
    default_of: *const Shared,
    /// Polls in a row that came from the next slot.
    pub(super) streak: Cell<u32>,
    pub(super) searching: Cell<bool>,
    pub(super) short_sleeps: ShortSleeps,
    /// When it has looked at its I/O last.
    pub(super) driven_at: Cell<u64>,
    /// The epoch in which it lingered last.
    pub(super) lingered_at: Cell<Stamp>,
    pub(super) suspect: Suspect,
    /// In the driver or the wheel: wakes go to the ring, in order, not to the next slot, and others are
    /// told of them together.
    pub(super) dispatching: Cell<bool>,
    /// Wakers that are not ours, collected under a lock and woken after it.
    pub(super) foreign: RefCell<Vec<Waker>>,
    /// When it woke from its last park, for the busy time.
    pub(super) awake_since: Cell<u64>,
    /// With the perf and bpf detectors: open in user code.
    pub(super) gate: OnceCell<Gate>,
    /// What it waits with when it is the watcher.
    pub(super) watcher: RefCell<Option<Watcher>>,
}

impl Local {
    pub(crate) fn new(seat: Seat) -> Self {
        let default_of = match seat.core().is_default {
            true => Arc::as_ptr(seat.shared()),
            false => std::ptr::null(),
        };
        Self {
            seat,
            default_of,
            event_due: Countdown::default(),
            inject_due: Countdown::default(),
            worklist_due: Countdown::default(),
            streak: Cell::new(0),
            searching: Cell::new(false),
            short_sleeps: ShortSleeps::default(),
            driven_at: Cell::new(0),
            lingered_at: Cell::default(),
            suspect: Suspect::default(),
            dispatching: Cell::new(false),
            foreign: RefCell::new(Vec::with_capacity(64)),
            awake_since: Cell::new(crate::time::now_ns()),
            gate: OnceCell::new(),
            watcher: RefCell::new(None),
        }
    }

    #[inline]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        self.seat.shared()
    }

    /// Do tasks of the runtime's default queue belong to this worker's queues?
    #[inline]
    pub(crate) fn runs_default_of(&self, shared: *const Shared) -> bool {
        self.default_of == shared
    }

    #[inline]
    pub(crate) fn core(&self) -> &Core {
        self.seat.core()
    }

    #[inline]
    pub(crate) fn worker(&self) -> &Worker {
        self.seat.worker()
    }

    pub(crate) fn arrive(&self) {
        self.seat.arrive();
    }

    #[inline]
    pub(crate) fn is_holder(&self) -> bool {
        self.core().holder() == self.worker().index()
    }

    /// Queues a task that was woken, or spawned, on this thread.
    #[inline]
    pub(crate) fn schedule(&self, task: Notified) {
        if self.dispatching.get() {
            self.enqueue(task);
        } else if let Some(displaced) = self.worker().slot.replace(task) {
            self.requeue_displaced(displaced);
        } else {
            // Nobody else is woken for the next slot: this worker takes it next.
            self.settle(false);
        }
    }

    /// Queues a task behind the others, in the middle of a poll.
    #[inline]
    pub(super) fn requeue_displaced(&self, task: Notified) {
        self.enqueue(task);
        self.settle(true);
    }

    /// Queues the task that this worker has just polled behind the others. It goes on with the next one
    /// at once, so a thief is woken only if there are two.
    #[inline]
    pub(crate) fn requeue(&self, task: Notified) {
        self.enqueue(task);
        let worker = self.worker();
        self.settle(worker.ring.len() > 1 || !worker.slot.is_empty());
    }

    /// The same, for a caller that settles after the last one.
    #[inline]
    fn enqueue(&self, task: Notified) {
        // SAFETY: `self` is the half that only the ring's owner has.
        if let Err(task) = unsafe { self.worker().ring.push(task) } {
            self.overflow(task);
        }
    }

    /// The ring is full: half of it goes to the inject list, where everybody finds it.
    #[cold]
    fn overflow(&self, task: Notified) {
        let mut chain: Option<Chain> = None;
        let mut append = |task| match &mut chain {
            Some(chain) => chain.append(task),
            None => chain = Some(Chain::of(task)),
        };
        self.worker().ring.take_half(&mut append);
        append(task);
        if let Some(chain) = chain {
            self.core().inject.push_chain(chain);
        }
    }

    /// After its queues have changed: does this worker hold the core no more?
    #[inline]
    pub(crate) fn has_lost(&self) -> bool {
        let without_membarrier = self.shared().fences_pushes();
        handoff::has_lost(&self.core().holder, self.worker().index(), without_membarrier)
    }

    /// After a push: a worker that has lost the core gives away what it has, since nobody watches
    /// it any more. Without this, one that wakes B and then waits for B would strand B.
    ///
    /// The order of the accesses matters: see [`handoff`].
    #[inline]
    pub(super) fn settle(&self, shareable: bool) {
        if self.has_lost() {
            self.give_away();
            // Also if another worker has taken what was pushed: it may be about to sleep.
            self.core().park.unpark();
        } else if shareable {
            self.shared().wake_thief(self.core().index);
        }
    }

    /// Moves everything to the core's inject list and tells the holder.
    #[cold]
    pub(crate) fn give_away(&self) {
        let worker = self.worker();
        if handoff::give_away(&worker.slot, &worker.ring, &self.core().inject) {
            self.core().park.unpark();
            self.shared().wake_thief(self.core().index);
        }
    }

    /// Hands the core to a standby before a blocking call of our own making, without waiting for
    /// a detector. Does nothing if this worker is not the holder.
    pub(crate) fn hand_over(&self) {
        let core = self.core();
        if !core.release(self.worker().index()) {
            return;
        }
        core.stats.handovers.increment();
        self.mark_lost();
        self.give_away();
        if !core.crew.wake_standby() {
            self.shared().monitor.request_worker(core);
        }
    }

    /// The thread is about to take the affinity of the process, and nobody is to give it another. `None`
    /// if it has it already.
    pub(crate) fn roam(&self) -> Option<Changes> {
        let is_first = self.worker().flags.set(super::Flag::Roams);
        is_first.then(|| self.shared().usable.changes())
    }

    /// It has its own again, unless CPUs have gone away or come back since.
    pub(crate) fn come_home(&self, since: Changes) {
        self.worker().flags.take(super::Flag::Roams);
        if self.shared().usable.changes() != since {
            self.core().place_current_thread(self.shared());
        }
    }

    /// Counts this worker as blocked until it surrenders.
    fn mark_lost(&self) {
        let worker = self.worker();
        worker.flags.set(super::Flag::Lost);
        worker.observed.note(worker.epoch.load(), crate::time::now_ns());
    }

    /// From here on code runs that may block, or is not ours.
    #[inline]
    pub(super) fn enter_user(&self) {
        // It may last: somebody else has to search meanwhile.
        self.stop_searching(true);
        let stamp = self.worker().epoch.enter(Phase::User);
        if let Some(gate) = self.gate.get() {
            gate.open(stamp);
        }
    }

    #[inline]
    pub(super) fn leave_user(&self) {
        if let Some(gate) = self.gate.get() {
            gate.close();
        }
        self.worker().epoch.enter(Phase::Runtime);
    }

    /// Runs `f`, which does not unwind, as the poll of another task than the one that this worker
    /// polls: reports name that one.
    pub(crate) fn stand_in(&self, id: Id, location: &'static Location<'static>, f: impl FnOnce()) {
        let worker = self.worker();
        let own_location = worker.location();
        worker.set_location(location);
        worker.set_task(Some(id));
        let own = crate::context::set_current_task(Some(id));
        f();
        crate::context::set_current_task(own);
        worker.set_task(own);
        own_location.into_iter().for_each(|location| worker.set_location(location));
    }

    /// Runs code that may block, or is not ours, in phase *user*.
    pub(crate) fn in_user<R>(&self, f: impl FnOnce() -> R) -> R {
        // Nested: the phase is right already.
        if self.worker().epoch.load().phase() == Phase::User {
            return f();
        }
        self.worker().set_task(None);
        // Nobody watches.
        if !self.is_holder() {
            return f();
        }
        self.enter_user();
        let result = f();
        self.leave_user();
        result
    }

    /// Runs user code that must not cost us the worker: a panic ends here.
    pub(crate) fn in_user_caught(&self, f: impl FnOnce()) {
        self.in_user(|| contain(f));
    }
}

//! The thread of a rescuer.

use super::sight::Sight;
use super::{Bell, Line};
use crate::budget::{self, Budget};
use crate::contain::contain;
use crate::context;
use crate::metrics::Counter;
use crate::pool::nice::Asks;
use crate::pool::{Core, QueueId, WorkerPool};
use crate::runtime::{Shared, call_hook};
use crate::sync_types::{Mutex, lock};
use crate::sys;
use crate::task::Notified;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The rescuer of a queue, as others see it.
pub(crate) struct Rescuer {
    pub(super) bell: Arc<Bell>,
    /// Those of its queue.
    lines: Mutex<Vec<Arc<Line>>>,
    /// The queue is gone.
    is_over: AtomicBool,
    /// That of its thread.
    pub(crate) name: Box<str>,
    pub(crate) sight: Sight,
}

/// The rescuer, for its queue; the thread ends when this is dropped.
pub(crate) struct RescuerHold(Arc<Rescuer>);

/// The line of a pool_workqueue; the pool does not call for it any more when this is dropped.
pub(crate) struct LineHold {
    shared: Arc<Shared>,
    rescuer: Arc<Rescuer>,
    line: Arc<Line>,
}

impl RescuerHold {
    /// Makes the thread.
    pub(crate) fn start(shared: &Arc<Shared>, queue: &str) -> io::Result<Self> {
        // No thread's name has a NUL.
        let name = format!("cmwq/R-{}", queue.replace('\0', "?"));
        let rescuer = Arc::new(Rescuer {
            bell: Arc::default(),
            lines: Mutex::new(Vec::new()),
            is_over: AtomicBool::new(false),
            name: name.as_str().into(),
            sight: Sight::default(),
        });
        shared.rescuers.add(&rescuer);
        let (thread, runtime) = (rescuer.clone(), shared.clone());
        let attended = Vec::with_capacity(ATTENDED);
        let run = move || Round { shared: &runtime, rescuer: &thread, at: None, attended }.run();
        shared.spawn_thread(name, shared.config.stack_size, run)?;
        Ok(Self(rescuer))
    }

    /// For those who look on.
    pub(crate) fn rescuer(&self) -> &Rescuer {
        &self.0
    }

    /// From now on `pool` calls when tasks of the pool_workqueue wait there and it starves. Its
    /// counters count the calls, and the polls that the rescuer makes.
    pub(crate) fn attach(
        &self,
        shared: &Arc<Shared>,
        pool: &WorkerPool,
        queue: QueueId,
        maydays: &Arc<Counter>,
        rescued: &Arc<Counter>,
    ) -> LineHold {
        let rescuer = self.0.clone();
        let bell = rescuer.bell.clone();
        let line = Line::new(queue, pool.cores[0], bell, maydays.clone(), rescued.clone());
        lock(&rescuer.lines).push(line.clone());
        pool.lines.add(line.clone());
        LineHold { shared: shared.clone(), rescuer, line }
    }
}

impl Drop for RescuerHold {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::SeqCst);
        self.0.bell.ring();
    }
}

impl Drop for LineHold {
    fn drop(&mut self) {
        self.shared.core(self.line.core).pool.lines.remove(&self.line);
        lock(&self.rescuer.lines).retain(|other| !Arc::ptr_eq(other, &self.line));
    }
}

/// Polls at a time for one pool, as in the kernel.
const TURN: usize = 16;
/// How long to wait for a push before timers and I/O are looked at again.
const LOOK: Duration = Duration::from_millis(1);
/// Pools at a time; others that call wait until one of these is left. Not more than there is room
/// for, since there may be no memory.
const ATTENDED: usize = 64;
/// Like a kernel's rescuer.
pub(super) const NICE: i32 = -20;

/// What the thread works on.
struct Round<'a> {
    shared: &'a Arc<Shared>,
    rescuer: &'a Rescuer,
    /// The core among whose workers the thread is.
    at: Option<usize>,
    /// Lines that were called, and whose pools have no free worker yet.
    attended: Vec<Arc<Line>>,
}

impl Round<'_> {
    fn run(mut self) {
        self.rescuer.sight.begins(sys::thread::gettid());
        self.shared.original.apply();
        self.rescuer.sight.nice.apply(NICE);
        sys::thread::set_timer_slack_ns(1);
        let hooks = &self.shared.config.hooks;
        {
            let _entered = context::enter(self.shared, self.shared.any_core());
            if let Some(got) = self.rescuer.sight.refused_nice() {
                contain(|| self.shared.pools.nice_reports.report(Asks::Rescuer, NICE, got));
            }
            call_hook(hooks.on_start.as_ref());
        }
        loop {
            let ticket = self.rescuer.bell.ticket();
            if self.shared.has_stopped() || self.rescuer.is_over.load(Ordering::SeqCst) {
                break;
            }
            self.answer();
            let polls = self.turns();
            if self.attended.is_empty() {
                // The next pool there may be another.
                self.at = None;
                self.rescuer.sight.is_with(None);
                self.rescuer.bell.wait(ticket, None);
            } else if polls == 0 {
                self.rescuer.bell.wait(ticket, Some(LOOK));
            }
        }
        while let Some(line) = self.attended.pop() {
            self.leave(&line);
        }
        let _entered = context::enter(self.shared, self.shared.any_core());
        call_hook(hooks.on_stop.as_ref());
    }

    /// Attends to the pools that have called.
    fn answer(&mut self) {
        let lines = lock(&self.rescuer.lines);
        for line in lines.iter() {
            let is_full = self.attended.len() == ATTENDED;
            if is_full || !line.take_call() || self.attends(line) {
                continue;
            }
            if self.attended.is_empty() {
                self.shared.rescuers.one_is_busy();
            }
            self.pool(line).lines.guests.come();
            self.attended.push(line.clone());
        }
    }

    fn attends(&self, line: &Arc<Line>) -> bool {
        self.attended.iter().any(|other| Arc::ptr_eq(other, line))
    }

    /// A turn for each; leaves pools that have a free worker. Returns how many polls were made.
    fn turns(&mut self) -> usize {
        let (mut polls, mut next) = (0, 0);
        while let Some(line) = self.attended.get(next).cloned() {
            polls += self.turn(&line);
            if self.is_needed(&line) {
                next += 1;
            } else {
                self.attended.remove(next);
                self.leave(&line);
            }
        }
        polls
    }

    fn turn(&mut self, line: &Line) -> usize {
        let (shared, core) = (self.shared, self.shared.core(line.core));
        self.rescuer.sight.is_with(Some(core.index));
        let _entered = context::enter(shared, core.index);
        if self.at.replace(core.index) != Some(core.index) {
            move_to(core, shared);
        }
        let pool = &core.pool;
        let tasks = std::iter::from_fn(|| pool.worklist.pop_of(line.queue)).take(TURN);
        let polls = tasks.map(|task| self.poll(core, line, task)).count();
        pool.cores.iter().for_each(|&core| drive(shared.core(core), shared));
        polls
    }

    /// Polls a task, as a worker does.
    fn poll(&self, core: &Core, line: &Line, task: Notified) {
        line.rescued.increment();
        task.set_home_core(core.index);
        context::set_current_task(Some(task.id()));
        context::set_current_location(Some(task.location()));
        self.rescuer.sight.polls(task.id().as_u64(), task.location());
        budget::set(Budget::initial());
        task.run();
        budget::set(Budget::unconstrained());
        self.rescuer.sight.has_polled();
        context::set_current_location(None);
        context::set_current_task(None);
    }

    /// Not any more when a worker is free, or the pool_workqueue is gone.
    fn is_needed(&self, line: &Arc<Line>) -> bool {
        self.pool(line).is_stuck(self.shared)
            && lock(&self.rescuer.lines).iter().any(|other| Arc::ptr_eq(other, line))
    }

    /// The line is not among those attended any more.
    fn leave(&self, line: &Line) {
        let pool = self.pool(line);
        pool.lines.guests.go();
        if self.attended.is_empty() {
            self.shared.rescuers.one_is_idle();
        }
        // Whoever pushed meanwhile may have told us only; and a worker may wait for the driver.
        for &core in &pool.cores {
            self.shared.core(core).park.unpark();
        }
    }

    fn pool(&self, line: &Line) -> &WorkerPool {
        &self.shared.core(line.core).pool
    }
}

/// Timers and I/O of a core, and what was left for a worker of it.
fn drive(core: &Core, shared: &Shared) {
    core.stand_in(shared);
    for waker in core.take_chores() {
        contain(|| waker.wake());
    }
}

/// Makes the calling thread run where the workers of a core run.
fn move_to(core: &Core, shared: &Shared) {
    if !core.place_current_thread(shared) {
        shared.original.confine();
    }
}

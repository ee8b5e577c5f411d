//! Raising and lowering tasks of `cmwq::spawn`.
//!
//! They are in no books, and most are never awaited by anybody urgent: a task has an entry in one
//! table of the process while an item of a queue, or a raised task, awaits it. The flag BONDED in
//! its word says so, and has it removed when the task completes.
//!
//! A raised task stands where it stands. To hasten it, a *stand-in* is put on a queue of high
//! priority, a future that is done after one poll, in which it polls the task ahead of its turn
//! (`task`, "Ahead of the queue"). If the task was polled or lowered meanwhile, it does nothing. A
//! worker that comes to poll a raised task itself gets the nice value for that poll.
//!
//! Who runs a task when it is raised is told by the worker's own notes. The end of that poll sees
//! that it was raised, and restores the nice value, inside of `alone`: not before whoever raised it
//! is done.

use super::awaited::Awaited;
use super::raise::{alone, own_waits};
use super::thread::make_urgent;
use super::waits::Waits;
use crate::context;
use crate::runtime::Shared;
use crate::sys;
use crate::task::{RawTask, TaskRef};
use crate::unpoison::Unpoison;
use crate::worker::{Phase, Worker};
use crate::workqueue::current;
use crate::workqueue::queue::{Place, Queue};
use crate::workqueue::system;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

/// Entries by the address of the task, which the entry keeps. In parts, since items of normal queues
/// record their awaits too.
static TABLE: [Mutex<Part>; PARTS] = [const { Mutex::new(Part::new()) }; PARTS];

type Part = BTreeMap<usize, Entry>;

const PARTS: usize = 16;

thread_local! {
    /// The address and the id of the raised task that this thread polls, or polled last.
    static RAISED: Cell<(usize, u64)> = const { Cell::new((0, 0)) };
}

/// What is known of one task. Dropped when no lock is held.
struct Entry {
    task: TaskRef,
    runtime: Arc<Shared>,
    /// Raised edges that lead to it.
    raised: usize,
    /// Its own edges, since it was raised for the first time.
    waits: Option<Arc<Waits<Awaited>>>,
    /// Those of the item or task that polls its `JoinHandle`.
    awaiter: Option<Arc<Waits<Awaited>>>,
    /// Where its stand-ins go.
    queue: Option<Arc<Queue>>,
    /// The worker that has another nice value because of it. Inside of `alone`.
    lent: Option<Lent>,
}

struct Lent {
    tid: i32,
    /// What it goes back to.
    nice: i32,
}

impl Lent {
    /// Inside of `alone`.
    fn give_back(self) {
        // Upwards, which everybody may.
        let _ = sys::thread::set_nice(self.tid, self.nice);
    }
}

/// The part of the table that a task is in.
fn table(address: usize) -> MutexGuard<'static, Part> {
    // Allocations of tasks are 128 bytes and more.
    TABLE[(address >> 7) % PARTS].lock().unpoison()
}

/// What the raised task that this thread polls waits for.
pub(super) fn own_waits_of_task() -> Option<Arc<Waits<Awaited>>> {
    let (address, id) = RAISED.get();
    // It may be another one, after one that completed or was lowered. Not the id that a task sees of
    // itself: a `block_on` inside of the task has none, and its waits are the task's.
    if context::with_local(|local| local?.worker().task()) != Some(id) {
        current::note_waits(false);
        return None;
    }
    let mut table = table(address);
    let entry = table.get_mut(&address)?;
    let is_urgent = entry.raised > 0;
    Some(entry.waits.get_or_insert_with(|| Arc::new(Waits::new(is_urgent))).clone())
}

/// The `JoinHandle` of a task of a runtime was polled on this thread, and the task is not complete.
#[cold]
pub(crate) fn handle_polled(task: RawTask, runtime: *const Shared) {
    let own_runtime = context::with_local(|local| Some(local?.shared().clone()));
    let awaiter = own_waits().zip(own_runtime.filter(|own| Arc::as_ptr(own) == runtime));
    set_awaiter(task, awaiter);
}

/// The `JoinHandle` of a bonded task is dropped.
#[cold]
pub(crate) fn handle_dropped(task: RawTask) {
    set_awaiter(task, None);
}

fn set_awaiter(task: RawTask, awaiter: Option<(Arc<Waits<Awaited>>, Arc<Shared>)>) {
    let address = TaskRef::address(task);
    let Some((waits, runtime)) = awaiter else {
        let old = table(address).get_mut(&address).and_then(|entry| entry.awaiter.take());
        if let Some(old) = old {
            old.cut(&Awaited::Task(TaskRef::new(task)));
            forget(address);
        }
        return;
    };
    let task = TaskRef::new(task);
    let target = Awaited::Task(task.clone());
    let (old, is_urgent) = {
        let mut table = table(address);
        if !table.contains_key(&address) && !task.bond() {
            // It has just completed.
            return;
        }
        let entry = table.entry(address).or_insert_with(|| Entry::new(task, runtime));
        if entry.awaiter.as_ref().is_some_and(|old| Arc::ptr_eq(old, &waits)) {
            return;
        }
        let is_urgent = waits.record(&target);
        (entry.awaiter.replace(waits.clone()), is_urgent)
    };
    // In this order: what stays raised is not lowered in between.
    if is_urgent {
        waits.raise(&target);
    }
    if let Some(old) = old {
        old.cut(&target);
    }
}

/// The task is complete, and was bonded.
#[cold]
pub(crate) fn task_is_done(task: RawTask) {
    forget(TaskRef::address(task));
}

/// Nobody of interest awaits the task any more, or it is complete.
fn forget(address: usize) {
    let entry = {
        let mut table = table(address);
        let entry = table.remove(&address);
        entry.inspect(|entry| {
            entry.task.unbond();
            // An edge that is being settled at this moment will not find it any more.
            entry.task.lower();
        })
    };
    let Some(entry) = entry else { return };
    if let Some(awaiter) = entry.awaiter {
        awaiter.cut(&Awaited::Task(entry.task));
    }
    if let Some(waits) = entry.waits {
        waits.close();
    }
    if let Some(lent) = entry.lent {
        alone(|| lent.give_back());
    }
}

impl Entry {
    fn new(task: TaskRef, runtime: Arc<Shared>) -> Self {
        Self { task, runtime, raised: 0, waits: None, awaiter: None, queue: None, lent: None }
    }
}

/// Inside of `alone`.
pub(super) fn raise(task: &TaskRef) -> Option<Arc<Waits<Awaited>>> {
    let address = task.own_address();
    let runtime = {
        let mut table = table(address);
        let entry = table.get_mut(&address)?;
        entry.raised += 1;
        if entry.raised > 1 {
            return None;
        }
        entry.runtime.clone()
    };
    // Makes threads at first use: not under the lock. Without them nothing is urgent.
    let queue = system::for_stand_ins(&runtime).ok()?;
    let waits = {
        let mut table = table(address);
        let entry = table.get_mut(&address)?;
        entry.queue = Some(queue);
        entry.waits.clone()
    };
    if task.raise() {
        let runner = runtime.cores.iter().find_map(|core| {
            let runs_it = |worker: &&Worker| {
                worker.task() == Some(task.id().as_u64())
                    && worker.epoch.load().phase() == Phase::User
            };
            core.crew.iter().find(runs_it).map(|worker| (worker.tid(), core.pool.nice(&runtime)))
        });
        if let Some((tid, nice)) = runner {
            lend(address, tid, nice);
        }
    }
    waits
}

/// Inside of `alone`.
pub(super) fn lower(task: &TaskRef) -> Option<Arc<Waits<Awaited>>> {
    let address = task.own_address();
    let (waits, lent) = {
        let mut table = table(address);
        let entry = table.get_mut(&address)?;
        entry.raised = entry.raised.checked_sub(1)?;
        if entry.raised > 0 {
            return None;
        }
        task.lower();
        (entry.waits.clone(), entry.lent.take())
    };
    if let Some(lent) = lent {
        lent.give_back();
    }
    waits
}

/// Inside of `alone`: a worker has the nice value of urgent ones while it polls the task.
fn lend(address: usize, tid: i32, nice: i32) {
    {
        let mut table = table(address);
        let entry = table.get_mut(&address).filter(|entry| entry.raised > 0);
        let Some(entry) = entry.filter(|entry| entry.lent.is_none()) else { return };
        entry.lent = Some(Lent { tid, nice });
    }
    make_urgent(tid, nice);
}

/// See [`Schedule::raised_poll_begins`](crate::task::Schedule::raised_poll_begins).
#[cold]
pub(crate) fn raised_poll_begins(task: RawTask) {
    let address = TaskRef::address(task);
    RAISED.set((address, task.id().as_u64()));
    current::note_waits(true);
    context::with_local(|local| {
        // Others have the nice value that the task is to get.
        if let Some(local) = local.filter(|local| local.core().is_default) {
            let nice = local.core().pool.nice(local.shared());
            alone(|| lend(address, local.worker().tid(), nice));
        }
    });
}

/// See [`Schedule::raised_poll_ended`](crate::task::Schedule::raised_poll_ended).
#[cold]
pub(crate) fn raised_poll_ended(task: RawTask) {
    current::note_waits(false);
    let address = TaskRef::address(task);
    alone(|| {
        let lent = table(address).get_mut(&address).and_then(|entry| entry.lent.take());
        lent.into_iter().for_each(Lent::give_back);
    });
}

/// See [`Schedule::hasten`](crate::task::Schedule::hasten).
#[cold]
pub(crate) fn hasten(task: RawTask) {
    let address = TaskRef::address(task);
    let queue = {
        let table = table(address);
        table.get(&address).filter(|entry| entry.raised > 0).and_then(|entry| entry.queue.clone())
    };
    let Some(queue) = queue else { return };
    let task = TaskRef::new(task);
    let (place, location) = (place_of(&queue.common.shared, &task), task.location());
    // Refused when the runtime shuts down.
    let _ = queue.spawn_detached(place, StandIn(Some(task)), location);
}

/// The CPU that polled it last.
fn place_of(runtime: &Shared, task: &TaskRef) -> Place {
    let core = task.home_core();
    Place::Cpu(runtime.cores.get(core).and_then(|core| core.cpu).unwrap_or(core))
}

/// Polls a task, if it is still queued and raised, and is done.
struct StandIn(Option<TaskRef>);

impl Future for StandIn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        // It may come late, when nobody urgent waits for the task any more, which has its turn anyway.
        if let Some(task) = self.0.take().filter(TaskRef::is_raised) {
            let (id, location) = (task.id(), task.location());
            current::suspended(|| {
                context::with_local(|local| match local {
                    Some(local) => local.stand_in(id, location, || task.run_ahead()),
                    None => task.run_ahead(),
                });
            });
        }
        Poll::Ready(())
    }
}

//! What happens to the items of workqueues, one event after the other.
//!
//! Four places are looked at: an item is queued, activated, its execution starts, its execution ends,
//! as with the kernel's trace events of the same names. The switch is one flag of the process, which
//! is read with one relaxed load at each of the four; `cmwq::spawn` does not come by.
//!
//! Two of the places are under the lock of a pool_workqueue, where no code of the user's may run: a
//! subscriber that queues something would wait for itself. So events go into buffers, like those of
//! ftrace, and whoever began the recording takes them out. Lock order: the list of recordings is
//! the last of all, and only copying happens under it.
//!
//! # Rejected
//!
//! - *Events of `tracing`*: see above; and with the crate `log` behind it, each would be text.
//! - *A callback*: the same.

use super::pwq::PoolWorkqueue;
use crate::context;
use crate::sync_types::{Mutex, lock};
use crate::task::Id;
use crate::unpoison::Unpoison;
use std::collections::VecDeque;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Is there a recording?
static IS_ON: AtomicBool = AtomicBool::new(false);

static RECORDINGS: std::sync::Mutex<Vec<Arc<Buffer>>> = std::sync::Mutex::new(Vec::new());

struct Buffer {
    began: Instant,
    capacity: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    events: VecDeque<Event>,
    lost: u64,
}

/// What happened to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// It was queued: a future was spawned, or a work item queued.
    Queue,
    /// It got a slot, if the queue has a limit, and waits for a worker.
    Activate,
    /// A worker begins to poll the future, or to call the closure of the work item.
    ExecuteStart,
    /// The poll or the call is over.
    ExecuteEnd,
}

impl EventKind {
    /// The name of the kernel's trace event.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Activate => "activate",
            Self::ExecuteStart => "execute_start",
            Self::ExecuteEnd => "execute_end",
        }
    }
}

/// One event. Displayed as `time kind queue task location pool`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// Since the recording began.
    pub at: Duration,
    /// What happened.
    pub kind: EventKind,
    /// The name of the queue.
    pub queue: Arc<str>,
    /// The task; a work item has one id for its whole life.
    pub task: Id,
    /// Where the future was spawned, or the work item made.
    pub location: &'static Location<'static>,
    /// The pool of workers, as the names of its threads begin: that of the queue, and of an execution the
    /// one in which it happens.
    pub pool: String,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>12.6} {:<13} {} task {} {} {}",
            self.at.as_secs_f64(),
            self.kind.name(),
            self.queue,
            self.task,
            self.location,
            self.pool,
        )
    }
}

/// Records what happens to the items of all workqueues of the process until it is dropped; see
/// [`record`].
#[derive(Debug)]
#[must_use = "the recording ends when this is dropped"]
pub struct Recording {
    buffer: Arc<Buffer>,
}

/// Begins a recording of at most `capacity` events, from [`Recording::take`] to the next; older ones
/// are overwritten, and counted.
///
/// While there is a recording, items take a lock of the process four times, so it is for looking at
/// a problem, not for measuring throughput. Without one, an item costs four loads more.
///
/// # Examples
///
/// ```
/// use cmwq::workqueue::{EventKind, record};
///
/// # #[cmwq::main]
/// # async fn main() -> Result<(), cmwq::workqueue::BuildError> {
/// let queue = cmwq::Workqueue::builder().name("traced").build()?;
/// let recording = record(1000);
/// queue.spawn(async {}).await.unwrap();
/// let mut events = recording.take();
/// events.retain(|event| &*event.queue == "traced");
/// assert_eq!(events[0].kind, EventKind::Queue);
/// assert_eq!(events[1].kind, EventKind::Activate);
/// # Ok(())
/// # }
/// ```
pub fn record(capacity: usize) -> Recording {
    let buffer =
        Arc::new(Buffer { began: Instant::now(), capacity, state: Mutex::new(State::default()) });
    let mut recordings = recordings();
    recordings.push(buffer.clone());
    IS_ON.store(true, Ordering::Relaxed);
    Recording { buffer }
}

fn recordings() -> std::sync::MutexGuard<'static, Vec<Arc<Buffer>>> {
    RECORDINGS.lock().unpoison()
}

impl Recording {
    /// The events since the last call, in the order in which they happened. Does not block.
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut lock(&self.buffer.state).events).into()
    }

    /// How many were overwritten because the buffer was full.
    pub fn lost(&self) -> u64 {
        lock(&self.buffer.state).lost
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let mut recordings = recordings();
        recordings.retain(|other| !Arc::ptr_eq(other, &self.buffer));
        IS_ON.store(!recordings.is_empty(), Ordering::Relaxed);
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

/// Something happened to a task of this pool_workqueue.
#[inline]
pub(super) fn happened(
    kind: EventKind,
    pwq: &PoolWorkqueue,
    task: impl FnOnce() -> Option<(Id, &'static Location<'static>)>,
) {
    if IS_ON.load(Ordering::Relaxed) {
        note(kind, pwq, task());
    }
}

#[cold]
fn note(kind: EventKind, pwq: &PoolWorkqueue, task: Option<(Id, &'static Location<'static>)>) {
    let Some((task, location)) = task else { return };
    // A raised item is executed in another pool than that of its queue.
    let here = || context::with_local(|local| local.map(|local| local.core().pool.to_string()));
    let is_execution = matches!(kind, EventKind::ExecuteStart | EventKind::ExecuteEnd);
    let pool = is_execution.then(here).flatten().unwrap_or_else(|| pwq.pool().to_string());
    let queue = pwq.common.name.clone();
    // The time is read under the lock, so that it rises within a buffer.
    for buffer in &*recordings() {
        let (queue, pool) = (queue.clone(), pool.clone());
        let mut state = lock(&buffer.state);
        let at = buffer.began.elapsed();
        state.events.push_back(Event { at, kind, queue, task, location, pool });
        if state.events.len() > buffer.capacity {
            state.events.pop_front();
            state.lost += 1;
        }
    }
}

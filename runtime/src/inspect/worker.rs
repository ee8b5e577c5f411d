//! One look at one worker.

use super::QueueNames;
use crate::pool::Core;
use crate::runtime::Shared;
use crate::sys::proc::{self, Look};
use crate::sys::syscall;
use crate::worker::{Flag, Phase, Worker};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// What a worker is doing.
pub(crate) struct WorkerLook {
    name: String,
    tid: i32,
    position: Position,
    phase: Phase,
    task: Option<Task>,
    /// What the kernel says of its thread; `None` without `/proc`.
    thread: Option<Look>,
    /// At least.
    since: Option<Duration>,
    is_cpu_intensive: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    Holder,
    /// The core was taken from it; it is still inside a poll.
    Lost,
    Standby,
}

/// What it polls.
struct Task {
    id: u64,
    name: Option<Arc<str>>,
    location: &'static Location<'static>,
    queue: Option<Arc<str>>,
}

impl WorkerLook {
    /// Looks at the workers of a core that have threads.
    pub(crate) fn of_core(
        shared: &Shared,
        core: usize,
        names: &QueueNames,
    ) -> impl Iterator<Item = WorkerLook> {
        let core = shared.core(core);
        core.crew.iter().filter_map(|worker| Self::of(core, worker, names))
    }

    fn of(core: &Core, worker: &Worker, names: &QueueNames) -> Option<WorkerLook> {
        let tid = worker.tid();
        if tid == 0 {
            return None;
        }
        let (stamp, task) = steady(worker, names);
        let phase = stamp.phase();
        let since = worker.observed.since(stamp);
        let position = if core.holder() == worker.index() {
            Position::Holder
        } else if phase == Phase::User || worker.flags.has(Flag::Lost) {
            Position::Lost
        } else {
            Position::Standby
        };
        Some(WorkerLook {
            name: proc::thread_name(tid).unwrap_or_else(|| "(gone)".into()),
            tid,
            position,
            phase,
            task,
            thread: worker.watch().and_then(|watch| watch.look().ok()),
            since: since
                .map(|since| Duration::from_nanos(crate::time::now_ns().saturating_sub(since))),
            is_cpu_intensive: worker.flags.has(Flag::CpuIntensive),
        })
    }

    /// Is it inside of user code?
    pub(crate) fn is_busy(&self) -> bool {
        self.phase == Phase::User
    }
}

/// The epoch of a worker and the task that belongs to it.
fn steady(worker: &Worker, names: &QueueNames) -> (crate::worker::Stamp, Option<Task>) {
    let mut stamp = worker.epoch.load();
    // A worker whose polls are shorter than this loop has nothing to show.
    for _ in 0..8 {
        let id = worker.task();
        let location = worker.location();
        let queue = worker.queue();
        let name = worker.task_name();
        let after = worker.epoch.load();
        if after == stamp {
            let task = id.zip(location).filter(|_| stamp.phase() == Phase::User);
            let queue = queue.and_then(|queue| names.get(queue.0));
            return (stamp, task.map(|(id, location)| Task { id, name, location, queue }));
        }
        stamp = after;
    }
    (stamp, None)
}

impl fmt::Display for WorkerLook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let position = match self.position {
            Position::Holder => "holder",
            Position::Lost => "lost the core",
            Position::Standby => "standby",
        };
        write!(f, "{} (thread {}, {position}): ", self.name, self.tid)?;
        match (self.phase, &self.task) {
            (Phase::Parked, _) => return f.write_str("idle"),
            (Phase::Runtime, _) => return f.write_str("between tasks"),
            (Phase::User, Some(task)) => {
                write!(f, "task {}", task.id)?;
                if let Some(name) = &task.name {
                    write!(f, " {name:?}")?;
                }
                write!(f, " spawned at {}", task.location)?;
                if let Some(queue) = &task.queue {
                    write!(f, " of queue {queue}")?;
                }
            }
            (Phase::User, None) => f.write_str("a hook, waker or other code that is no task")?,
        }
        write_thread(f, self.thread)?;
        if let Some(since) = self.since {
            write!(f, ", for {:.3} s or more", since.as_secs_f64())?;
        }
        if self.is_cpu_intensive {
            f.write_str(", CPU intensive")?;
        }
        Ok(())
    }
}

/// What the kernel says of the thread that is inside of a task.
pub(super) fn write_thread(f: &mut fmt::Formatter<'_>, thread: Option<Look>) -> fmt::Result {
    match thread {
        None | Some(Look::Gone) => Ok(()),
        Some(Look::Running) => f.write_str(", running"),
        Some(Look::Blocked { nr, pc }) => write_call(f, nr, pc),
    }
}

fn write_call(f: &mut fmt::Formatter<'_>, nr: i64, pc: u64) -> fmt::Result {
    match syscall::name(nr) {
        Some(name) => write!(f, ", blocked in {name} (system call {nr}) at {pc:#x}"),
        None if nr < 0 => write!(f, ", blocked in a page fault or the like at {pc:#x}"),
        None => write!(f, ", blocked in system call {nr} at {pc:#x}"),
    }
}

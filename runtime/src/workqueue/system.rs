//! The queues that every runtime has.

use super::Workqueue;
use super::error::BuildError;
use super::queue::Queue;
use crate::runtime::{Handle, Shared};
use std::sync::Arc;

#[derive(Clone, Copy, Debug)]
pub(super) enum System {
    Normal,
    HighPriority,
    Long,
    Unbound,
    Freezable,
    UnboundLong,
    PowerEfficient,
    StandIns,
}

impl System {
    pub(super) const COUNT: usize = 8;
}

fn get(which: System) -> Workqueue {
    let shared = Handle::current().shared;
    shared.assert_not_forked();
    match get_of(which, &shared) {
        Ok(queue) => Workqueue::new(queue),
        Err(error) => panic!("a system workqueue was used for the first time, and {error}"),
    }
}

/// The queue of high priority on which raised tasks of `cmwq::spawn` are hastened.
pub(super) fn for_stand_ins(shared: &Arc<Shared>) -> Result<Arc<Queue>, BuildError> {
    get_of(System::StandIns, shared)
}

fn get_of(which: System, shared: &Arc<Shared>) -> Result<Arc<Queue>, BuildError> {
    if let Some(queue) = shared.queues.system(which) {
        return Ok(queue);
    }
    let builder = Workqueue::builder();
    let builder = match which {
        System::Normal => builder.name("system"),
        System::HighPriority => builder.name("system_highpri").high_priority(),
        System::Long => builder.name("system_long"),
        System::Unbound => builder.name("system_unbound").unbound(),
        System::Freezable => builder.name("system_freezable").freezable(),
        System::UnboundLong => builder.name("system_unbound_long").unbound(),
        System::PowerEfficient => builder.name("system_power_efficient").power_efficient(),
        System::StandIns => builder.name("system_boost").high_priority(),
    };
    // Those on the cores' own pools also of a runtime that shuts down: what is queued is cancelled.
    Ok(shared.queues.keep(which, builder.make(shared)?))
}

/// The bound queue for items that are done soon, as the kernel's `system_percpu_wq`.
///
/// `cmwq::spawn` does not use it: that goes to the runtime's default queue, which has no limit, no
/// order and no flush, and whose tasks may be stolen by idle cores.
///
/// All of the runtime share it, as the other queues of this kind, and no new one is made:
/// [`destroy`](Workqueue::destroy) of one is for good and for the whole runtime. This one is also that of
/// [`work_on_cpu`](super::work_on_cpu) and [`schedule_on_each_cpu`](super::schedule_on_each_cpu), which fail while it is
/// drained, and from its destruction on.
///
/// # Panics
///
/// Outside of a runtime; in a process forked from the one that built it; or if the queue cannot be made
/// at its first use: the operating system refuses what it needs, or the runtime shuts down and the queue
/// is an unbound one or has high priority.
///
/// # Examples
///
/// ```
/// # #[cmwq::main]
/// # async fn main() {
/// let system = cmwq::workqueue::system();
/// assert_eq!(system.spawn(async { 6 * 7 }).await.unwrap(), 42);
/// # }
/// ```
#[track_caller]
pub fn system() -> Workqueue {
    get(System::Normal)
}

/// The bound queue whose workers come before others, as the kernel's `system_highpri_wq`.
///
/// # Panics
///
/// As [`system`].
#[track_caller]
pub fn system_highpri() -> Workqueue {
    get(System::HighPriority)
}

/// The bound queue for items that take long, as the kernel's `system_long_wq`: a flush of
/// [`system`] does not wait for them.
///
/// # Panics
///
/// As [`system`].
#[track_caller]
pub fn system_long() -> Workqueue {
    get(System::Long)
}

/// The unbound queue, as the kernel's `system_dfl_wq`: its workers may use all CPUs.
///
/// # Panics
///
/// As [`system`].
#[track_caller]
pub fn system_unbound() -> Workqueue {
    get(System::Unbound)
}

/// The bound queue that stops while the runtime is frozen, as the kernel's `system_freezable_wq`.
///
/// # Panics
///
/// As [`system`].
#[track_caller]
pub fn system_freezable() -> Workqueue {
    get(System::Freezable)
}

/// The unbound queue for items that take long, as the kernel's `system_dfl_long_wq`: a flush of
/// [`system_unbound`] does not wait for them.
///
/// # Panics
///
/// As [`system`].
#[track_caller]
pub fn system_unbound_long() -> Workqueue {
    get(System::UnboundLong)
}

/// The queue that is unbound where the runtime saves power and bound elsewhere, as the kernel's
/// `system_power_efficient_wq`; see [`Builder::power_efficient`](super::Builder::power_efficient).
///
/// # Panics
///
/// As [`system`].
#[track_caller]
pub fn system_power_efficient() -> Workqueue {
    get(System::PowerEfficient)
}

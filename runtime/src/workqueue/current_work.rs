//! What is being executed on this thread, for logs and reports.

use super::current;
use crate::context;
use crate::dedicated;
use crate::task::Id;
use std::panic::Location;
use std::sync::Arc;

/// The task, work item or dedicated work that the thread is executing; see [`current_work`].
#[derive(Clone, Debug)]
pub struct CurrentWork {
    id: Id,
    queue: Option<Arc<str>>,
    location: Option<&'static Location<'static>>,
}

impl CurrentWork {
    /// The id of the task, [`Work`](crate::Work) or
    /// [`DedicatedWork`](crate::dedicated::DedicatedWork). A work has one for its whole life.
    pub fn id(&self) -> Id {
        self.id
    }

    /// The name of the workqueue or of the dedicated worker; `None` of a task of
    /// [`cmwq::spawn`](crate::spawn) or `spawn_blocking`, which is on no workqueue.
    pub fn queue(&self) -> Option<&str> {
        self.queue.as_deref()
    }

    /// Where the task was spawned or the work made; `None` in a closure of `spawn_blocking`.
    pub fn location(&self) -> Option<&'static Location<'static>> {
        self.location
    }
}

/// What the calling thread is executing: the task, or the closure of a [`Work`](crate::Work) or
/// [`DedicatedWork`](crate::dedicated::DedicatedWork). `None` elsewhere, and in the future of a
/// `block_on`, which is no task, as with [`task::try_id`](crate::task::try_id).
///
/// The kernel's `current_work`, which gives the work itself; here, since a closure that needs its own
/// handle gets it from [`Work::new_cyclic`](crate::Work::new_cyclic), what names it.
///
/// # Examples
///
/// ```
/// use cmwq::{Work, Workqueue, workqueue};
///
/// # #[cmwq::main]
/// # async fn main() -> Result<(), cmwq::workqueue::BuildError> {
/// let queue = Workqueue::builder().name("index").build()?;
/// let (send, mut seen) = cmwq::sync::mpsc::unbounded_channel();
/// let work = Work::new(move || send.send(workqueue::current_work()).unwrap());
/// work.queue(&queue);
/// let current = seen.recv().await.flatten().expect("a work item is being executed");
/// assert_eq!(current.id(), work.id());
/// assert_eq!(current.queue(), Some("index"));
/// # Ok(())
/// # }
/// ```
pub fn current_work() -> Option<CurrentWork> {
    // The closure of a dedicated work takes the task away, and a `block_on` inside of it may run tasks:
    // so a task is the inner one.
    let Some(id) = context::current_task_id() else {
        let work = dedicated::current()?;
        let (queue, location) = (Some(work.worker), Some(work.location));
        return Some(CurrentWork { id: work.id, queue, location });
    };
    let queue = current::with(|current| Some(current?.0.common.name.clone()));
    Some(CurrentWork { id, queue, location: context::current_location() })
}

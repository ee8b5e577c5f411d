//! The handle of per-CPU threads.

use super::error::Error;
use super::group::{self, Group};
use super::registry::{self, Watcher};
use super::thread::Thread;
use std::fmt;
use std::sync::Arc;

/// Threads for each CPU, made by [`Builder::register`](super::Builder::register). Dropping it
/// unregisters.
#[must_use = "dropping it stops the threads"]
pub struct Registration {
    group: Arc<Group>,
    watcher: Arc<Watcher>,
}

impl Registration {
    pub(super) fn new(group: Arc<Group>, watcher: Arc<Watcher>) -> Self {
        Self { group, watcher }
    }

    /// Wakes the thread of a CPU: it asks `should_run` once more, or, without that callback, runs. A
    /// parked thread does so when it is unparked. `false` if there is no thread for that CPU.
    ///
    /// Never blocks for long; callbacks may call it.
    pub fn wake(&self, cpu: usize) -> bool {
        self.group.thread(cpu).inspect(|thread| thread.wake()).is_some()
    }

    /// Wakes all threads.
    pub fn wake_all(&self) {
        self.group.threads().iter().for_each(|thread| thread.wake());
    }

    /// The CPUs that have a thread, lowest first; some may be parked.
    pub fn cpus(&self) -> Vec<usize> {
        self.group.threads().iter().map(|thread| thread.cpu).collect()
    }

    /// Is the thread of this CPU parked, or to be parked? `None` if there is no such thread.
    pub fn is_parked(&self, cpu: usize) -> Option<bool> {
        self.group.thread(cpu).map(|thread| thread.is_parked())
    }

    /// Parks the thread of a CPU, of [`self_parking`](super::Builder::self_parking) ones, and waits until
    /// it is. Called by that thread itself it does not wait: the thread is parked when it returns from
    /// the callback.
    ///
    /// # Errors
    ///
    /// The threads are parked with their CPUs; there is none for this CPU.
    pub fn park(&self, cpu: usize) -> Result<(), Error> {
        self.own(cpu).map(|thread| group::park(&thread))
    }

    /// Unparks the thread of a CPU, of [`self_parking`](super::Builder::self_parking) ones, and waits
    /// until `setup` or `unpark` has returned.
    ///
    /// # Errors
    ///
    /// As [`park`](Self::park).
    ///
    /// # Examples
    ///
    /// ```
    /// let threads = cmwq::percpu::Builder::new("rare").self_parking().register(|_| ())?;
    /// let cpu = threads.cpus()[0];
    /// assert_eq!(threads.is_parked(cpu), Some(true));
    /// threads.unpark(cpu)?;
    /// assert_eq!(threads.is_parked(cpu), Some(false));
    /// # Ok::<(), cmwq::percpu::Error>(())
    /// ```
    pub fn unpark(&self, cpu: usize) -> Result<(), Error> {
        self.own(cpu).map(|thread| group::unpark(&thread))
    }

    /// A thread that the owner parks.
    fn own(&self, cpu: usize) -> Result<Arc<Thread>, Error> {
        if !self.group.is_self_parking {
            return Err(Error::not_self_parking(&self.group.name));
        }
        self.group.thread(cpu).ok_or_else(|| Error::unknown_cpu(&self.group.name, cpu))
    }

    /// Why the process is not told at once of CPUs that go away or come back; `None` if it is.
    ///
    /// Then it is noticed by a thread that wakes up on another CPU than its own, and within a second
    /// that a CPU is back. That is also the rule for a changed affinity or cpuset, which the kernel tells
    /// nobody of; a CPU that was never there before is then noticed with the next event only.
    pub fn hotplug_refusal(&self) -> Option<String> {
        self.watcher.refusal.clone()
    }

    /// Stops the threads of all CPUs, also the parked ones, and waits until they have called `cleanup`
    /// and ended. The same as dropping it.
    ///
    /// Blocks for as long as callbacks last that are under way. Called by one of the threads it does not
    /// wait for that one, which ends when its callback does.
    pub fn unregister(self) {}
}

impl Drop for Registration {
    fn drop(&mut self) {
        registry::unregister(&self.group);
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("name", &self.group.name)
            .field("cpus", &self.cpus())
            .finish_non_exhaustive()
    }
}

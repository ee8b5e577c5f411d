//! Settings and callbacks of per-CPU threads.

use super::callbacks::{Callbacks, OnCpu};
use super::error::Error;
use super::group::Group;
use super::registration::Registration;
use super::registry;
use std::fmt;

/// Builds a [`Registration`]: a thread for each CPU.
///
/// All callbacks get the number of the CPU. They are called by the thread of that CPU, except
/// [`create`](Self::create). They may block, and may be called for several CPUs at once. A panic of a
/// callback is reported by the panic hook and ends there.
///
/// # Examples
///
/// A count for each CPU, that is emptied by a thread on the same CPU.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// let counts: Arc<[AtomicU64]> = (0..1024).map(|_| AtomicU64::new(0)).collect();
/// let total = Arc::new(AtomicU64::new(0));
/// let (full, to_empty, sum) = (counts.clone(), counts.clone(), total.clone());
/// let threads = cmwq::percpu::Builder::new("empty")
///     .should_run(move |cpu| full[cpu].load(Ordering::SeqCst) > 0)
///     .register(move |cpu| {
///         sum.fetch_add(to_empty[cpu].swap(0, Ordering::SeqCst), Ordering::SeqCst);
///     })?;
///
/// for cpu in threads.cpus() {
///     counts[cpu].fetch_add(10, Ordering::SeqCst);
///     threads.wake(cpu);
/// }
/// let expected = 10 * threads.cpus().len() as u64;
/// while total.load(Ordering::SeqCst) < expected {
///     std::thread::yield_now();
/// }
/// threads.unregister();
/// # Ok::<(), cmwq::percpu::Error>(())
/// ```
#[must_use = "nothing exists before register()"]
pub struct Builder {
    name: String,
    is_self_parking: bool,
    stack_size: Option<usize>,
    should_run: Option<Box<dyn Fn(usize) -> bool + Send + Sync>>,
    create: Option<OnCpu>,
    setup: Option<OnCpu>,
    cleanup: Option<Box<dyn Fn(usize, bool) + Send + Sync>>,
    park: Option<OnCpu>,
    unpark: Option<OnCpu>,
}

impl Builder {
    /// Threads with this name, a slash and the number of their CPU. Linux keeps 15 bytes; of a longer
    /// name the end is left out, not of the number.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            is_self_parking: false,
            stack_size: None,
            should_run: None,
            create: None,
            setup: None,
            cleanup: None,
            park: None,
            unpark: None,
        }
    }

    /// Is there something to do on this CPU? Asked by the thread of the CPU after each wake, after each
    /// run, and when it becomes active. Should be fast.
    ///
    /// Without this callback, the default, the thread runs once for one wake or several. (The kernel
    /// demands the callback.)
    pub fn should_run(mut self, f: impl Fn(usize) -> bool + Send + Sync + 'static) -> Self {
        self.should_run = Some(Box::new(f));
        self
    }

    /// Called after a thread was made, while it is parked, before all its other callbacks; not by the
    /// thread itself, but by the one that registers, or by the one that watches the CPUs.
    pub fn create(mut self, f: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.create = Some(Box::new(f));
        self
    }

    /// Called when the thread becomes active for the first time; [`unpark`](Self::unpark) is not called
    /// then.
    pub fn setup(mut self, f: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.setup = Some(Box::new(f));
        self
    }

    /// Called before the thread ends, if `setup` was called, or would have been; also if it is parked,
    /// and then without `unpark` before. The second argument says whether the process can use the CPU.
    pub fn cleanup(mut self, f: impl Fn(usize, bool) + Send + Sync + 'static) -> Self {
        self.cleanup = Some(Box::new(f));
        self
    }

    /// Called when an active thread is to be parked: its CPU goes away. A callback that is under way
    /// ends first; until then no other thread is parked or unparked.
    ///
    /// In the kernel that is done while the CPU still works. A program hears of it afterwards: the
    /// thread has been moved to another CPU.
    pub fn park(mut self, f: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.park = Some(Box::new(f));
        self
    }

    /// Called when a thread that was parked becomes active again: its CPU is back, and the thread is on
    /// it.
    pub fn unpark(mut self, f: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.unpark = Some(Box::new(f));
        self
    }

    /// The threads are not parked and unparked with their CPUs, but by [`Registration::park`],
    /// [`Registration::unpark`] and [`park_current`](super::park_current). They begin parked.
    pub fn self_parking(mut self) -> Self {
        self.is_self_parking = true;
        self
    }

    /// Bytes of stack that each thread gets. Default: as `std::thread`.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Makes a thread for each CPU that the process can use, and waits until all have called `setup`,
    /// unless they are [`self_parking`](Self::self_parking). `run` is called while there is something
    /// to do; see [`should_run`](Self::should_run).
    ///
    /// Blocks the calling thread until then.
    ///
    /// A CPU that becomes usable later gets its thread then. Which CPUs the process can use is found out
    /// with the affinity of the calling thread (inside of a cmwq runtime: of the thread that built it),
    /// if there is no other registration at the time. Needs no runtime.
    ///
    /// # Errors
    ///
    /// The name is empty or contains a NUL; the operating system refused a thread or a descriptor.
    /// What was made is stopped again, with `cleanup` where `setup` was called.
    pub fn register(
        self,
        run: impl Fn(usize) + Send + Sync + 'static,
    ) -> Result<Registration, Error> {
        if self.name.is_empty() || self.name.contains('\0') {
            return Err(Error::name(&self.name));
        }
        let callbacks = Callbacks {
            should_run: self.should_run,
            run: Box::new(run),
            create: self.create,
            setup: self.setup,
            cleanup: self.cleanup,
            park: self.park,
            unpark: self.unpark,
        };
        let group = Group::new(self.name, self.is_self_parking, self.stack_size, callbacks);
        let (group, watcher) = crate::unpinned(|| registry::register(group))?;
        Ok(Registration::new(group, watcher))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("self_parking", &self.is_self_parking)
            .field("stack_size", &self.stack_size)
            .finish_non_exhaustive()
    }
}

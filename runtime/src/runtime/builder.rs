//! Settings of a runtime.

use super::config::{Config, Hook, Hooks, Naming, UnhandledPanic};
use super::error::BuildError;
use super::{Runtime, build};
use crate::detect::Detector;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Are the workers pinned to CPUs?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Pin {
    /// Pinned if no other runtime of the process is pinned, and either CPUs were asked for by
    /// [`Builder::cpus`], or the runtime has as many cores as the process may use CPUs and no cgroup
    /// quota is smaller.
    #[default]
    Auto,
    /// Pinned. With fewer CPUs than cores several cores share one.
    Always,
    /// Not pinned; the idle detector is then refused.
    Never,
}

/// The default of `max_blocking_threads`, which is tokio's.
const MAX_BLOCKING_THREADS: usize = 512;

/// Makes a [`Runtime`]. Names and meanings are tokio's where tokio has the same thing.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// let runtime = cmwq::runtime::Builder::new_multi_thread()
///     .worker_threads(2)
///     .thread_name("service")
///     .cpu_intensive_threshold(Duration::from_millis(5))
///     .enable_all()
///     .build()?;
/// assert_eq!(runtime.block_on(async { 6 * 7 }), 42);
/// # Ok::<(), cmwq::runtime::BuildError>(())
/// ```
#[derive(Clone)]
pub struct Builder {
    pub(super) current_thread: bool,
    pub(super) cores: Option<usize>,
    pub(super) cpus: Option<Vec<usize>>,
    pub(super) pin: Pin,
    pub(super) detector: Detector,
    pub(super) max_workers_per_core: Option<usize>,
    pub(super) cpu_intensive_threshold: Duration,
    pub(super) timer_granularity: Duration,
    pub(super) event_interval: u32,
    pub(super) global_queue_interval: u32,
    pub(super) watchdog: Duration,
    pub(super) keep_alive: Duration,
    pub(super) stack_size: usize,
    pub(super) naming: Naming,
    pub(super) hooks: Hooks,
    pub(super) max_blocking_threads: Option<usize>,
    pub(super) unhandled_panic: UnhandledPanic,
    pub(super) power_efficient: Option<bool>,
    #[cfg(feature = "test-util")]
    pub(super) start_paused: bool,
}

impl Builder {
    fn new(current_thread: bool) -> Self {
        Self {
            current_thread,
            cores: None,
            cpus: None,
            pin: Pin::Auto,
            detector: Detector::Auto,
            max_workers_per_core: None,
            cpu_intensive_threshold: Duration::from_millis(10),
            timer_granularity: Duration::from_micros(16),
            event_interval: 61,
            global_queue_interval: 8,
            watchdog: Duration::from_secs(30),
            keep_alive: Duration::from_secs(10),
            stack_size: 2 << 20,
            naming: Naming::Kernel,
            hooks: Hooks::default(),
            max_blocking_threads: None,
            unhandled_panic: UnhandledPanic::Ignore,
            power_efficient: None,
            #[cfg(feature = "test-util")]
            start_paused: false,
        }
    }

    /// A runtime with one pool of workers per core.
    pub fn new_multi_thread() -> Self {
        Self::new(false)
    }

    /// A runtime of one core, which the thread in `block_on` holds. Tasks run only while some thread
    /// is in `block_on`.
    ///
    /// Where it differs from tokio: when a task blocks, another thread takes the core over, so tasks
    /// may run on other threads than the caller's. They are `Send` in any case. The future of
    /// `block_on` stays on its thread: if that one runs a task that blocks, it waits for the task, as
    /// with tokio. On a multi-thread runtime it does not.
    pub fn new_current_thread() -> Self {
        Self::new(true)
    }

    /// How many cores the runtime has, up to 8192: that many tasks are polled at once while nothing
    /// blocks. Default: `std::thread::available_parallelism()`.
    ///
    /// Threads are more: each core has standbys. See
    /// [`max_workers_per_core`](Self::max_workers_per_core).
    ///
    /// With another number than the process may use CPUs the workers are not pinned ([`Pin::Auto`]):
    /// others may use the CPUs that they leave free, and pinned workers could not move away. The detector
    /// is then [`Monitor`](Detector::Monitor), which notices a block later than
    /// [`Idle`](Detector::Idle). [`Pin::Always`] pins all the same, to the first CPUs that the process
    /// may use, and [`cpus`](Self::cpus) to those that it names.
    ///
    /// # Examples
    ///
    /// ```
    /// use cmwq::runtime::{Builder, Pin};
    ///
    /// let runtime = Builder::new_multi_thread().worker_threads(1).pin(Pin::Always).build()?;
    /// assert!(runtime.metrics().is_pinned());
    /// # Ok::<(), cmwq::runtime::BuildError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If `cores` is 0.
    #[track_caller]
    pub fn worker_threads(&mut self, cores: usize) -> &mut Self {
        assert!(cores > 0, "worker_threads(0): a runtime needs at least one core");
        self.cores = Some(cores);
        self
    }

    /// The CPUs to pin to, one core each, in this order. They contradict [`Pin::Never`]. With
    /// [`Pin::Auto`] the runtime is not pinned, and may use all CPUs, where another one of the process
    /// is pinned already; [`Pin::Always`] pins it in any case.
    pub fn cpus(&mut self, cpus: impl IntoIterator<Item = usize>) -> &mut Self {
        self.cpus = Some(cpus.into_iter().collect());
        self
    }

    /// Whether workers are pinned. Default: [`Pin::Auto`].
    pub fn pin(&mut self, pin: Pin) -> &mut Self {
        self.pin = pin;
        self
    }

    /// How blocked tasks are noticed. Default: [`Detector::Auto`]. The environment variable
    /// `CMWQ_DETECTOR` has the last word, unless it is empty.
    pub fn detector(&mut self, detector: Detector) -> &mut Self {
        self.detector = detector;
        self
    }

    /// The most worker threads that one core may have, blocked ones included. Default: 256, or less
    /// where `RLIMIT_NPROC` or the cgroup's `pids.max` divided by the cores is lower, or
    /// [`max_blocking_threads`](Self::max_blocking_threads) is set lower.
    ///
    /// At the cap nothing is lost: tasks wait until a blocked one returns.
    pub fn max_workers_per_core(&mut self, workers: usize) -> &mut Self {
        self.max_workers_per_core = Some(workers);
        self
    }

    /// How much CPU time one poll may use before its core is given to another worker. Default: 10 ms.
    /// For each worker of the core that is over it already, the next one may use as much in addition.
    ///
    /// The polls are looked at from time to time, every 4 ms or more often. With zero each poll is over
    /// it that is seen at two looks, however little it uses. A time that no poll reaches, such as
    /// [`Duration::MAX`], turns the rule off; with [`Detector::Off`] it is off in any case.
    pub fn cpu_intensive_threshold(&mut self, cpu_time: Duration) -> &mut Self {
        self.cpu_intensive_threshold = cpu_time;
        self
    }

    /// Timers that are due within this time of each other may fire together. Default: 16 us; zero
    /// gives each its own wakeup. No timer fires early.
    pub fn timer_granularity(&mut self, granularity: Duration) -> &mut Self {
        self.timer_granularity = granularity;
        self
    }

    /// I/O and timers are always there: accepted for tokio's sake.
    pub fn enable_all(&mut self) -> &mut Self {
        self
    }

    /// I/O is always there: accepted for tokio's sake.
    pub fn enable_io(&mut self) -> &mut Self {
        self
    }

    /// Timers are always there: accepted for tokio's sake.
    pub fn enable_time(&mut self) -> &mut Self {
        self
    }

    /// One name for all worker threads, without a NUL. Default: `cmwq/CPU:INDEX`, as the kernel names
    /// its own.
    pub fn thread_name(&mut self, name: impl Into<String>) -> &mut Self {
        self.naming = Naming::Fixed(name.into());
        self
    }

    /// A function that makes up names of worker threads. It is called ahead, by threads that start.
    /// Where it panics in such a thread or returns a name with a NUL, a thread is called `cmwq-worker`.
    pub fn thread_name_fn(&mut self, f: impl Fn() -> String + Send + Sync + 'static) -> &mut Self {
        self.naming = Naming::Made(Arc::new(f));
        self
    }

    /// Stack size of worker and blocking threads in bytes, 128 KiB or more. Default: 2 MiB, of which
    /// only what is used is memory.
    pub fn thread_stack_size(&mut self, bytes: usize) -> &mut Self {
        self.stack_size = bytes;
        self
    }

    /// How long a thread that is not needed stays. Default: 10 s.
    pub fn thread_keep_alive(&mut self, duration: Duration) -> &mut Self {
        self.keep_alive = duration;
        self
    }

    /// After this time a pool that has work, and has started none, is reported: once per stall, as an
    /// event of target `cmwq` at level error, with what each of its workers runs and in which system
    /// call it is blocked. Default: 30 s, as in the kernel; zero turns it off.
    ///
    /// It takes all workers that a core may have to be blocked at once for a pool to stall: see
    /// [`max_workers_per_core`](Self::max_workers_per_core).
    /// [`stall_reports_count`](super::RuntimeMetrics::stall_reports_count) counts the reports.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let runtime = cmwq::runtime::Builder::new_multi_thread()
    ///     .watchdog(Duration::from_secs(5))
    ///     .build()?;
    /// assert_eq!(runtime.metrics().stall_reports_count(), 0);
    /// # Ok::<(), cmwq::runtime::BuildError>(())
    /// ```
    pub fn watchdog(&mut self, period: Duration) -> &mut Self {
        self.watchdog = period;
        self
    }

    /// The most threads for blocking work. Default: 512.
    ///
    /// Where it differs from tokio: here blocking work is done in two places. The number caps the threads
    /// of `spawn_blocking`; and if [`max_workers_per_core`](Self::max_workers_per_core) is not set it
    /// bounds the workers too, to a holder and a standby for each core and `threads` divided by the
    /// cores, rounded up, in addition. It never raises the default of `max_workers_per_core`.
    ///
    /// At the cap closures and tasks wait, as in tokio's queue.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut builder = cmwq::runtime::Builder::new_multi_thread();
    /// let runtime = builder.worker_threads(2).max_blocking_threads(16).build()?;
    /// // A holder, a standby, and half of the 16.
    /// assert_eq!(runtime.metrics().max_workers_per_core(), 10);
    /// # Ok::<(), cmwq::runtime::BuildError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If `threads` is 0.
    #[track_caller]
    pub fn max_blocking_threads(&mut self, threads: usize) -> &mut Self {
        assert!(threads > 0, "max_blocking_threads(0): spawn_blocking needs at least one thread");
        self.max_blocking_threads = Some(threads);
        self
    }

    /// Called by each worker and blocking thread when it starts; not by those that call `block_on`.
    ///
    /// # Examples
    ///
    /// What is spawned may use tokio's runtime (crate `tokio`, feature `rt-multi-thread`):
    ///
    /// ```ignore
    /// let handle = tokio.handle().clone();
    /// builder.on_thread_start(move || std::mem::forget(handle.enter()));
    /// ```
    pub fn on_thread_start(&mut self, f: impl Fn() + Send + Sync + 'static) -> &mut Self {
        self.hooks.on_start = Some(hook(f));
        self
    }

    /// Called by each worker and blocking thread before it ends.
    pub fn on_thread_stop(&mut self, f: impl Fn() + Send + Sync + 'static) -> &mut Self {
        self.hooks.on_stop = Some(hook(f));
        self
    }

    /// Called by a core's holder before it sleeps, which it does not if something has come meanwhile.
    pub fn on_thread_park(&mut self, f: impl Fn() + Send + Sync + 'static) -> &mut Self {
        self.hooks.on_park = Some(hook(f));
        self
    }

    /// Called by a core's holder after it slept, or did not after all: once for each call of
    /// [`on_thread_park`](Self::on_thread_park), on the same thread.
    pub fn on_thread_unpark(&mut self, f: impl Fn() + Send + Sync + 'static) -> &mut Self {
        self.hooks.on_unpark = Some(hook(f));
        self
    }

    /// How many polls a core makes between looks at its I/O and timers. Default: 61. Where polls are so
    /// short that 20 us have not passed since its last look at the I/O, that is left out.
    ///
    /// # Panics
    ///
    /// If `polls` is 0.
    #[track_caller]
    pub fn event_interval(&mut self, polls: u32) -> &mut Self {
        assert!(polls > 0, "event_interval(0): the interval is a number of polls, at least 1");
        self.event_interval = polls;
        self
    }

    /// How many polls a core makes between looks at the tasks woken from outside, while it has tasks
    /// of its own. Default: 8.
    ///
    /// # Panics
    ///
    /// If `polls` is 0.
    #[track_caller]
    pub fn global_queue_interval(&mut self, polls: u32) -> &mut Self {
        assert!(polls > 0, "global_queue_interval(0): it is a number of polls, at least 1");
        self.global_queue_interval = polls;
        self
    }

    /// What follows from a task that panics. Default: [`UnhandledPanic::Ignore`].
    pub fn unhandled_panic(&mut self, behavior: UnhandledPanic) -> &mut Self {
        self.unhandled_panic = behavior;
        self
    }

    /// Whether [power-efficient](crate::workqueue::Builder::power_efficient) workqueues are unbound
    /// instead of bound, as the kernel's boot parameter `workqueue.power_efficient`. Without it the
    /// environment variable `CMWQ_POWER_EFFICIENT` decides, which is 0 or 1; by default they are
    /// bound.
    pub fn power_efficient(&mut self, power_efficient: bool) -> &mut Self {
        self.power_efficient = Some(power_efficient);
        self
    }

    /// Begins with the clock paused; see [`time::pause`](crate::time::pause).
    #[cfg(feature = "test-util")]
    pub fn start_paused(&mut self, paused: bool) -> &mut Self {
        self.start_paused = paused;
        self
    }

    /// Builds the runtime. Inside of a task, which may have one CPU, it gets what the process has, as in
    /// [`unpinned`](crate::unpinned).
    ///
    /// # Errors
    ///
    /// Settings contradict each other or are impossible; a detector was asked for by name (here or in
    /// `CMWQ_DETECTOR`) that is unknown or that the process may not use; `CMWQ_POWER_EFFICIENT` is
    /// needed and neither 0 nor 1; the OS refused a thread or a descriptor.
    pub fn build(&mut self) -> Result<Runtime, BuildError> {
        // Or, in a task, it would get the one CPU of the worker.
        crate::unpinned::unpinned_if_ours(|| build::build(self))
    }

    pub(super) fn config(&self, power_efficient: bool) -> Config {
        Config {
            event_interval: self.event_interval,
            global_queue_interval: self.global_queue_interval,
            cpu_intensive_ns: self.cpu_intensive_threshold.as_nanos().min(u64::MAX.into()) as u64,
            watchdog_ns: self.watchdog.as_nanos().min(u64::MAX.into()) as u64,
            keep_alive: self.keep_alive,
            stack_size: self.stack_size,
            naming: self.naming.clone(),
            hooks: self.hooks.clone(),
            max_blocking_threads: self.max_blocking_threads.unwrap_or(MAX_BLOCKING_THREADS),
            unhandled_panic: self.unhandled_panic,
            current_thread: self.current_thread,
            power_efficient,
        }
    }
}

fn hook(f: impl Fn() + Send + Sync + 'static) -> Hook {
    Arc::new(f)
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("current_thread", &self.current_thread)
            .field("worker_threads", &self.cores)
            .field("cpus", &self.cpus)
            .field("pin", &self.pin)
            .field("detector", &self.detector)
            .field("max_workers_per_core", &self.max_workers_per_core)
            .field("cpu_intensive_threshold", &self.cpu_intensive_threshold)
            .field("max_blocking_threads", &self.max_blocking_threads)
            .field("watchdog", &self.watchdog)
            .field("timer_granularity", &self.timer_granularity)
            .finish_non_exhaustive()
    }
}

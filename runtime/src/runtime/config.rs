//! What the builder has decided.

use std::sync::Arc;
use std::time::Duration;

/// Code of the user's that the runtime calls; in phase *user*, and a panic ends there.
pub(crate) type Hook = Arc<dyn Fn() + Send + Sync>;

#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) on_start: Option<Hook>,
    pub(crate) on_stop: Option<Hook>,
    pub(crate) on_park: Option<Hook>,
    pub(crate) on_unpark: Option<Hook>,
}

/// What names the threads.
#[derive(Clone)]
pub(crate) enum Naming {
    /// `cmwq/CPU:INDEX`, as the kernel names its workers.
    Kernel,
    Fixed(String),
    Made(Arc<dyn Fn() -> String + Send + Sync>),
}

pub(crate) struct Config {
    /// Polls between looks at timers and I/O.
    pub(crate) event_interval: u32,
    /// Polls between looks at the inject list before the local queue.
    pub(crate) global_queue_interval: u32,
    pub(crate) cpu_intensive_ns: u64,
    /// Without progress for this long a pool with work is reported; 0 for never.
    pub(crate) watchdog_ns: u64,
    pub(crate) keep_alive: Duration,
    pub(crate) stack_size: usize,
    pub(crate) naming: Naming,
    pub(crate) hooks: Hooks,
    pub(crate) max_blocking_threads: usize,
    pub(crate) unhandled_panic: UnhandledPanic,
    /// A runtime of one core that is held by the thread in `block_on`.
    pub(crate) current_thread: bool,
    /// Are power-efficient workqueues unbound?
    pub(crate) power_efficient: bool,
}

/// What follows from a task that panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum UnhandledPanic {
    /// Its `JoinHandle` reports it; nothing else.
    #[default]
    Ignore,
    /// The runtime shuts down, and `block_on` panics.
    ShutdownRuntime,
}

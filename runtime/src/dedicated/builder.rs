//! Settings of a dedicated worker.

use super::error::WorkerError;
use super::shared::Shared;
use super::worker::DedicatedWorker;
use crate::sys::affinity::NoSuchCpu;
use std::fmt;
use std::sync::Arc;

/// Nice values, and priorities of `SCHED_FIFO`.
const NICE: std::ops::RangeInclusive<i32> = -20..=19;
const REALTIME: std::ops::RangeInclusive<u8> = 1..=99;

/// Builds a [`DedicatedWorker`].
///
/// # Examples
///
/// ```
/// use cmwq::dedicated::DedicatedWorker;
///
/// let worker = DedicatedWorker::builder().name("audio").realtime(10).build()?;
/// let granted = worker.granted().expect("a thread serves it");
/// if let Some(reason) = granted.refused() {
///     eprintln!("at normal priority: {reason}");
/// }
///
/// let error = DedicatedWorker::builder().cpu(0).node(0).build().unwrap_err();
/// assert!(error.is_invalid_config());
/// # Ok::<(), cmwq::dedicated::WorkerError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "nothing exists before build()"]
pub struct Builder {
    name: Option<String>,
    cpu: Option<usize>,
    node: Option<usize>,
    cpus: Option<Vec<usize>>,
    nice: Option<i32>,
    realtime: Option<u8>,
    stack_size: Option<usize>,
    without_thread: bool,
}

/// Settings that agree with each other.
pub(super) struct Settings {
    pub(super) name: Arc<str>,
    pub(super) place: Option<Place>,
    pub(super) nice: i32,
    pub(super) realtime: Option<u8>,
    pub(super) stack_size: Option<usize>,
}

/// Where the thread runs.
pub(super) enum Place {
    Cpu(usize),
    Node(usize),
    Cpus(Vec<usize>),
}

/// As the builder was told.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu(cpu) => write!(f, "cpu({cpu})"),
            Self::Node(node) => write!(f, "node({node})"),
            Self::Cpus(cpus) => write!(f, "cpus({cpus:?})"),
        }
    }
}

impl Builder {
    /// A name, for reports and for the thread, of which Linux shows the first 15 bytes. By default
    /// `cmwq/dedicated`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The thread is pinned to one CPU, as by `kthread_run_worker_on_cpu`. Threads and processes that
    /// a closure makes inherit that, unless inside of [`unpinned`](crate::unpinned).
    pub fn cpu(mut self, cpu: usize) -> Self {
        self.cpu = Some(cpu);
        self
    }

    /// The thread runs on the CPUs of a NUMA node that the process may use. (`kthread_run_worker_on_node`
    /// only allocates the thread's memory there, since kernel threads are placed by other means.)
    pub fn node(mut self, node: usize) -> Self {
        self.node = Some(node);
        self
    }

    /// The thread runs on these CPUs; those that do not exist are left out.
    pub fn cpus(mut self, cpus: impl IntoIterator<Item = usize>) -> Self {
        self.cpus = Some(cpus.into_iter().collect());
        self
    }

    /// What is added to the nice value that the process had, from -20 to 19. Less than 0 takes
    /// CAP_SYS_NICE or RLIMIT_NICE; where those are missing the thread gets the lowest value that it
    /// may have, and [`Granted::refused`](super::Granted::refused) says so.
    pub fn nice(mut self, nice: i32) -> Self {
        self.nice = Some(nice);
        self
    }

    /// The thread runs before all normal threads, by policy `SCHED_FIFO` with a priority from 1 to 99.
    /// Threads and processes that a closure makes do not inherit it.
    ///
    /// It takes CAP_SYS_NICE or RLIMIT_RTPRIO, and in some cgroups a share of real-time runtime. Where
    /// it is refused the thread is a normal one with its [`nice`](Self::nice) value,
    /// [`Granted::refused`](super::Granted::refused) says why, and a `tracing` event at level `WARN`
    /// too.
    ///
    /// A closure that does not block stops everything else on its CPU, the threads of a runtime
    /// included. The worker's lock has no priority inheritance: who queues holds it for some hundred
    /// nanoseconds, longer where the thread is preempted meanwhile.
    pub fn realtime(mut self, priority: u8) -> Self {
        self.realtime = Some(priority);
        self
    }

    /// The size of the thread's stack in bytes. By default that of `std`, 2 MiB.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// The worker gets no thread: it collects works until [`DedicatedWorker::start`] makes one, or
    /// [`DedicatedWorker::run`] gives it one.
    pub fn without_thread(mut self) -> Self {
        self.without_thread = true;
        self
    }

    /// Builds the worker, and waits until its thread has begun. No runtime is needed; inside of one, the
    /// thread does not inherit what its workers have (their CPU, slack and nice value).
    ///
    /// # Errors
    ///
    /// Settings contradict each other or are impossible, or the operating system refuses the thread or
    /// its CPUs. A refused priority is no error; see [`realtime`](Self::realtime).
    pub fn build(self) -> Result<DedicatedWorker, WorkerError> {
        let has_thread = !self.without_thread;
        let shared = Shared::new(self.settings()?);
        let worker = DedicatedWorker::new(shared);
        if has_thread {
            worker.start()?;
        }
        Ok(worker)
    }

    fn settings(self) -> Result<Settings, WorkerError> {
        let error = |message: String| Err(WorkerError::config(message));
        let name = self.name.unwrap_or_else(|| "cmwq/dedicated".into());
        if name.contains('\0') {
            return error(format!("name({name:?}): the name of a thread has no NUL in it"));
        }
        if let Some(nice) = self.nice.filter(|nice| !NICE.contains(nice)) {
            return error(format!("nice({nice}): nice values go from -20 to 19"));
        }
        if let Some(priority) = self.realtime.filter(|priority| !REALTIME.contains(priority)) {
            return error(format!("realtime({priority}): real-time priorities go from 1 to 99"));
        }
        let named = self.cpu.iter().chain(self.cpus.iter().flatten());
        if let Some(wrong) = NoSuchCpu::among(named.copied()) {
            return error(wrong.to_string());
        }
        let place = match (self.cpu, self.node, self.cpus) {
            (None, None, None) => None,
            (Some(cpu), None, None) => Some(Place::Cpu(cpu)),
            (None, Some(node), None) => Some(Place::Node(node)),
            (None, None, Some(cpus)) if cpus.is_empty() => {
                let why = "the thread could run nowhere; leave it out for all CPUs";
                return error(format!("cpus(..) with no CPU: {why}"));
            }
            (None, None, Some(cpus)) => Some(Place::Cpus(cpus)),
            _ => {
                let why = "each says where the thread runs; choose one";
                return error(format!(
                    "cpu(..), node(..) and cpus(..) contradict each other: {why}"
                ));
            }
        };
        Ok(Settings {
            name: name.into(),
            place,
            nice: self.nice.unwrap_or(0),
            realtime: self.realtime,
            stack_size: self.stack_size,
        })
    }
}

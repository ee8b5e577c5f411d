//! The attributes of an unbound queue: which workers serve it.

use super::Scope;
use crate::sys::affinity::{CpuSet, MAX_CPUS, NoSuchCpu};

/// Which workers serve an unbound queue; see [`Workqueue::set_attrs`](super::Workqueue::set_attrs).
/// Queues with equal attributes share their pools.
///
/// # Examples
///
/// ```
/// use cmwq::workqueue::{Attrs, Scope};
///
/// # #[cmwq::main]
/// # async fn main() -> Result<(), cmwq::workqueue::BuildError> {
/// let queue = cmwq::Workqueue::builder().unbound().build()?;
/// queue.set_attrs(Attrs::new().scope(Scope::Numa).nice(5))?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "attributes do nothing before they are set"]
pub struct Attrs {
    pub(super) nice: i32,
    pub(super) cpus: Option<CpuSet>,
    /// A number among those of `cpus` that is not in the set; never of a queue.
    pub(super) wrong_cpu: Option<NoSuchCpu>,
    pub(super) scope: Scope,
    pub(super) strict: bool,
}

impl Default for Attrs {
    fn default() -> Self {
        Self::new()
    }
}

impl Attrs {
    /// Nice 0, all CPUs, one pool per [`Scope::CacheShard`], not strict.
    pub fn new() -> Self {
        Self { nice: 0, cpus: None, wrong_cpu: None, scope: Scope::CacheShard, strict: false }
    }

    /// What is added to the nice value that the thread had which built the runtime, from -20 to 19.
    /// Less than 0 takes CAP_SYS_NICE or RLIMIT_NICE; where those are missing the workers get the
    /// lowest value that they may have. [`dump`](super::dump()) says which, and the first time a warning of
    /// `tracing`.
    pub fn nice(mut self, nice: i32) -> Self {
        self.nice = nice;
        self
    }

    /// The CPUs that the workers may use. Those that the process may not use are left out; if none is
    /// left, all that it may use are meant, as in the kernel, except for the isolated ones. Those
    /// (`isolcpus=`, isolated cpusets) are used only where they are asked for here. Numbers from 65,536
    /// on are an error where the attributes are set.
    pub fn cpus(mut self, cpus: impl IntoIterator<Item = usize>) -> Self {
        let cpus: Vec<usize> = cpus.into_iter().collect();
        self.wrong_cpu = NoSuchCpu::among(cpus.iter().copied());
        self.cpus = Some(cpus.into_iter().filter(|&cpu| cpu < MAX_CPUS).collect());
        self
    }

    /// How the CPUs are grouped: one pool per group.
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Are workers confined to the CPUs of their group? Those of a queue that is not strict may use
    /// all CPUs of the queue: they are put back into their group when they are woken for work, and
    /// the scheduler may move them later, to where a CPU is idle. As in the kernel, except that a
    /// worker which finds itself elsewhere moves itself, by two system calls.
    ///
    /// Strict keeps caches warm and gives away what idle CPUs outside of the group could do.
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }
}

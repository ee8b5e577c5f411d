//! Settings of a workqueue.

use super::attrs::Attrs;
use super::error::BuildError;
use super::handle::Workqueue;
use super::nodes::Limits;
use super::queue::{Flags, Queue};
use super::slots::DEFAULT_WORK;
use super::{NICE, Scope};
use crate::pool::RescuerHold;
use crate::runtime::{Handle, Shared};
use std::sync::Arc;

/// Settings that agree with each other.
pub(super) struct Settings {
    pub(super) name: String,
    pub(super) flags: Flags,
    pub(super) limits: Limits,
    pub(super) attrs: Attrs,
    pub(super) rescuer: Option<RescuerHold>,
}

/// Builds a [`Workqueue`].
///
/// Settings may be given in any order; [`build`](Self::build) checks that they agree.
///
/// # Examples
///
/// ```
/// # #[cmwq::main]
/// # async fn main() -> Result<(), cmwq::workqueue::BuildError> {
/// let queue = cmwq::Workqueue::builder().name("images").max_active(2).build()?;
/// let sum = queue.spawn(async { 1 + 2 }).await.unwrap();
/// assert_eq!(sum, 3);
///
/// let error = cmwq::Workqueue::builder().ordered().max_active(2).build().unwrap_err();
/// assert!(error.is_invalid_config());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "nothing exists before build()"]
pub struct Builder {
    name: Option<String>,
    bound: bool,
    unbound: bool,
    ordered: bool,
    high_priority: bool,
    cpu_intensive: bool,
    reclaim: bool,
    freezable: bool,
    power_efficient: bool,
    max_active: Option<usize>,
    min_active: Option<usize>,
    nice: Option<i32>,
    cpus: Option<Vec<usize>>,
    scope: Option<Scope>,
    strict: Option<bool>,
}

impl Builder {
    /// A name, for reports and for the threads that belong to the queue alone.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Items run on the CPU on which they are queued, or that is asked for. This is the default.
    pub fn bound(mut self) -> Self {
        self.bound = true;
        self
    }

    /// Items run on any CPU of the pool that serves the queue; see [`scope`](Self::scope).
    pub fn unbound(mut self) -> Self {
        self.unbound = true;
        self
    }

    /// One item at a time in the order of queueing, each over its whole life: a future that awaits
    /// holds the next one back. An ordered queue is unbound.
    pub fn ordered(mut self) -> Self {
        self.ordered = true;
        self
    }

    /// How many items may be in progress at a time: futures from their first poll to completion,
    /// work items from activation to the end of the execution, both counted together. The others wait
    /// in order. On a bound queue the limit holds per CPU, on an unbound one for the whole system,
    /// shared out over NUMA nodes by their CPUs.
    ///
    /// Where it differs from the kernel: without it futures have no limit, since a future that
    /// awaits occupies nobody. Work items then have the kernel's limit of 1024. In no case are more
    /// than 2048 work items in progress. 0, which is the default in the kernel, is an error here:
    /// leave `max_active` out.
    pub fn max_active(mut self, max: usize) -> Self {
        self.max_active = Some(max);
        self
    }

    /// The least part of `max_active` that a NUMA node gets, on an unbound queue; by default 8, or
    /// `max_active` where that is less. The parts may add up to more than `max_active`.
    pub fn min_active(mut self, min: usize) -> Self {
        self.min_active = Some(min);
        self
    }

    /// Workers of high priority run the items, before and instead of others where the process may
    /// raise priorities.
    ///
    /// While an item of such a queue polls the `JoinHandle` of a normal one or of a task of
    /// [`cmwq::spawn`](crate::spawn), or flushes a work item, that one inherits the priority, and so
    /// does what it awaits itself in this way; an inactive one keeps its place, and those in front of
    /// it are hastened. It ends with the handle, or when another task polls it. A task of `cmwq::spawn`
    /// may be polled once more than it was woken when it inherits. A flush of a whole queue hastens all
    /// that is in it until it is over, what is queued meanwhile too. Not covered, since nobody can tell
    /// who is waited for: waits through channels, mutexes and other primitives. The kernel's
    /// workqueues inherit nothing.
    pub fn high_priority(mut self) -> Self {
        self.high_priority = true;
        self
    }

    /// The nice value of the workers of an unbound queue, -20 to 19; see [`Attrs::nice`].
    pub fn nice(mut self, nice: i32) -> Self {
        self.nice = Some(nice);
        self
    }

    /// The CPUs of an unbound queue; see [`Attrs::cpus`].
    pub fn cpus(mut self, cpus: impl IntoIterator<Item = usize>) -> Self {
        self.cpus = Some(cpus.into_iter().collect());
        self
    }

    /// How the CPUs of an unbound queue are grouped into pools; by default
    /// [`Scope::CacheShard`].
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scope = Some(scope);
        self
    }

    /// Are the workers of an unbound queue confined to the CPUs of their group? By default they are
    /// not; see [`Attrs::strict`].
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = Some(strict);
        self
    }

    /// Items of a bound queue use much CPU time: others of their CPU do not wait for them, as the
    /// core is handed over before each poll. On an unbound queue it has no effect.
    pub fn cpu_intensive(mut self) -> Self {
        self.cpu_intensive = true;
        self
    }

    /// The queue goes on when no thread can be made, for work on which others have to wait: writing
    /// what occupies memory, finishing what holds a connection or a lock.
    ///
    /// It gets a thread of its own, the *rescuer* (`cmwq/R-name`), made by [`build`](Self::build).
    /// When work of the queue has waited for 10 ms in a pool all of whose workers are inside tasks
    /// that block or burn, and no further worker can be made (`max_workers_per_core`, RLIMIT_NPROC,
    /// `pids.max`, memory), the rescuer polls what the queue has there, one item at a time, and
    /// drives the timers and sockets of the pool, until a worker is free again. With
    /// [`Detector::Off`](crate::runtime::Detector::Off) nobody knows that a worker blocks, so only
    /// blocking calls of the runtime's own count.
    ///
    /// The promise holds for what the items themselves need: they must not wait for items of queues
    /// without `reclaim` (a flush of one is warned of, once for each queue), and an item that blocks on the rescuer blocks the queue for that long.
    pub fn reclaim(mut self) -> Self {
        self.reclaim = true;
        self
    }

    /// The queue stops while its runtime is frozen; see
    /// [`Handle::freeze_workqueues`](crate::runtime::Handle::freeze_workqueues).
    pub fn freezable(mut self) -> Self {
        self.freezable = true;
        self
    }

    /// The queue is unbound where the runtime saves power, and bound elsewhere: its items need no
    /// certain CPU, and a CPU that sleeps need not be woken for them. Saving power is a setting of the
    /// runtime, [`power_efficient`](crate::runtime::Builder::power_efficient), or the environment
    /// variable `CMWQ_POWER_EFFICIENT`; the kernel's `WQ_POWER_EFFICIENT` depends on a boot parameter in
    /// the same way.
    ///
    /// It contradicts [`bound`](Self::bound), which means bound in any case; an
    /// [`unbound`](Self::unbound) or [`ordered`](Self::ordered) queue is unbound anyway.
    ///
    /// # Examples
    ///
    /// ```
    /// use cmwq::Workqueue;
    ///
    /// let runtime =
    ///     cmwq::runtime::Builder::new_multi_thread().power_efficient(true).build()?;
    /// let queue = Workqueue::builder().power_efficient().build_on(runtime.handle())?;
    /// assert!(queue.attrs().is_some(), "as those of an unbound queue");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn power_efficient(mut self) -> Self {
        self.power_efficient = true;
        self
    }

    /// Builds the queue in the runtime that this thread is in.
    ///
    /// # Errors
    ///
    /// Settings contradict each other, the runtime shuts down, or the operating system refuses what the
    /// queue needs.
    ///
    /// # Panics
    ///
    /// Outside of a runtime; and as [`build_on`](Self::build_on).
    #[track_caller]
    pub fn build(self) -> Result<Workqueue, BuildError> {
        self.build_on(&Handle::current())
    }

    /// Builds the queue in a runtime.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    ///
    /// # Panics
    ///
    /// In a process that was forked from the one that built the runtime: it has none of its threads.
    pub fn build_on(self, handle: &Handle) -> Result<Workqueue, BuildError> {
        self.check()?;
        handle.shared.assert_not_forked();
        // Later than here is as after the build: the queue cancels what comes.
        if handle.shared.is_closing() {
            return Err(BuildError::shutdown(self.name_or_default(), "be built"));
        }
        self.make(&handle.shared).map(Workqueue::new)
    }

    /// Makes the queue, also in a runtime that shuts down where nothing has to be made for it. The
    /// settings agree.
    pub(super) fn make(mut self, shared: &Arc<Shared>) -> Result<Arc<Queue>, BuildError> {
        self.unbound |= self.power_efficient && shared.config.power_efficient;
        let name = self.name_or_default();
        let failed = |what| move |error| BuildError::failed(shared, name, what, error);
        let mut settings = self.settings(name.into());
        if self.reclaim {
            let rescuer = RescuerHold::start(shared, name)
                .map_err(failed("make the thread of its rescuer"))?;
            settings.rescuer = Some(rescuer);
        }
        Queue::new(shared, settings).map_err(failed("make its pools"))
    }

    fn name_or_default(&self) -> &str {
        self.name.as_deref().unwrap_or("unnamed")
    }

    fn check(&self) -> Result<(), BuildError> {
        let contradicts = |one: &str, other: &str, why: &str| {
            Err(BuildError::config(format!("{one} contradicts {other}: {why}")))
        };
        if self.bound && self.unbound {
            return contradicts("bound()", "unbound()", "choose one");
        }
        if self.bound && self.power_efficient {
            let why = "it asks for unbound where the runtime saves power; choose one";
            return contradicts("bound()", "power_efficient()", why);
        }
        if self.bound && self.ordered {
            return contradicts("bound()", "ordered()", "an ordered queue is unbound");
        }
        if let Some(max) = self.max_active.filter(|&max| max != 1 && self.ordered) {
            let max = format!("max_active({max})");
            return contradicts("ordered()", &max, "an ordered queue has one item in progress");
        }
        if let Some(min) = self.min_active.filter(|_| self.ordered) {
            let min = format!("min_active({min})");
            return contradicts("ordered()", &min, "an ordered queue has one item in progress");
        }
        if let Some(nice) = self.nice.filter(|_| self.high_priority) {
            return contradicts("high_priority()", &format!("nice({nice})"), "choose one");
        }
        check_limits(self.max_active, self.min_active)?;
        if !self.unbound && !self.ordered {
            let of_unbound: [Option<String>; 5] = [
                self.min_active.map(|min| format!("min_active({min})")),
                self.nice.map(|nice| format!("nice({nice})")),
                self.cpus.as_ref().map(|_| "cpus(..)".into()),
                self.scope.map(|scope| format!("scope({scope:?})")),
                self.strict.map(|strict| format!("strict({strict})")),
            ];
            if let Some(setting) = of_unbound.into_iter().flatten().next() {
                return contradicts(
                    &setting,
                    "bound(), which is the default",
                    "it is a setting of unbound queues; add unbound()",
                );
            }
        }
        if let Some(scope) = self.scope.filter(|_| self.ordered) {
            let scope = format!("scope({scope:?})");
            return contradicts("ordered()", &scope, "one pool serves an ordered queue");
        }
        check_attrs(&self.attrs())
    }

    fn attrs(&self) -> Attrs {
        let mut attrs = Attrs::new().scope(self.scope.unwrap_or(Scope::CacheShard));
        attrs.nice = self.nice.unwrap_or(if self.high_priority { NICE.start } else { 0 });
        attrs.strict = self.strict.unwrap_or(false);
        match &self.cpus {
            Some(cpus) => attrs.cpus(cpus.iter().copied()),
            None => attrs,
        }
    }

    fn settings(&self, name: String) -> Settings {
        Settings {
            name,
            flags: Flags {
                unbound: self.unbound || self.ordered,
                ordered: self.ordered,
                high_priority: self.high_priority,
                cpu_intensive: self.cpu_intensive && !self.unbound && !self.ordered,
                reclaim: self.reclaim,
                freezable: self.freezable,
            },
            limits: Limits {
                max: if self.ordered { Some(1) } else { self.max_active },
                min: self.min_active,
            },
            attrs: self.attrs(),
            rescuer: None,
        }
    }
}

/// Can these be limits of one queue?
pub(super) fn check_limits(max: Option<usize>, min: Option<usize>) -> Result<(), BuildError> {
    if max == Some(0) {
        return Err(BuildError::config(format!(
            "max_active(0) contradicts spawn() and queue(): nothing would ever run; for the default, \
             which is 0 in the kernel, leave max_active out ({DEFAULT_WORK} work items, any number of \
             futures); to stop the queue, freeze() it"
        )));
    }
    if min == Some(0) {
        return Err(BuildError::config(
            "min_active(0) contradicts max_active: nothing would ever run on some nodes; the least \
             is 1",
        ));
    }
    match (min, max) {
        (Some(min), Some(max)) if min > max => Err(BuildError::config(format!(
            "min_active({min}) contradicts max_active({max}): a part is not more than the whole"
        ))),
        _ => Ok(()),
    }
}

/// Are these attributes possible?
pub(super) fn check_attrs(attrs: &Attrs) -> Result<(), BuildError> {
    if let Some(wrong) = attrs.wrong_cpu {
        return Err(BuildError::config(wrong.to_string()));
    }
    if attrs.cpus.as_ref().is_some_and(|cpus| cpus.is_empty()) {
        return Err(BuildError::config(
            "cpus(..) with no CPU contradicts unbound(): the queue's workers could run nowhere; leave \
             it out for all CPUs",
        ));
    }
    if !NICE.contains(&attrs.nice) {
        return Err(BuildError::config(format!(
            "nice({}): nice values go from {} to {}",
            attrs.nice,
            NICE.start,
            NICE.end - 1
        )));
    }
    Ok(())
}

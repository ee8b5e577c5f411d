//! What the handles of a workqueue share: its pool_workqueues, and how they are replaced.

use super::attrs::Attrs;
use super::builder::Settings;
use super::nodes::{Limits, Node};
use super::pods::{Group, Pods};
use super::pools;
use super::pwq::{Gate, Parts, PoolHold, PoolWorkqueue};
use super::stats::PwqStats;
use crate::pool::RescuerHold;
use crate::runtime::Shared;
use crate::sys::affinity::CpuSet;
use crate::task::OwnedTasks;
use crate::unpoison::Unpoison;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock, Weak};

/// What pool_workqueues need of their queue; does not refer to them.
pub(crate) struct Common {
    pub(crate) shared: Arc<Shared>,
    pub(crate) name: Arc<str>,
    pub(crate) flags: Flags,
    /// Its futures.
    pub(crate) owned: OwnedTasks,
    /// Of a `reclaim` queue.
    pub(super) rescuer: Option<RescuerHold>,
    /// The warning about a flush that may never end was given.
    pub(super) has_warned: AtomicBool,
    /// It drains for good.
    pub(super) is_destroyed: AtomicBool,
    /// What pool_workqueues have counted that were replaced.
    pub(super) past: PwqStats,
}

impl Common {
    /// Why it takes nothing from outside, once it was seen to do so.
    pub(super) fn refusal(&self) -> String {
        let name = &self.name;
        if self.is_destroyed.load(Ordering::Relaxed) {
            format!("workqueue {name:?} was destroyed; build another one")
        } else {
            format!(
                "workqueue {name:?} drains, and takes only what its own items queue; queue it when \
                 the drain is over"
            )
        }
    }
}

/// What is decided when a queue is built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    pub(crate) unbound: bool,
    pub(crate) ordered: bool,
    pub(crate) high_priority: bool,
    pub(crate) cpu_intensive: bool,
    pub(crate) reclaim: bool,
    pub(crate) freezable: bool,
}

/// A workqueue.
pub(crate) struct Queue {
    pub(crate) common: Arc<Common>,
    table: Table,
    /// Serialises changes; taken before any other lock of the queue.
    admin: Mutex<Admin>,
}

/// What can be changed at run time.
pub(super) struct Admin {
    pub(super) limits: Limits,
    pub(super) attrs: Attrs,
    /// Drains under way, and one more for good once the queue is destroyed.
    pub(super) drains: usize,
    /// Frozen by [`Workqueue::freeze`](super::Workqueue::freeze).
    pub(super) is_frozen: bool,
    /// Frozen with all freezable queues of the runtime.
    pub(super) is_frozen_by_runtime: bool,
}

impl Admin {
    pub(super) fn is_frozen(&self) -> bool {
        self.is_frozen || self.is_frozen_by_runtime
    }
}

enum Table {
    /// By core.
    Bound(Box<[Arc<PoolWorkqueue>]>),
    Unbound(Unbound),
}

struct Unbound {
    nodes: Box<[Arc<Node>]>,
    /// Written when attributes change. Held for reading while an item is queued, so that none comes
    /// to a pool_workqueue that was replaced.
    pods: RwLock<Pods<Pod>>,
    next: AtomicUsize,
}

/// A group of CPUs.
struct Pod {
    cpus: CpuSet,
    node: usize,
    pwq: Arc<PoolWorkqueue>,
}

impl Group for Pod {
    type Pwq = Arc<PoolWorkqueue>;

    fn pwq(&self) -> &Arc<PoolWorkqueue> {
        &self.pwq
    }

    fn retire(&self) -> bool {
        self.pwq.retire()
    }

    fn unplug(pwq: &Arc<PoolWorkqueue>) {
        pwq.unplug();
    }

    fn is_same(one: &Arc<PoolWorkqueue>, other: &Arc<PoolWorkqueue>) -> bool {
        Arc::ptr_eq(one, other)
    }
}

/// Where an item is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Near the caller.
    Local,
    /// On the pool of this CPU.
    Cpu(usize),
    /// On this NUMA node.
    Node(usize),
}

/// Attributes that are ready to be used.
struct Prepared {
    pods: Vec<Pod>,
    cpus: CpuSet,
}

impl Queue {
    pub(super) fn new(shared: &Arc<Shared>, settings: Settings) -> io::Result<Arc<Self>> {
        let flags = settings.flags;
        let common = Arc::new(Common {
            shared: shared.clone(),
            name: settings.name.into(),
            flags,
            owned: OwnedTasks::new(shared.cores.len()),
            rescuer: settings.rescuer,
            has_warned: AtomicBool::new(false),
            is_destroyed: AtomicBool::new(false),
            past: PwqStats::default(),
        });
        let admin = Admin {
            limits: settings.limits,
            attrs: settings.attrs,
            drains: 0,
            is_frozen: false,
            is_frozen_by_runtime: false,
        };
        let mut failed = None;
        let cpus = shared.usable.changes();
        let queue = Arc::new_cyclic(|queue| {
            let table = if flags.unbound {
                Unbound::new(&common, queue, &admin).map(Table::Unbound)
            } else {
                let pwq = |core| bound_pwq(&common, queue, &admin, core);
                (0..shared.cores.len()).map(pwq).collect::<Result<_, _>>().map(Table::Bound)
            };
            let table = table.unwrap_or_else(|error| {
                failed = Some(error);
                Table::Bound(Box::default())
            });
            Self { common, table, admin: Mutex::new(admin) }
        });
        match failed {
            Some(error) => Err(error),
            None => {
                shared.queues.register(&queue);
                if shared.usable.changes() != cpus {
                    queue.cpus_have_changed();
                }
                Ok(queue)
            }
        }
    }

    pub(super) fn admin(&self) -> MutexGuard<'_, Admin> {
        self.admin.lock().unpoison()
    }

    /// Is there such a CPU or node?
    pub(crate) fn knows(&self, place: Place) -> bool {
        match (place, &self.table) {
            (Place::Local, _) => true,
            (Place::Cpu(cpu), Table::Bound(_)) => self.core_of(cpu).is_some(),
            (Place::Cpu(cpu), Table::Unbound(_)) => {
                pools::usable(&self.common.shared).contains(cpu)
            }
            (Place::Node(_), Table::Bound(_)) => false,
            (Place::Node(node), Table::Unbound(unbound)) => {
                unbound.nodes.iter().any(|known| known.id == node)
            }
        }
    }

    /// Why it does not know a place, and what to do.
    pub(super) fn unknown(&self, place: Place) -> String {
        let (name, shared) = (&self.common.name, &self.common.shared);
        match (place, &self.table) {
            (Place::Local, _) => unreachable!("every queue has a place near the caller"),
            (Place::Cpu(cpu), Table::Bound(_)) => format!(
                "it was to run on CPU {cpu}, which no worker of this runtime serves; they serve {}",
                self.served()
            ),
            (Place::Cpu(cpu), Table::Unbound(_)) => format!(
                "it was to run on CPU {cpu}, which this runtime may not use; it may use {}",
                pools::usable(shared)
            ),
            (Place::Node(node), Table::Bound(_)) => format!(
                "it was to run on NUMA node {node}, and workqueue {name:?} is bound: its items run on \
                 a CPU; name one with spawn_on, or build the queue with unbound()"
            ),
            (Place::Node(node), Table::Unbound(unbound)) => format!(
                "it was to run on NUMA node {node}, which does not exist or is offline; online are {}",
                unbound.nodes.iter().map(|node| node.id).collect::<CpuSet>()
            ),
        }
    }

    /// Calls `f` with the pool_workqueue that serves a place, or with a near one where none serves
    /// it. It stays in use meanwhile: what is queued on it inside of `f` is in order.
    pub(crate) fn with_pwq<R>(&self, place: Place, f: impl FnOnce(&Arc<PoolWorkqueue>) -> R) -> R {
        match &self.table {
            Table::Bound(pwqs) => {
                let core = match place {
                    Place::Cpu(cpu) => self.core_of(cpu),
                    Place::Local | Place::Node(_) => None,
                };
                f(&pwqs[core.unwrap_or_else(|| self.local_core())])
            }
            Table::Unbound(unbound) => unbound.with_pwq(place, f),
        }
    }

    /// The core of a CPU; of a runtime that is not pinned, CPU `n` is core `n`.
    fn core_of(&self, cpu: usize) -> Option<usize> {
        let cores = &self.common.shared.cores;
        let pinned = cores.iter().position(|core| core.cpu == Some(cpu));
        pinned.or_else(|| (cpu < cores.len() && cores[cpu].cpu.is_none()).then_some(cpu))
    }

    /// The core that the caller is on.
    fn local_core(&self) -> usize {
        let shared = &self.common.shared;
        let own = crate::context::with_local(|local| {
            local
                .filter(|local| Arc::ptr_eq(local.shared(), shared))
                .and_then(|l| l.core().bound_to)
        });
        own.filter(|&core| core < shared.cores.len()).unwrap_or_else(|| {
            let here = crate::sys::affinity::current_cpu();
            self.core_of(here).unwrap_or_else(|| shared.any_core())
        })
    }

    /// Calls `f` with what each part has counted, and how many items it has in flight.
    pub(super) fn for_each_stats(&self, mut f: impl FnMut(&PwqStats, usize)) {
        // No pool_workqueue is replaced meanwhile, so none counts twice or not at all.
        let pods = match &self.table {
            Table::Bound(_) => None,
            Table::Unbound(unbound) => Some(unbound.pods.read().unpoison()),
        };
        f(&self.common.past, 0);
        let bound = match &self.table {
            Table::Bound(pwqs) => &pwqs[..],
            Table::Unbound(_) => &[],
        };
        let unbound = pods.iter().flat_map(|pods| pods.pwqs());
        bound.iter().chain(unbound).for_each(|pwq| f(&pwq.stats, pwq.in_flight()));
    }

    /// The limits, whether it is frozen, whether it drains or is destroyed.
    pub(super) fn settings_for_dump(&self) -> (Limits, bool, bool) {
        let admin = self.admin();
        (admin.limits, admin.is_frozen(), admin.drains > 0)
    }

    /// All pool_workqueues, also those that were replaced and are not empty.
    pub(crate) fn pwqs(&self) -> Vec<Arc<PoolWorkqueue>> {
        match &self.table {
            Table::Bound(pwqs) => pwqs.to_vec(),
            Table::Unbound(unbound) => {
                let pods = unbound.pods.read().unpoison();
                pods.pwqs().cloned().collect()
            }
        }
    }

    /// The limits have changed.
    pub(super) fn apply_limits(&self, admin: &Admin) {
        match &self.table {
            Table::Bound(pwqs) => {
                pwqs.iter().for_each(|pwq| pwq.set_max(admin.limits.max));
            }
            Table::Unbound(unbound) => {
                let cpus = pools::effective(&self.common.shared, &admin.attrs);
                unbound.share_out(&self.common, admin.limits, &cpus);
            }
        }
    }

    /// CPUs have gone away or come back.
    pub(crate) fn cpus_have_changed(&self) {
        if matches!(self.table, Table::Unbound(_)) {
            self.apply_limits(&self.admin());
        }
    }

    /// The part that each node has of the limit, of an unbound queue that has one: the node, how many
    /// items are in progress there, and how many may be.
    pub(super) fn node_limits(&self) -> Vec<(usize, usize, usize)> {
        let Table::Unbound(unbound) = &self.table else { return Vec::new() };
        let limit = |node: &Arc<Node>| {
            let state = node.lock();
            Some((node.id, state.slots.taken(), state.slots.max()?))
        };
        unbound.nodes.iter().filter_map(limit).collect()
    }

    /// Replaces the pool_workqueues by others: prepares all, then commits. Does nothing on a bound
    /// queue.
    pub(super) fn apply_attrs(self: &Arc<Self>, admin: &mut Admin, attrs: Attrs) -> io::Result<()> {
        let Table::Unbound(unbound) = &self.table else { return Ok(()) };
        let prepared = unbound.prepare(&self.common, &Arc::downgrade(self), admin, &attrs, true)?;
        admin.attrs = attrs;
        unbound.share_out(&self.common, admin.limits, &prepared.cpus);
        let dropped = unbound.commit(prepared);
        drop(dropped);
        Ok(())
    }

    /// A pool_workqueue that was replaced has nothing left.
    pub(super) fn retired_is_empty(&self, pwq: &Arc<PoolWorkqueue>) {
        let Table::Unbound(unbound) = &self.table else { return };
        let mut pods = unbound.pods.write().unpoison();
        if pods.pwqs().any(|old| Arc::ptr_eq(old, pwq)) {
            self.common.inherit_stats(pwq);
        }
        pods.remove(pwq);
    }
}

fn bound_pwq(
    common: &Arc<Common>,
    queue: &Weak<Queue>,
    admin: &Admin,
    core: usize,
) -> io::Result<Arc<PoolWorkqueue>> {
    let pool = pools::bound(&common.shared, core, common.flags.high_priority)?;
    Ok(new_pwq(common, queue, admin, pool, Gate::Own, false))
}

fn new_pwq(
    common: &Arc<Common>,
    queue: &Weak<Queue>,
    admin: &Admin,
    pool: PoolHold,
    gate: Gate,
    is_plugged: bool,
) -> Arc<PoolWorkqueue> {
    PoolWorkqueue::new(Parts {
        common: common.clone(),
        queue: queue.clone(),
        pool,
        gate,
        max_active: admin.limits.max,
        is_plugged,
        is_frozen: admin.is_frozen(),
        drains: admin.drains,
    })
}

impl Unbound {
    fn new(common: &Arc<Common>, queue: &Weak<Queue>, admin: &Admin) -> io::Result<Self> {
        let nodes = common.shared.topology().nodes();
        let unbound = Self {
            nodes: nodes.map(|id| Arc::new(Node::new(id))).collect(),
            pods: RwLock::new(Pods::new()),
            next: AtomicUsize::new(0),
        };
        let prepared = unbound.prepare(common, queue, admin, &admin.attrs, false)?;
        unbound.share_out(common, admin.limits, &prepared.cpus);
        unbound.commit(prepared);
        Ok(unbound)
    }

    fn prepare(
        &self,
        common: &Arc<Common>,
        queue: &Weak<Queue>,
        admin: &Admin,
        attrs: &Attrs,
        is_change: bool,
    ) -> io::Result<Prepared> {
        let ordered = common.flags.ordered;
        let pods = pools::unbound(&common.shared, attrs, ordered)?;
        let pods = pods.into_iter().map(|pod| {
            // The limit of an ordered queue is one, whatever the nodes.
            let node = self.nodes.iter().find(|node| node.id == pod.node).filter(|_| !ordered);
            let gate = node.map_or(Gate::Own, |node| Gate::Node(node.clone()));
            let plugged = ordered && is_change;
            let pwq = new_pwq(common, queue, admin, pod.pool, gate, plugged);
            Pod { cpus: pod.cpus, node: pod.node, pwq }
        });
        Ok(Prepared { pods: pods.collect(), cpus: pools::effective(&common.shared, attrs) })
    }

    /// Returns what is to be dropped when no lock is held.
    fn commit(&self, prepared: Prepared) -> Vec<Pod> {
        let mut pods = self.pods.write().unpoison();
        let replaced = pods.replace(prepared.pods);
        for Pod { pwq, .. } in &replaced {
            if !pods.pwqs().any(|kept| Arc::ptr_eq(kept, pwq)) {
                pwq.common.inherit_stats(pwq);
            }
        }
        replaced
    }

    fn share_out(&self, common: &Common, limits: Limits, cpus: &CpuSet) {
        let cpus = common.shared.usable.of(cpus);
        limits.share_out(&self.nodes, common.shared.topology(), &cpus);
        self.nodes.iter().for_each(|node| PoolWorkqueue::share_slots(node));
    }

    fn with_pwq<R>(&self, place: Place, f: impl FnOnce(&Arc<PoolWorkqueue>) -> R) -> R {
        let pods = self.pods.read().unpoison();
        let pods = pods.current();
        let serves = |cpu| move |pod: &&Pod| pod.cpus.contains(cpu);
        let here = || pods.iter().find(serves(crate::sys::affinity::current_cpu()));
        let pod = match place {
            _ if pods.len() == 1 => None,
            Place::Local => here(),
            Place::Cpu(cpu) => pods.iter().find(serves(cpu)),
            Place::Node(node) => here()
                .filter(|pod| pod.node == node)
                .or_else(|| pods.iter().find(|pod| pod.node == node)),
        };
        let turn = || &pods[self.next.fetch_add(1, Ordering::Relaxed) % pods.len()];
        f(&pod.unwrap_or_else(turn).pwq)
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("name", &self.common.name).finish_non_exhaustive()
    }
}

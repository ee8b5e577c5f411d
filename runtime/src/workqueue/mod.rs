//! Workqueues: queues with an order, a limit and an end, as the Linux kernel has them.
//!
//! A [`Workqueue`] takes futures ([`spawn`](Workqueue::spawn), awaited by their handles) and work items
//! ([`Work`]: a closure that can be queued again and again, is never run twice at once, and can be delayed,
//! cancelled and disabled). Both may block. For tasks without order, limit and end
//! [`cmwq::spawn`](crate::spawn) is cheaper.
//!
//! | for | build it with |
//! |---|---|
//! | one item at a time, in order | [`ordered`](Builder::ordered) |
//! | items that stay on the CPU where they were queued | nothing: [`bound`](Builder::bound) is the default |
//! | items that may run anywhere, on CPUs or at a nice value of your choice | [`unbound`](Builder::unbound) |
//! | at most `n` in progress | [`max_active`](Builder::max_active) |
//! | items that come before others | [`high_priority`](Builder::high_priority) |
//! | items that others need in order to free memory or threads | [`reclaim`](Builder::reclaim) |
//!
//! ```
//! use cmwq::{Work, Workqueue};
//!
//! # #[cmwq::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let queue = Workqueue::builder().name("disk").unbound().max_active(4).build()?;
//! let size = queue.spawn(async { std::fs::metadata("/proc/self/exe").map(|file| file.len()) });
//! let work = Work::new(|| println!("again"));
//! assert!(work.queue(&queue));
//! assert!(size.await?? > 0);
//! queue.flush().await;
//! # Ok(())
//! # }
//! ```
//!
//! Waits are futures; outside of async code there is the same name with `_blocking`. What is refused (the
//! queue drains, or has no such CPU) is an error of the task's handle
//! ([`is_rejected`](crate::task::JoinError::is_rejected)), and `false` from a work item.
//!
//! # The kernel's names
//!
//! `KERNEL.md` of the repository says row by row what is as in the kernel and what is not.
//!
//! | kernel | here |
//! |---|---|
//! | `alloc_workqueue(name, flags, max_active)` | [`Workqueue::builder`], [`name`](Builder::name), [`max_active`](Builder::max_active) (left out for 0), [`build`](Builder::build) |
//! | `WQ_PERCPU`, `WQ_UNBOUND` | [`bound`](Builder::bound), the default; [`unbound`](Builder::unbound) |
//! | `WQ_HIGHPRI`, `WQ_CPU_INTENSIVE` | [`high_priority`](Builder::high_priority), [`cpu_intensive`](Builder::cpu_intensive) |
//! | `WQ_MEM_RECLAIM`, `WQ_FREEZABLE`, `WQ_POWER_EFFICIENT` | [`reclaim`](Builder::reclaim), [`freezable`](Builder::freezable), [`power_efficient`](Builder::power_efficient) |
//! | `WQ_SYSFS`, `WQ_BH` | none |
//! | `alloc_ordered_workqueue` | [`ordered`](Builder::ordered) |
//! | `apply_workqueue_attrs`, `workqueue_set_max_active` | [`set_attrs`](Workqueue::set_attrs), [`set_max_active`](Workqueue::set_max_active) |
//! | `INIT_WORK` | [`Work::new`]; [`Work::new_cyclic`] if the closure needs its own work |
//! | `queue_work`, `schedule_work` | [`Work::queue`], on a queue or on [`system()`] |
//! | `queue_work_on`, `queue_work_node` | [`queue_on`](Work::queue_on), [`queue_on_node`](Work::queue_on_node) |
//! | `queue_delayed_work`, `mod_delayed_work` | [`queue_delayed`](Work::queue_delayed), [`mod_delayed`](Work::mod_delayed), near the caller |
//! | `flush_work`, `flush_delayed_work` | [`Work::flush`], which cuts a delay short |
//! | `cancel_work`, `cancel_delayed_work` | [`Work::cancel`] |
//! | `cancel_work_sync`, `cancel_delayed_work_sync` | [`Work::cancel_sync`] |
//! | `disable_work`, `enable_work`, `enable_and_queue_work` | [`disable`](Work::disable), [`enable`](Work::enable), [`enable_and_queue`](Work::enable_and_queue) |
//! | `work_pending`, `work_busy` | [`is_pending`](Work::is_pending), [`is_busy`](Work::is_busy) |
//! | `flush_workqueue`, `drain_workqueue` | [`Workqueue::flush`], [`Workqueue::drain`] |
//! | `destroy_workqueue` | [`Workqueue::destroy`]; a drop of the last handle does not wait |
//! | `workqueue_congested` | [`is_congested`](Workqueue::is_congested) |
//! | `schedule_on_each_cpu`, `work_on_cpu` | [`schedule_on_each_cpu`], [`work_on_cpu`] |
//! | `system_percpu_wq`, `system_highpri_wq`, `system_dfl_wq` and so on | [`system()`], [`system_highpri`], [`system_unbound`] and so on |
//! | `show_all_workqueues` | [`dump()`] |
//!
//! # Design
//!
//! ## Parts
//!
//! ```text
//!  Workqueue (handle) --> Queue --> PoolWorkqueue --> WorkerPool (worklist, cores)
//!                                     ^   |
//!              task's cell: ticket ---+   +--> Accounts: items, inactive list, colours, loans
//! ```
//!
//! - `Queue`: what the handles share. A bound queue has one pool_workqueue per core, an unbound one
//!   for each group of CPUs, an ordered one has one.
//! - `PoolWorkqueue`: the link to a pool. It admits items, keeps those inactive that the limit holds
//!   back, and puts the others into the pool's worklist. One lock; the books behind it (`accounts`)
//!   are plain data.
//! - `Ticket`: in a task's cell, names its item in the books.
//! - `Node`: the slots of an unbound queue on one NUMA node.
//!
//! Tasks of workqueues wait in the worklist of their pool for their first run and after every
//! wake, never in slots, rings and inject lists. So they are in order, can be taken out again, and
//! are not stolen.
//!
//! ## An item's way
//!
//! *Admitted*: counted (colour) and either *inactive* or *active*, that is in the pool. It is in
//! flight until *finished*: a future when it is complete, a work item at the end of its execution.
//! What finishes gives its slot to the first inactive item.
//!
//! ## Locks
//!
//! In this order: control of a work item; whether the runtime is frozen; `admin` (changes of a
//! queue); the registry; a loan; the table of an unbound queue, for reading while an item is queued; a
//! node; a pool_workqueue; a worklist. Under the last four there is no user code, no foreign waker, and
//! no thread is made; nor is a queue or a pool_workqueue dropped there, which gives a pool back under
//! the lock of the pools.
//!
//! ## Rescuers
//!
//! A `reclaim` queue has a thread of its own that polls its items in pools that can make no worker: see
//! `pool/rescue`. Each of its pool_workqueues has a line to it in its pool, for as long as it exists.
//!
//! ## Looking at it
//!
//! `stats` counts per pool_workqueue, `events` records what happens to items while somebody asks for
//! it, `dump` writes everything down. The list of recordings is the last lock of all. Stalled pools
//! are the business of `crate::inspect`.
//!
//! ## Changing attributes
//!
//! All new pool_workqueues are made before any old one is replaced. Old ones keep what they have and
//! get nothing new. That of an ordered queue is *plugged*, it activates nothing, until the older
//! ones are empty.
//!
//! ## Life
//!
//! Handles and, while it has items, each pool_workqueue keep the queue. The queue keeps its
//! pool_workqueues, tasks keep theirs. So a queue without handles goes on with what it has, and is
//! gone after the last item.
//!
//! ## Rejected
//!
//! - *Sixteen colours and an overflow list for flushers*, as in the kernel: a colour is a number
//!   here, and needs a counter only while a flush waits for it.
//! - *Links in the task's header* for the inactive list: tasks of `cmwq::spawn` would pay for them.
//! - *Taking the lender's slot away for good*: the lender would have to queue for it before it may
//!   go on after its await, behind items that wait for the lender.

mod accounts;
mod attrs;
pub(crate) mod boost;
mod builder;
mod colour;
mod congested;
mod cpu_error;
pub(crate) mod current;
mod current_work;
mod drain;
mod dump;
mod each_cpu;
mod error;
mod events;
mod flush;
mod freeze;
mod future;
mod handle;
mod lending;
#[cfg(all(test, cmwq_loom))]
mod loom_tests;
mod nodes;
mod pods;
mod pools;
mod pwq;
#[cfg(all(test, not(cmwq_loom)))]
mod pwq_tests;
mod queue;
mod registry;
mod settings;
mod slots;
mod stats;
mod system;
mod ticket;
mod work;

pub use crate::topology::Scope;
pub use attrs::Attrs;
pub use builder::Builder;
pub use cpu_error::CpuError;
pub use current_work::{CurrentWork, current_work};
pub use dump::{Dump, dump};
pub use each_cpu::{
    schedule_on_each_cpu, schedule_on_each_cpu_blocking, work_on_cpu, work_on_cpu_blocking,
};
pub use error::BuildError;
pub use events::{Event, EventKind, Recording, record};
pub use flush::Flush;
pub use handle::Workqueue;
pub use stats::{Stats, measure_cpu_time};
pub use system::{
    system, system_freezable, system_highpri, system_long, system_power_efficient, system_unbound,
    system_unbound_long,
};
pub use work::{WeakWork, Work};

pub(crate) use queue::Queue;
pub(crate) use registry::Queues;

/// Nice values.
const NICE: std::ops::Range<i32> = -20..20;

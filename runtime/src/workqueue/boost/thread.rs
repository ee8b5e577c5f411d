//! The nice value of a worker that runs a raised item.
//!
//! A worker marks which item it runs ([`begin`], [`end`]). Whoever raises the item finds the mark,
//! sets a bit in it and lowers the thread's nice value. The end of the run clears the mark, and if
//! the bit was set, waits until nobody raises any more, and restores the value.

use super::raise::alone;
use crate::context;
use crate::pool::{HIGH_NICE, WorkerPool};
use crate::runtime::Shared;
use crate::sys;
use crate::worker::{Run, Worker};
use crate::workqueue::pwq::PoolWorkqueue;

/// Items of 2^31 pool_workqueues have different numbers. One that is mistaken for another gets a nice
/// value that it should not have.
fn run_of(pwq: &PoolWorkqueue, item: usize) -> Run {
    ((pwq.id().0 << 32) | (item as u64 & 0xffff_ffff)).wrapping_add(1) & !(1 << 63)
}

/// This thread begins to run an item.
pub(in crate::workqueue) fn begin(pwq: &PoolWorkqueue, item: Option<usize>) {
    if let Some(item) = item.filter(|_| !pwq.is_urgent()) {
        context::with_local(|local| {
            local.into_iter().for_each(|local| local.worker().mark.set(run_of(pwq, item)));
        });
    }
}

/// The run is over.
pub(in crate::workqueue) fn end() {
    context::with_local(|local| {
        if let Some(local) = local.filter(|local| local.worker().mark.clear()) {
            let nice = local.core().pool.nice(local.shared());
            alone(|| {
                // Upwards, which everybody may.
                let _ = sys::thread::set_nice(0, nice);
            });
        }
    });
}

fn workers<'a>(shared: &'a Shared, pool: &'a WorkerPool) -> impl Iterator<Item = &'a Worker> {
    pool.cores.iter().flat_map(|&core| shared.core(core).crew.iter())
}

/// Inside of `alone`: lowers the nice value of whoever runs the item, or with `None` any item.
pub(super) fn raise(pwq: &PoolWorkqueue, item: Option<usize>) {
    let (shared, pool) = (&pwq.common.shared, pwq.pool());
    let normal = pool.nice(shared);
    let (first, last) = (item.unwrap_or(0), item.unwrap_or(u32::MAX as usize));
    let meant = run_of(pwq, first)..=run_of(pwq, last);
    let is_meant = |run| meant.contains(&run);
    for worker in workers(shared, pool) {
        if worker.mark.raise(is_meant) {
            // The mark keeps the worker in its run, and with it the thread, until we are done.
            make_urgent(worker.tid(), normal);
        }
    }
}

/// Lowers a thread's nice value as far as the process may, as that of high-priority workers.
pub(super) fn make_urgent(tid: i32, normal: i32) {
    if sys::thread::set_nice(tid, HIGH_NICE).is_err() {
        let lowest = HIGH_NICE.max(sys::limits::lowest_nice());
        if lowest < normal {
            // Refused by a filter: it stays what it was.
            let _ = sys::thread::set_nice(tid, lowest);
        }
    }
}

/// Inside of `alone`: restores it.
pub(super) fn lower(pwq: &PoolWorkqueue, item: usize) {
    let (shared, pool) = (&pwq.common.shared, pwq.pool());
    for worker in workers(shared, pool) {
        if worker.tid() != 0 && worker.mark.lower(run_of(pwq, item)) {
            let _ = sys::thread::set_nice(worker.tid(), pool.nice(shared));
        }
    }
}

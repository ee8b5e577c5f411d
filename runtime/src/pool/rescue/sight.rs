//! What others may see of a rescuer.

use super::rescuer::NICE;
use crate::pool::nice::GotNice;
use std::panic::Location;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

/// Written by the rescuer's thread, read by reports.
#[derive(Default)]
pub(crate) struct Sight {
    /// 0 before the thread has begun.
    tid: AtomicI32,
    pub(super) nice: GotNice,
    /// The first core of the pool that it is with, and 1; 0 for none.
    core: AtomicUsize,
    /// The task that it polls; 0 for none.
    task: AtomicU64,
    location: AtomicPtr<Location<'static>>,
    /// When that poll began, CLOCK_MONOTONIC ns.
    since: AtomicU64,
}

impl Sight {
    /// The nice value of its thread, if it was refused that of a rescuer.
    pub(crate) fn refused_nice(&self) -> Option<i32> {
        self.nice.instead_of(NICE)
    }

    pub(super) fn begins(&self, tid: i32) {
        self.tid.store(tid, Ordering::Relaxed);
    }

    pub(super) fn is_with(&self, core: Option<usize>) {
        self.core.store(core.map_or(0, |core| core + 1), Ordering::Relaxed);
    }

    pub(super) fn polls(&self, task: u64, location: &'static Location<'static>) {
        self.location.store(std::ptr::from_ref(location).cast_mut(), Ordering::Relaxed);
        self.since.store(crate::time::now_ns(), Ordering::Relaxed);
        self.task.store(task, Ordering::Release);
    }

    pub(super) fn has_polled(&self) {
        self.task.store(0, Ordering::Release);
    }

    pub(crate) fn tid(&self) -> i32 {
        self.tid.load(Ordering::Relaxed)
    }

    /// The first core of the pool that it is with.
    pub(crate) fn core(&self) -> Option<usize> {
        self.core.load(Ordering::Relaxed).checked_sub(1)
    }

    /// The task that it polls, where that was spawned, and since when it polls it.
    pub(crate) fn task(&self) -> Option<(u64, &'static Location<'static>, u64)> {
        let task = self.task.load(Ordering::Acquire);
        let since = self.since.load(Ordering::Relaxed);
        let location = self.location.load(Ordering::Relaxed);
        // SAFETY: only `&'static Location`s are stored.
        let location = unsafe { location.as_ref() };
        // A poll that begins meanwhile has written its place first.
        let is_steady = task != 0 && self.task.load(Ordering::Acquire) == task;
        location.filter(|_| is_steady).map(|location| (task, location, since))
    }
}

//! The typed allocation of a task.

use super::raw::{Header, Output, OwnedLinks, Vtable};
use super::state::State;
use super::{Id, Schedule, harness, memory};
use crate::contain::contain;
use crate::sync_types::UnsafeCell;
use crate::sync_types::atomic::{AtomicPtr, AtomicU16};
use std::alloc::Layout;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::task::Waker;

/// Header first, so that a pointer to the header is a pointer to the cell.
#[repr(C)]
pub(super) struct Cell<F: Future, S> {
    pub(super) header: Header,
    pub(super) scheduler: S,
    /// RUNNING owns it; after COMPLETE, the `JoinHandle` (or the completer where there is none).
    pub(super) stage: UnsafeCell<Stage<F>>,
    /// The `JoinHandle` owns it while JOIN_WAKER is clear, the completer while it is set. Set in a
    /// complete task: used up, not to be dropped.
    pub(super) join_waker: UnsafeCell<ManuallyDrop<Option<Waker>>>,
}

pub(super) enum Stage<F: Future> {
    Future(F),
    Finished(Output<F::Output>),
    Consumed,
}

/// What spawning needs to know beside the future.
pub(crate) struct Birth {
    pub(crate) id: Id,
    pub(crate) location: &'static Location<'static>,
    pub(crate) core: usize,
    pub(crate) shard: usize,
}

impl<F, S> Cell<F, S>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    const VTABLE: Vtable = Vtable {
        poll: harness::poll::<F, S>,
        schedule: harness::schedule::<F, S>,
        hasten: harness::hasten::<F, S>,
        aborted: harness::aborted::<F, S>,
        dealloc: harness::dealloc::<F, S>,
        read_output: harness::read_output::<F, S>,
        drop_join_handle: harness::drop_join_handle::<F, S>,
        waits_in_worklist: S::WAITS_IN_WORKLIST,
    };

    pub(super) fn allocate(state: State, future: F, scheduler: S, birth: Birth) -> NonNull<Header> {
        let cell = memory::allocate(Layout::new::<Self>()).cast::<Self>();
        let value = Cell {
            header: Header {
                state,
                vtable: &Self::VTABLE,
                queue_next: AtomicPtr::new(ptr::null_mut()),
                owned: UnsafeCell::new(OwnedLinks::default()),
                id: birth.id,
                location: birth.location,
                core: AtomicU16::new(birth.core as u16),
                shard: birth.shard as u16,
            },
            scheduler,
            stage: UnsafeCell::new(Stage::Future(future)),
            join_waker: UnsafeCell::new(ManuallyDrop::new(None)),
        };
        // SAFETY: the memory has the layout of a cell, and nobody else knows it.
        unsafe { cell.write(value) };
        cell.cast()
    }

    /// Drops what is in a cell (user code), and gives its memory back, also if that panics.
    ///
    /// # Safety
    ///
    /// It comes from [`allocate`](Self::allocate), and nobody uses it any more.
    pub(super) unsafe fn free(cell: NonNull<Self>) {
        // SAFETY: as the caller promises; what a drop has left when it unwound is not used again.
        contain(|| unsafe { cell.drop_in_place() });
        // SAFETY: as the caller promises.
        unsafe { memory::release(cell.cast(), Layout::new::<Self>()) };
    }
}

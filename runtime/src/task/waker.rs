//! The waker of a task: a counted pointer to its header.

use super::raw::{Header, RawTask};
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;
use std::task::{RawWaker, RawWakerVTable, Waker};

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// A waker that borrows the poller's reference.
pub(super) struct WakerRef(ManuallyDrop<Waker>);

impl Deref for WakerRef {
    type Target = Waker;

    fn deref(&self) -> &Waker {
        &self.0
    }
}

pub(super) fn waker_ref(header: NonNull<Header>) -> WakerRef {
    // SAFETY: the vtable keeps RawWaker's contract for a live header; the reference is the
    // poller's, and ManuallyDrop does not give it back.
    let waker = unsafe { Waker::from_raw(raw_waker(header.as_ptr())) };
    WakerRef(ManuallyDrop::new(waker))
}

/// Is it the waker of a task of ours? Then waking it runs no user code.
#[inline]
pub(crate) fn is_task_waker(waker: &Waker) -> bool {
    std::ptr::eq(waker.vtable(), &VTABLE)
}

fn raw_waker(header: *const Header) -> RawWaker {
    RawWaker::new(header.cast(), &VTABLE)
}

fn task(data: *const ()) -> RawTask {
    // SAFETY: data is a header pointer, never null.
    RawTask::new(unsafe { NonNull::new_unchecked(data.cast::<Header>().cast_mut()) })
}

unsafe fn clone(data: *const ()) -> RawWaker {
    task(data).state().ref_inc();
    raw_waker(data.cast())
}

unsafe fn wake(data: *const ()) {
    task(data).wake_by_value();
}

unsafe fn wake_by_ref(data: *const ()) {
    task(data).wake_by_ref();
}

unsafe fn drop_waker(data: *const ()) {
    task(data).ref_dec(1);
}

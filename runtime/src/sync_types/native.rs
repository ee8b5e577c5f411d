//! `std`'s types.

pub(crate) use super::cell::{UnsafeCell, this_thread};
pub(crate) use crate::sys::futex;
pub(crate) use std::sync::{Mutex, MutexGuard};

pub(crate) mod atomic {
    pub(crate) use std::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering,
        compiler_fence, fence,
    };
}

//! What a thread knows of the runtime it is in.
//!
//! Two things, apart because they may differ: the *worker* that the thread is (set once, for the
//! thread's life or for a `block_on`), and the runtime that was *entered* last, by a worker for
//! itself, by `Handle::enter`, by `block_on`. Spawning goes to the entered runtime; queues of the
//! worker are used only if it is the worker's own.

use crate::pool::Core;
use crate::runtime::Shared;
use crate::task::Id;
use crate::time::Timers;
use crate::worker::Local;
use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// The runtime that was entered last, without its reference: that is the [`Enter`]'s.
#[derive(Clone, Copy)]
struct Entered {
    shared: NonNull<Shared>,
    /// The core whose driver and wheel serve this thread.
    core: usize,
}

// Cells without destructors: no registration to check at each access, and usable as long as the
// thread is.
thread_local! {
    static LOCAL: Cell<*const Local> = const { Cell::new(ptr::null()) };
    /// The runtime that made this thread.
    static OWNER: Cell<*const Shared> = const { Cell::new(ptr::null()) };
    static TASK: Cell<Option<Id>> = const { Cell::new(None) };
    /// Where the task was spawned, on a thread that polls and is no worker. A worker has it where
    /// others see it.
    static LOCATION: Cell<Option<&'static Location<'static>>> = const { Cell::new(None) };
    /// With one reference to the runtime, so that guards may be dropped in any order.
    static ENTERED: Cell<Option<Entered>> = const { Cell::new(None) };
}

/// The worker that this thread is.
#[inline]
pub(crate) fn with_local<R>(f: impl FnOnce(Option<&Local>) -> R) -> R {
    let local = LOCAL.get();
    // SAFETY: set_local() keeps the pointer valid until it sets another.
    f(unsafe { local.as_ref() })
}

/// Makes this thread a worker while `f` runs.
pub(crate) fn with_worker<R>(local: &Local, f: impl FnOnce() -> R) -> R {
    struct Restore(*const Local);
    impl Drop for Restore {
        fn drop(&mut self) {
            LOCAL.set(self.0);
        }
    }
    let _restore = Restore(LOCAL.replace(local));
    f()
}

/// This thread belongs to a runtime from now on.
pub(crate) fn set_owner(shared: &Arc<Shared>) {
    OWNER.set(Arc::as_ptr(shared));
}

/// Was this thread made by a runtime?
pub(crate) fn has_owner() -> bool {
    !OWNER.get().is_null()
}

/// Is this a thread that the runtime's shutdown waits for?
pub(crate) fn is_owned_by(shared: *const Shared) -> bool {
    OWNER.get() == shared
}

#[inline]
pub(crate) fn set_current_task(id: Option<Id>) -> Option<Id> {
    TASK.replace(id)
}

pub(crate) fn current_task_id() -> Option<Id> {
    TASK.get()
}

/// A thread that is no worker begins to poll a task that was spawned there, or ends it.
pub(crate) fn set_current_location(location: Option<&'static Location<'static>>) {
    LOCATION.set(location);
}

/// Where the task was spawned that this thread polls, or polled last.
pub(crate) fn current_location() -> Option<&'static Location<'static>> {
    with_local(|local| match local {
        Some(local) => local.worker().location(),
        None => LOCATION.get(),
    })
}

/// The runtime that this thread is in.
pub(crate) fn current() -> Option<Arc<Shared>> {
    with_current(|shared| shared.cloned())
}

/// As [`current`], for a look; `f` runs no user code, which could leave the runtime.
#[inline]
pub(crate) fn with_current<R>(f: impl FnOnce(Option<&Arc<Shared>>) -> R) -> R {
    let entered = ENTERED.get();
    // SAFETY: the pointer is an Arc's, and ENTERED has a reference until the runtime is left;
    // ManuallyDrop does not give it back.
    let shared = entered.map(|e| ManuallyDrop::new(unsafe { Arc::from_raw(e.shared.as_ptr()) }));
    f(shared.as_deref())
}

/// Leaves the runtime when dropped.
pub(crate) struct Enter {
    /// With its reference.
    previous: Option<Entered>,
    previous_io: Option<cmwq_io::driver::Handle>,
}

/// Enters a runtime, served by `core`.
pub(crate) fn enter(shared: &Arc<Shared>, core: usize) -> Enter {
    let pointer = Arc::into_raw(shared.clone()).cast_mut();
    // SAFETY: an Arc's pointer is not null.
    let entered = Entered { shared: unsafe { NonNull::new_unchecked(pointer) }, core };
    Enter {
        previous: ENTERED.replace(Some(entered)),
        previous_io: cmwq_io::driver::set_current(Some(shared.core(core).park.io().clone())),
    }
}

impl Drop for Enter {
    fn drop(&mut self) {
        cmwq_io::driver::set_current(self.previous_io.take());
        let left = ENTERED.replace(self.previous.take());
        // SAFETY: the reference that enter() took, of the runtime that is left.
        drop(left.map(|left| unsafe { Arc::from_raw(left.shared.as_ptr()) }));
    }
}

/// The timers that serve this thread.
pub(crate) struct Current<'a> {
    pub(crate) timers: &'a Arc<Timers>,
    core: &'a Core,
}

impl Current<'_> {
    /// Is this thread the worker that looks at the timers before it parks, so that no unpark is
    /// needed? What it stored before is visible to a worker that takes the core over later.
    pub(crate) fn is_holder(&self) -> bool {
        with_local(|local| {
            local.is_some_and(|local| ptr::eq(local.core(), self.core) && !local.has_lost())
        })
    }
}

pub(crate) fn with_timers<R>(f: impl FnOnce(Option<Current<'_>>) -> R) -> R {
    let Some(entered) = ENTERED.get() else { return f(None) };
    // SAFETY: this thread stays in the runtime while `f` runs: `f` is the timers' own code, which
    // enters and leaves none.
    let core: &Core = unsafe { entered.shared.as_ref().core(entered.core) };
    f(Some(Current { timers: &core.timers, core }))
}

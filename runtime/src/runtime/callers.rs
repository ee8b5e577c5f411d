//! The threads that wait in `block_on` while the workers run the tasks.
//!
//! Others than their wakers have to reach them: a panic that shuts the runtime down wakes them all, a
//! paused clock stands still unless each of them sleeps, and where all workers are blocked whoever looks
//! at sockets and timers wakes them, who may run no user code and so wakes nobody else but tasks.
//!
//! ```text
//!   AWAKE --sleep()--> ASLEEP --wake()--> WOKEN --next round--> AWAKE
//!     any --wake()--> WOKEN, and sleep() returns at once
//! ```

use crate::sync_types::atomic::{AtomicU32, Ordering};
use crate::sync_types::{Mutex, futex, lock};
use std::sync::Arc;
use std::task::{Wake, Waker};

/// Its future is being polled, or about to be.
const AWAKE: u32 = 0;
/// Its future has to be polled again.
const WOKEN: u32 = 1;
const ASLEEP: u32 = 2;

/// One thread in `block_on`; also the waker of its future.
pub(crate) struct Caller {
    word: AtomicU32,
}

impl Caller {
    fn new() -> Self {
        Self { word: AtomicU32::new(AWAKE) }
    }

    /// Before a poll: wakes from here on are for the next one.
    pub(super) fn begin_round(&self) {
        self.word.store(AWAKE, Ordering::SeqCst);
    }

    /// Sleeps until woken since the round began.
    pub(super) fn sleep(&self) {
        let to_sleep =
            self.word.compare_exchange(AWAKE, ASLEEP, Ordering::SeqCst, Ordering::SeqCst);
        while to_sleep.is_ok() && self.is_asleep() {
            futex::wait(&self.word, ASLEEP, None);
        }
    }

    fn wake(&self) {
        if self.word.swap(WOKEN, Ordering::SeqCst) == ASLEEP {
            futex::wake_one(&self.word);
        }
    }

    fn is_asleep(&self) -> bool {
        self.word.load(Ordering::SeqCst) == ASLEEP
    }
}

impl Wake for Caller {
    fn wake(self: Arc<Self>) {
        Caller::wake(&self);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        Caller::wake(self);
    }
}

/// All of a runtime's callers. Its lock covers pushes and looks only.
#[derive(Default)]
pub(crate) struct Callers(Mutex<Vec<Arc<Caller>>>);

impl Callers {
    /// The calling thread counts as awake until the guard is dropped or it sleeps.
    pub(super) fn enter(&self) -> InBlockOn<'_> {
        let caller = Arc::new(Caller::new());
        lock(&self.0).push(caller.clone());
        InBlockOn { callers: self, caller }
    }

    /// Lets each poll its future once more.
    pub(super) fn wake_all(&self) {
        lock(&self.0).iter().for_each(|caller| Caller::wake(caller));
    }

    /// Is it the waker of one of them? Then waking it runs no user code.
    pub(crate) fn own(&self, waker: &Waker) -> bool {
        let is_its = |caller: &Arc<Caller>| std::ptr::eq(waker.data(), Arc::as_ptr(caller).cast());
        lock(&self.0).iter().any(is_its)
    }

    /// Can none of them do anything before it is woken?
    #[cfg(feature = "test-util")]
    pub(crate) fn are_asleep(&self) -> bool {
        crate::sync_types::try_lock(&self.0)
            .is_some_and(|callers| callers.iter().all(|caller| caller.is_asleep()))
    }
}

/// Leaves the list when dropped, on unwinding too.
pub(super) struct InBlockOn<'a> {
    callers: &'a Callers,
    pub(super) caller: Arc<Caller>,
}

impl Drop for InBlockOn<'_> {
    fn drop(&mut self) {
        let mut callers = lock(&self.callers.0);
        callers.retain(|caller| !Arc::ptr_eq(caller, &self.caller));
    }
}

#[cfg(all(test, cmwq_loom))]
mod loom_tests {
    use super::Caller;
    use crate::sync_types::atomic::{AtomicU32, Ordering};
    use std::sync::Arc;

    /// A waker stores what there is to see, then wakes; two of them, and each is seen.
    #[test]
    fn wakes_against_sleep() {
        loom::model(|| {
            let shared = Arc::new((Caller::new(), AtomicU32::new(0)));
            let wakers = [1, 2].map(|bit| {
                let shared = Arc::clone(&shared);
                loom::thread::spawn(move || {
                    shared.1.fetch_or(bit, Ordering::Relaxed);
                    shared.0.wake();
                })
            });
            loop {
                shared.0.begin_round();
                if shared.1.load(Ordering::Relaxed) == 3 {
                    break;
                }
                shared.0.sleep();
            }
            wakers.into_iter().for_each(|waker| waker.join().unwrap());
        });
    }
}

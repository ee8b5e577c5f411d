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

use crate::sync_types::atomic::{AtomicU32, AtomicU64, Ordering};
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
    /// How many have begun; its own thread alone writes it.
    rounds: AtomicU64,
}

impl Caller {
    fn new() -> Self {
        Self { word: AtomicU32::new(AWAKE), rounds: AtomicU64::new(0) }
    }

    /// Before a poll: wakes from here on are for the next one.
    pub(super) fn begin_round(&self) {
        self.rounds.store(self.rounds.load(Ordering::Relaxed) + 1, Ordering::SeqCst);
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
pub(crate) struct Callers(Mutex<List>);

#[derive(Default)]
struct List {
    inside: Vec<Arc<Caller>>,
    /// The rounds of those that have left, and one for each.
    past: u64,
}

impl Callers {
    /// The calling thread counts as awake until the guard is dropped or it sleeps.
    pub(super) fn enter(&self) -> InBlockOn<'_> {
        let caller = Arc::new(Caller::new());
        lock(&self.0).inside.push(caller.clone());
        InBlockOn { callers: self, caller }
    }

    /// Lets each poll its future once more.
    pub(super) fn wake_all(&self) {
        lock(&self.0).inside.iter().for_each(|caller| Caller::wake(caller));
    }

    /// Is it the waker of one of them? Then waking it runs no user code.
    pub(crate) fn own(&self, waker: &Waker) -> bool {
        let is_its = |caller: &Arc<Caller>| std::ptr::eq(waker.data(), Arc::as_ptr(caller).cast());
        lock(&self.0).inside.iter().any(is_its)
    }

    /// If none can do anything before it is woken: a number that is higher once one has.
    #[cfg(feature = "test-util")]
    pub(crate) fn idle_stamp(&self) -> Option<u64> {
        let callers = crate::sync_types::try_lock(&self.0)?;
        callers.inside.iter().try_fold(callers.past, |sum, caller| {
            // First: of one that begins a round in between, the old number is the safe one.
            let rounds = caller.rounds.load(Ordering::SeqCst);
            caller.is_asleep().then_some(sum + rounds)
        })
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
        callers.past += self.caller.rounds.load(Ordering::Relaxed) + 1;
        callers.inside.retain(|caller| !Arc::ptr_eq(caller, &self.caller));
    }
}

#[cfg(all(test, feature = "test-util", not(cmwq_loom)))]
mod tests {
    use super::*;
    use std::thread;

    fn eventually(is_so: impl Fn() -> bool) {
        while !is_so() {
            thread::yield_now();
        }
    }

    #[test]
    fn who_was_awake_has_another_stamp() {
        let callers = Callers::default();
        let before = callers.idle_stamp().expect("there is none");
        let entry = callers.enter();
        let caller = entry.caller.clone();
        assert_eq!(callers.idle_stamp(), None, "it has not slept yet");
        thread::scope(|scope| {
            scope.spawn(move || {
                for _ in 0..2 {
                    entry.caller.begin_round();
                    entry.caller.sleep();
                }
            });
            eventually(|| caller.is_asleep());
            let first = callers.idle_stamp().expect("it sleeps");
            assert_eq!(callers.idle_stamp(), Some(first));
            Caller::wake(&caller);
            eventually(|| caller.is_asleep());
            let second = callers.idle_stamp().expect("it sleeps");
            assert!(first < second);
            Caller::wake(&caller);
            eventually(|| callers.idle_stamp().is_some());
            let left = callers.idle_stamp().expect("there is none");
            assert!(before < left && second < left);
        });
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

//! How much a task may do in one poll.
//!
//! A socket that always has data would let a task that loops over it run for ever without giving
//! the core back: every operation completes at once and nothing returns `Pending`. So the executor
//! gives each poll a [`Budget`], every completed operation takes one unit of it, and when it is used
//! up the next operation wakes its own task and returns `Pending`. The task goes to the end of the
//! queue and others run.
//!
//! The budget is a thread-local byte: only the thread that polls ever looks at it, so that it needs
//! neither an atomic nor a place in the task. It is const-initialised and has no destructor, hence
//! usable at every moment of a thread's life. A thread that never set a budget is unconstrained.
//!
//! Who may touch it: the executor, with [`set`] or [`with_budget`], around each poll; operations,
//! with [`poll_proceed`]. An executor that polls inside a poll (a nested `block_on`) sets a new
//! budget and puts the old one back, which [`with_budget`] does by itself.
//!
//! Rejected: to count polls of operations instead of completions. A `select!` over ten sockets, of
//! which nine are silent, would use ten units for each message.

use std::cell::Cell;
use std::marker::PhantomData;
use std::task::{Context, Poll};

thread_local! {
    static BUDGET: Cell<Budget> = const { Cell::new(Budget::unconstrained()) };
}

/// What is left for the present poll: a number of operations, or no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget(Option<u8>);

impl Budget {
    /// What a task gets for one poll: 128 operations, as in tokio.
    pub const fn initial() -> Budget {
        Budget(Some(128))
    }

    /// No limit.
    pub const fn unconstrained() -> Budget {
        Budget(None)
    }

    /// Whether an operation may still complete in this poll.
    pub const fn has_remaining(self) -> bool {
        !matches!(self.0, Some(0))
    }
}

/// Sets the budget of this thread and returns what it was.
///
/// # Examples
///
/// ```
/// use cmwq_io::budget::{self, Budget};
///
/// let outer = budget::set(Budget::initial());
/// // ... poll a task ...
/// budget::set(outer);
/// ```
#[inline]
pub fn set(budget: Budget) -> Budget {
    BUDGET.with(|cell| cell.replace(budget))
}

/// Runs `f` with `budget` and restores the former budget afterwards, also when `f` panics.
pub fn with_budget<R>(budget: Budget, f: impl FnOnce() -> R) -> R {
    struct Restore(Budget);
    impl Drop for Restore {
        fn drop(&mut self) {
            set(self.0);
        }
    }
    let _restore = Restore(set(budget));
    f()
}

/// Whether the task that this thread polls may complete another operation.
///
/// True outside of tasks and for unconstrained ones.
#[inline]
pub fn has_remaining() -> bool {
    BUDGET.with(Cell::get).has_remaining()
}

/// Takes one unit of the budget, or tells the caller to yield.
///
/// When nothing is left it wakes the task of `cx` and returns `Pending`; the caller returns
/// `Pending` too. Otherwise it returns a guard. A caller that completes its operation calls
/// [`RestoreOnPending::made_progress`]; a guard dropped without that gives the unit back, so that
/// waiting costs no budget.
///
/// # Examples
///
/// ```
/// use cmwq_io::budget;
/// use std::task::{Context, Poll, ready};
///
/// fn poll_next(cx: &mut Context<'_>, queue: &mut Vec<u32>) -> Poll<u32> {
///     let unit = ready!(budget::poll_proceed(cx));
///     match queue.pop() {
///         Some(item) => {
///             unit.made_progress();
///             Poll::Ready(item)
///         }
///         None => Poll::Pending,
///     }
/// }
/// ```
#[inline]
pub fn poll_proceed(cx: &mut Context<'_>) -> Poll<RestoreOnPending> {
    BUDGET.with(|cell| {
        let before = cell.get();
        match before.0 {
            None => {}
            Some(0) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some(left) => cell.set(Budget(Some(left - 1))),
        }
        Poll::Ready(RestoreOnPending { before: Cell::new(before), _this_thread: PhantomData })
    })
}

/// Gives a unit of the budget back when it is dropped, unless progress was made.
///
/// Must not outlive the poll that made it; it is not `Send`, so that a future that keeps one over an
/// `await` cannot be spawned by mistake.
#[derive(Debug)]
#[must_use = "dropping it at once gives the unit back"]
pub struct RestoreOnPending {
    before: Cell<Budget>,
    _this_thread: PhantomData<*mut ()>,
}

impl RestoreOnPending {
    /// The operation completed: its unit stays spent.
    #[inline]
    pub fn made_progress(&self) {
        self.before.set(Budget::unconstrained());
    }
}

impl Drop for RestoreOnPending {
    #[inline]
    fn drop(&mut self) {
        let before = self.before.get();
        if before != Budget::unconstrained() {
            set(before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_spent_budget_wakes_and_yields() {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        with_budget(Budget::initial(), || {
            for _ in 0..128 {
                assert!(has_remaining());
                let Poll::Ready(unit) = poll_proceed(&mut cx) else { panic!("budget left") };
                unit.made_progress();
            }
            assert!(!has_remaining());
            assert!(poll_proceed(&mut cx).is_pending());
        });
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(has_remaining());
    }

    #[test]
    fn waiting_costs_nothing() {
        let mut cx = Context::from_waker(Waker::noop());
        with_budget(Budget::initial(), || {
            for _ in 0..1000 {
                assert!(poll_proceed(&mut cx).is_ready());
            }
            assert_eq!(BUDGET.with(Cell::get), Budget::initial());
        });
    }

    #[test]
    fn a_panic_restores_the_outer_budget() {
        let outer = set(Budget::initial());
        let result = std::panic::catch_unwind(|| {
            with_budget(Budget::unconstrained(), || panic!("expected by the test"))
        });
        assert!(result.is_err());
        assert_eq!(set(outer), Budget::initial());
    }
}

//! Values that belong to a task: [`task_local!`](crate::task_local), [`LocalKey`] and
//! [`TaskLocalFuture`].
//!
//! A key owns a thread-local slot. A scope owns its value while its future is not being polled
//! and exchanges it with the slot for the time of each poll, so that the value follows the task
//! from thread to thread and nested scopes restore what they found. The runtime takes no part:
//! a takeover moves the other tasks of a core away from a blocked thread, never the task that
//! blocked, and so a poll begins and ends on one thread.
//!
//! Rejected: a map from key to value in the task itself. It would allocate for every task that
//! has a value, and work under one runtime only.

use pin_project_lite::pin_project;
use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

/// Declares task-local keys of type [`LocalKey`](crate::task::LocalKey).
///
/// The syntax is that of [`std::thread_local!`] without initial values: a key has a value only
/// inside of [`LocalKey::scope`](crate::task::LocalKey::scope) or
/// [`LocalKey::sync_scope`](crate::task::LocalKey::sync_scope). As in tokio.
///
/// # Examples
///
/// ```
/// cmwq::task_local! {
///     /// The request that this task serves.
///     pub static REQUEST: u64;
///     static USER: String;
/// }
///
/// # #[cmwq::main(flavor = "current_thread")]
/// # async fn main() {
/// let answer = REQUEST
///     .scope(7, async {
///         cmwq::task::yield_now().await;
///         REQUEST.get() * 6
///     })
///     .await;
/// assert_eq!(answer, 42);
/// assert!(USER.try_with(String::len).is_err());
/// # }
/// ```
#[macro_export]
macro_rules! task_local {
    () => {};
    ($(#[$attr:meta])* $vis:vis static $name:ident: $t:ty $(; $($rest:tt)*)?) => {
        $(#[$attr])*
        $vis static $name: $crate::task::LocalKey<$t> = {
            ::std::thread_local! {
                static SLOT: ::core::cell::RefCell<::core::option::Option<$t>> =
                    const { ::core::cell::RefCell::new(::core::option::Option::None) };
            }
            $crate::task::LocalKey { inner: SLOT }
        };
        $($crate::task_local!($($rest)*);)?
    };
}

/// A key to a value that belongs to the running task; made by
/// [`task_local!`](crate::task_local).
///
/// The value lives in a scope. [`scope`](Self::scope) makes it visible to one future and
/// everything that this future calls or polls; tasks spawned from there do not inherit it.
///
/// # Differences from tokio
///
/// None in use. Since `block_on` is allowed inside a task here, a future that runs in a nested
/// `block_on` sees the values of the task around it.
///
/// # Examples
///
/// ```
/// cmwq::task_local! {
///     static NUMBER: u32;
/// }
///
/// # #[cmwq::main(flavor = "current_thread")]
/// # async fn main() {
/// NUMBER
///     .scope(1, async {
///         assert_eq!(NUMBER.get(), 1);
///         NUMBER.scope(2, async { assert_eq!(NUMBER.get(), 2) }).await;
///         assert_eq!(NUMBER.get(), 1);
///     })
///     .await;
/// # }
/// ```
pub struct LocalKey<T: 'static> {
    // Public for the expansion of `task_local!` alone.
    #[doc(hidden)]
    pub inner: thread::LocalKey<RefCell<Option<T>>>,
}

impl<T: 'static> LocalKey<T> {
    /// Makes a future in which this key has the value `value`.
    ///
    /// The value is dropped with the returned future, unless
    /// [`take_value`](TaskLocalFuture::take_value) takes it out. It is visible while the inner
    /// future is dropped, too.
    ///
    /// # Panics
    ///
    /// Polling the returned future panics when it has completed before, when it happens inside
    /// of [`with`](Self::with) on the same key, and while the thread's locals are being
    /// destroyed.
    ///
    /// # Examples
    ///
    /// ```
    /// cmwq::task_local! {
    ///     static NUMBER: u32;
    /// }
    ///
    /// # #[cmwq::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let task = cmwq::spawn(NUMBER.scope(1, async { NUMBER.get() }));
    /// assert_eq!(task.await.unwrap(), 1);
    /// # }
    /// ```
    pub fn scope<F>(&'static self, value: T, f: F) -> TaskLocalFuture<T, F>
    where
        F: Future,
    {
        TaskLocalFuture { key: self, slot: Some(value), future: Some(f) }
    }

    /// Calls `f` with this key set to `value`, and restores the former value.
    ///
    /// # Panics
    ///
    /// Panics when called inside of [`with`](Self::with) on the same key, and while the
    /// thread's locals are being destroyed. A panic of `f` is passed on; the former value is
    /// restored then, too.
    ///
    /// # Examples
    ///
    /// ```
    /// cmwq::task_local! {
    ///     static NUMBER: u32;
    /// }
    ///
    /// assert_eq!(NUMBER.sync_scope(1, || NUMBER.get() + 1), 2);
    /// assert!(NUMBER.try_get().is_err());
    /// ```
    #[track_caller]
    pub fn sync_scope<F, R>(&'static self, value: T, f: F) -> R
    where
        F: FnOnce() -> R,
    {
        let mut value = Some(value);
        match self.enter(&mut value, f) {
            Ok(result) => result,
            Err(refusal) => refusal.panic(),
        }
    }

    /// Calls `f` with a reference to the value.
    ///
    /// # Panics
    ///
    /// Panics when this key has no value here: outside of every scope, and in a task that was
    /// spawned inside of one.
    #[track_caller]
    pub fn with<F, R>(&'static self, f: F) -> R
    where
        F: FnOnce(&T) -> R,
    {
        match self.try_with(f) {
            Ok(result) => result,
            Err(error) => panic!("{error}"),
        }
    }

    /// Calls `f` with a reference to the value, if there is one.
    ///
    /// # Errors
    ///
    /// [`AccessError`] when this key has no value here; `f` is not called then.
    pub fn try_with<F, R>(&'static self, f: F) -> Result<R, AccessError>
    where
        F: FnOnce(&T) -> R,
    {
        let found = self.inner.try_with(|slot| slot.borrow().as_ref().map(f));
        found.ok().flatten().ok_or(AccessError { _private: () })
    }

    /// Calls `f` while this key has the value in `value`, which may be none, and exchanges the
    /// two back when `f` returns or panics. Where an error is returned, `f` was not called.
    fn enter<R>(
        &'static self,
        value: &mut Option<T>,
        f: impl FnOnce() -> R,
    ) -> Result<R, ScopeRefused> {
        struct Restore<'a, T: 'static> {
            key: &'static LocalKey<T>,
            value: &'a mut Option<T>,
        }

        impl<T: 'static> Drop for Restore<'_, T> {
            fn drop(&mut self) {
                // Never fails: the borrows that `f` began are over, and the thread's locals
                // are not destroyed below a running function.
                self.key.inner.with(|slot| mem::swap(self.value, &mut *slot.borrow_mut()));
            }
        }

        self.inner
            .try_with(|slot| {
                let mut slot = slot.try_borrow_mut().map_err(|_| ScopeRefused::InUse)?;
                mem::swap(value, &mut *slot);
                Ok(())
            })
            .unwrap_or(Err(ScopeRefused::ThreadEnds))?;
        let _restore = Restore { key: self, value };
        Ok(f())
    }
}

impl<T: Clone + 'static> LocalKey<T> {
    /// Returns a clone of the value.
    ///
    /// # Panics
    ///
    /// Panics when this key has no value here, as [`with`](Self::with).
    #[track_caller]
    pub fn get(&'static self) -> T {
        self.with(T::clone)
    }

    /// Returns a clone of the value, if there is one.
    ///
    /// # Errors
    ///
    /// [`AccessError`] when this key has no value here.
    pub fn try_get(&'static self) -> Result<T, AccessError> {
        self.try_with(T::clone)
    }
}

impl<T: 'static> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("LocalKey { .. }")
    }
}

pin_project! {
    /// A future in which a task-local key has a value; made by [`LocalKey::scope`].
    pub struct TaskLocalFuture<T, F>
    where
        T: 'static,
    {
        key: &'static LocalKey<T>,
        // Holds the scope's value between polls, and the outer scope's during one.
        slot: Option<T>,
        // None once completed: the output exists, the future is dropped inside of its scope.
        #[pin]
        future: Option<F>,
    }

    impl<T: 'static, F> PinnedDrop for TaskLocalFuture<T, F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if mem::needs_drop::<F>() && this.future.is_some() {
                let mut future = this.future;
                // Where the scope is refused, the future is dropped outside of it.
                let _ = this.key.enter(this.slot, || future.set(None));
            }
        }
    }
}

impl<T: 'static, F> TaskLocalFuture<T, F> {
    /// Takes the value out of the scope; `None` when it was taken before.
    ///
    /// Where the future has not completed, its later polls run without a value.
    ///
    /// # Examples
    ///
    /// ```
    /// cmwq::task_local! {
    ///     static NUMBER: u32;
    /// }
    ///
    /// # #[cmwq::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let mut scope = Box::pin(NUMBER.scope(1, async { NUMBER.get() }));
    /// assert_eq!(scope.as_mut().await, 1);
    /// assert_eq!(scope.as_mut().take_value(), Some(1));
    /// assert_eq!(scope.as_mut().take_value(), None);
    /// # }
    /// ```
    pub fn take_value(self: Pin<&mut Self>) -> Option<T> {
        self.project().slot.take()
    }
}

impl<T: 'static, F: Future> Future for TaskLocalFuture<T, F> {
    type Output = F::Output;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut future = this.future;
        let polled = this.key.enter(this.slot, || {
            let poll = future.as_mut().as_pin_mut()?.poll(cx);
            if poll.is_ready() {
                future.set(None);
            }
            Some(poll)
        });
        match polled {
            Ok(Some(poll)) => poll,
            Ok(None) => panic!("a `TaskLocalFuture` was polled after it had completed"),
            Err(refusal) => refusal.panic(),
        }
    }
}

impl<T: fmt::Debug + 'static, F> fmt::Debug for TaskLocalFuture<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskLocalFuture").field("value", &self.slot).finish_non_exhaustive()
    }
}

/// The key has no value here; returned by [`LocalKey::try_with`] and [`LocalKey::try_get`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AccessError {
    _private: (),
}

impl fmt::Debug for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessError").finish()
    }
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "task-local value not set: read it inside of `LocalKey::scope` or `sync_scope` \
             (a spawned task does not inherit it)",
        )
    }
}

impl Error for AccessError {}

/// Why a scope cannot be entered.
enum ScopeRefused {
    InUse,
    ThreadEnds,
}

impl ScopeRefused {
    #[track_caller]
    fn panic(self) -> ! {
        match self {
            ScopeRefused::InUse => panic!(
                "cannot enter a task-local scope inside of `LocalKey::with` on the same key: \
                 clone the value with `LocalKey::get` and leave `with` first"
            ),
            ScopeRefused::ThreadEnds => panic!(
                "cannot enter a task-local scope while the thread's locals are being destroyed: \
                 do not poll or start scopes in the destructor of a thread-local"
            ),
        }
    }
}

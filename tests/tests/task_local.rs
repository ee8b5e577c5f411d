//! Task-local values: where they are visible, and what restores them.

use cmwq::task::{LocalKey, TaskLocalFuture};
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

cmwq::task_local! {
    static NUMBER: u32;
    /// A second key in one invocation, visible outside of its module.
    pub static TEXT: String
}

cmwq::task_local!();

cmwq::task_local! {
    static NOT_SEND: Rc<u32>;
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Pending once, then ready.
async fn pend_once() {
    let mut pended = false;
    poll_fn(|_| if std::mem::replace(&mut pended, true) { Poll::Ready(()) } else { Poll::Pending })
        .await
}

#[test]
fn a_key_has_no_value_outside_of_a_scope() {
    assert!(NUMBER.try_with(|_| ()).is_err());
    let error = NUMBER.try_get().unwrap_err();
    assert!(error.to_string().starts_with("task-local value not set"), "{error}");
    assert!(catch_unwind(|| NUMBER.get()).is_err());
    assert!(catch_unwind(|| NUMBER.with(|_| ())).is_err());
}

#[test]
fn the_value_is_there_during_polls_and_only_then() {
    let mut scope = pin!(NUMBER.scope(7, async {
        assert_eq!(NUMBER.get(), 7);
        pend_once().await;
        NUMBER.get()
    }));
    assert!(poll(scope.as_mut()).is_pending());
    assert!(NUMBER.try_get().is_err());
    assert_eq!(poll(scope.as_mut()), Poll::Ready(7));
    assert!(NUMBER.try_get().is_err());
}

#[test]
fn scopes_that_take_turns_keep_their_values() {
    let reads = |key: &'static LocalKey<u32>| async move {
        pend_once().await;
        key.get()
    };
    let mut one = pin!(NUMBER.scope(1, reads(&NUMBER)));
    let mut two = pin!(NUMBER.scope(2, reads(&NUMBER)));
    assert!(poll(one.as_mut()).is_pending());
    assert!(poll(two.as_mut()).is_pending());
    assert_eq!(poll(one.as_mut()), Poll::Ready(1));
    assert_eq!(poll(two.as_mut()), Poll::Ready(2));
}

#[test]
fn the_inner_scope_hides_the_outer_one() {
    NUMBER.sync_scope(1, || {
        let mut inner = pin!(NUMBER.scope(2, async {
            pend_once().await;
            NUMBER.get()
        }));
        assert!(poll(inner.as_mut()).is_pending());
        assert_eq!(NUMBER.get(), 1);
        assert_eq!(poll(inner.as_mut()), Poll::Ready(2));
        assert_eq!(NUMBER.get(), 1);
    });
}

#[test]
fn a_panic_restores_the_outer_value() {
    NUMBER.sync_scope(1, || {
        let panicked = catch_unwind(|| NUMBER.sync_scope(2, || panic!("inside")));
        assert!(panicked.is_err());
        assert_eq!(NUMBER.get(), 1);

        let mut scope = Box::pin(NUMBER.scope(3, async { panic!("inside") }));
        let panicked = catch_unwind(AssertUnwindSafe(|| poll(scope.as_mut())));
        assert!(panicked.is_err());
        assert_eq!(NUMBER.get(), 1);
    });
    assert!(NUMBER.try_get().is_err());
}

/// Notes the task-local value that it sees when it is dropped.
struct Seen(Arc<AtomicU32>);

impl Drop for Seen {
    fn drop(&mut self) {
        self.0.store(NUMBER.try_get().unwrap_or(u32::MAX), Ordering::Relaxed);
    }
}

#[test]
fn the_future_is_dropped_inside_of_its_scope() {
    let seen = Arc::new(AtomicU32::new(0));
    let future = |seen: Seen, ready: bool| async move {
        let _seen = seen;
        if !ready {
            pending::<()>().await;
        }
    };

    drop(NUMBER.scope(1, future(Seen(seen.clone()), false)));
    assert_eq!(seen.load(Ordering::Relaxed), 1, "never polled");

    let mut scope = Box::pin(NUMBER.scope(2, future(Seen(seen.clone()), false)));
    assert!(poll(scope.as_mut()).is_pending());
    drop(scope);
    assert_eq!(seen.load(Ordering::Relaxed), 2, "pending");

    let mut scope = Box::pin(NUMBER.scope(3, future(Seen(seen.clone()), true)));
    assert!(poll(scope.as_mut()).is_ready());
    assert_eq!(seen.load(Ordering::Relaxed), 3, "completed");
}

#[test]
fn take_value() {
    let mut scope = pin!(TEXT.scope("text".to_string(), async {
        pend_once().await;
        TEXT.try_get().is_ok()
    }));
    assert!(poll(scope.as_mut()).is_pending());
    assert_eq!(scope.as_mut().take_value().as_deref(), Some("text"));
    assert_eq!(scope.as_mut().take_value(), None);
    assert_eq!(poll(scope.as_mut()), Poll::Ready(false));

    let mut scope = pin!(NUMBER.scope(5, async {}));
    assert!(poll(scope.as_mut()).is_ready());
    assert_eq!(scope.take_value(), Some(5));
}

#[test]
#[should_panic(expected = "polled after it had completed")]
fn a_poll_after_completion_panics() {
    let mut scope = pin!(NUMBER.scope(5, async {}));
    assert!(poll(scope.as_mut()).is_ready());
    let _ = poll(scope.as_mut());
}

#[test]
#[should_panic(expected = "inside of `LocalKey::with`")]
fn a_scope_inside_of_with_panics() {
    NUMBER.sync_scope(1, || NUMBER.with(|_| NUMBER.sync_scope(2, || ())));
}

#[test]
fn values_need_not_be_send_or_clone() {
    let length = NOT_SEND.sync_scope(Rc::new(3), || NOT_SEND.with(|value| **value));
    assert_eq!(length, 3);
}

#[test]
fn debug_output() {
    assert_eq!(format!("{NUMBER:?}"), "LocalKey { .. }");
    let scope = NUMBER.scope(1, async {});
    assert_eq!(format!("{scope:?}"), "TaskLocalFuture { value: Some(1), .. }");
    assert_eq!(format!("{:?}", NUMBER.try_get().unwrap_err()), "AccessError");
}

#[test]
fn a_scope_is_send_where_value_and_future_are() {
    fn assert_send<T: Send + Sync>(_: &TaskLocalFuture<u32, T>) {}
    assert_send(&NUMBER.scope(1, std::future::ready(())));
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spawned_task_has_the_value_of_its_own_scope_only() {
    NUMBER
        .scope(1, async {
            assert!(cmwq::spawn(async { NUMBER.try_get() }).await.unwrap().is_err());
            let tasks: Vec<_> = (10..20)
                .map(|i| {
                    let body = async {
                        for _ in 0..20 {
                            let before = NUMBER.get();
                            cmwq::task::yield_now().await;
                            assert_eq!(before, NUMBER.get());
                        }
                        NUMBER.get()
                    };
                    (i, cmwq::spawn(NUMBER.scope(i, body)))
                })
                .collect();
            for (i, task) in tasks {
                assert_eq!(task.await.unwrap(), i);
            }
            assert_eq!(NUMBER.get(), 1);
        })
        .await;
}

//! `JoinSet`: every task is joined once, in the order of completion, whatever is aborted,
//! detached or cancelled in between.

use cmwq::runtime::{Builder, Runtime};
use cmwq::task::{JoinSet, yield_now};
use std::cell::Cell;
use std::collections::HashSet;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Counts the tasks that are alive.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Alive {
        count.fetch_add(1, Ordering::SeqCst);
        Alive(count.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cmwq::test]
async fn an_empty_set_has_nothing_to_join() {
    let mut set = JoinSet::<()>::new();
    assert!(set.is_empty());
    assert!(set.join_next().await.is_none());
    assert!(set.join_next_with_id().await.is_none());
    assert!(set.try_join_next().is_none());
    assert_eq!(format!("{set:?}"), "JoinSet { len: 0 }");
    assert!(set.join_all().await.is_empty());
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_task_is_joined_once() {
    let mut set = JoinSet::default();
    for i in 0..100 {
        set.spawn(async move {
            if i % 3 == 0 {
                yield_now().await;
            }
            i
        });
    }
    assert_eq!(set.len(), 100);
    let mut seen = HashSet::new();
    while let Some(output) = set.join_next().await {
        assert!(seen.insert(output.unwrap()));
        assert_eq!(set.len(), 100 - seen.len());
    }
    assert_eq!(seen.len(), 100);
}

#[cmwq::test]
async fn outputs_come_in_the_order_of_completion() {
    let (senders, tasks): (Vec<_>, Vec<_>) = (0..3)
        .map(|i| {
            let (sender, receiver) = cmwq::sync::oneshot::channel::<()>();
            let task = async move {
                receiver.await.unwrap();
                i
            };
            (sender, task)
        })
        .unzip();
    let mut set: JoinSet<usize> = tasks.into_iter().collect();
    let mut senders: Vec<_> = senders.into_iter().map(Some).collect();
    for i in [2, 0, 1] {
        assert!(set.try_join_next().is_none());
        senders[i].take().unwrap().send(()).unwrap();
        assert_eq!(set.join_next().await.unwrap().unwrap(), i);
    }
}

#[cmwq::test]
async fn ids_belong_to_their_tasks() {
    let mut set = JoinSet::new();
    let good = set.spawn(async { 1 }).id();
    let (id, output) = set.join_next_with_id().await.unwrap().unwrap();
    assert_eq!((id, output), (good, 1));

    let bad = set.spawn(async { panic!("as intended") }).id();
    let error = set.join_next_with_id().await.unwrap().unwrap_err();
    assert!(error.is_panic());
    assert_eq!(error.id(), bad);
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 2)]
async fn abort_of_one_task() {
    let mut set = JoinSet::new();
    let lost = set.spawn(pending::<u32>());
    set.spawn(async { 1 });
    assert_eq!(set.join_next().await.unwrap().unwrap(), 1);
    assert!(!lost.is_finished());
    lost.abort();
    let error = set.join_next().await.unwrap().unwrap_err();
    assert!(error.is_cancelled());
    assert_eq!(error.id(), lost.id());
    assert!(set.is_empty());
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 2)]
async fn abort_all_and_shutdown() {
    let alive = Arc::new(AtomicUsize::new(0));
    let mut set = JoinSet::new();
    for _ in 0..10 {
        let guard = Alive::new(&alive);
        set.spawn(async move {
            let _guard = guard;
            pending::<()>().await
        });
    }
    set.abort_all();
    assert_eq!(set.len(), 10);
    while let Some(output) = set.join_next().await {
        assert!(output.unwrap_err().is_cancelled());
    }
    assert_eq!(alive.load(Ordering::SeqCst), 0);

    set.spawn(pending());
    set.spawn(async { panic!("ignored by shutdown") });
    set.shutdown().await;
    assert!(set.is_empty());
    set.spawn(async {});
    assert!(set.join_next().await.unwrap().is_ok());
}

#[test]
fn dropping_the_set_aborts_its_tasks() {
    runtime().block_on(async {
        let (sender, receiver) = cmwq::sync::oneshot::channel::<()>();
        let mut set = JoinSet::new();
        set.spawn(async move {
            let _sender = sender;
            pending::<()>().await
        });
        drop(set);
        assert!(receiver.await.is_err());
    });
}

#[test]
fn detached_tasks_go_on() {
    runtime().block_on(async {
        let (start, started) = cmwq::sync::oneshot::channel::<()>();
        let (done, receiver) = cmwq::sync::oneshot::channel();
        let mut set = JoinSet::new();
        set.spawn(async move {
            started.await.unwrap();
            done.send(42).unwrap();
        });
        set.detach_all();
        assert!(set.is_empty());
        assert!(set.join_next().await.is_none());
        start.send(()).unwrap();
        assert_eq!(receiver.await.unwrap(), 42);

        // A wake of a detached task finds another task under its key.
        set.spawn(async {});
        assert!(set.join_next().await.unwrap().is_ok());
        assert!(set.join_next().await.is_none());
    });
}

#[test]
fn spawn_on_works_outside_of_the_runtime() {
    let runtime = runtime();
    let mut set = JoinSet::new();
    set.spawn_on(async { 1 }, runtime.handle());
    set.spawn_blocking_on(|| 2, runtime.handle());
    let mut outputs = runtime.block_on(set.join_all());
    outputs.sort();
    assert_eq!(outputs, [1, 2]);
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 2)]
async fn spawn_blocking() {
    let mut set = JoinSet::new();
    for i in 0..4 {
        set.spawn_blocking(move || i);
    }
    set.extend((4..6).map(|i| async move { i }));
    let mut outputs = set.join_all().await;
    outputs.sort();
    assert_eq!(outputs, [0, 1, 2, 3, 4, 5]);
}

#[cmwq::test]
#[should_panic(expected = "from the task")]
async fn join_all_passes_a_panic_on() {
    let mut set = JoinSet::new();
    set.spawn(async { panic!("from the task") });
    set.spawn(pending::<()>());
    set.join_all().await;
}

#[cmwq::test]
#[should_panic(expected = "JoinSet::join_all")]
async fn join_all_panics_for_an_aborted_task() {
    let mut set = JoinSet::new();
    set.spawn(pending::<()>()).abort();
    set.join_all().await;
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_join_next_takes_no_task_out() {
    let mut set = JoinSet::new();
    for i in 0..200 {
        set.spawn(async move {
            yield_now().await;
            i
        });
    }
    let mut seen = HashSet::new();
    while !set.is_empty() {
        // Polled once, then dropped, whatever it says.
        let mut next = pin!(set.join_next());
        let polled = poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx))).await;
        match polled {
            Poll::Ready(Some(output)) => assert!(seen.insert(output.unwrap())),
            Poll::Ready(None) => break,
            Poll::Pending => yield_now().await,
        }
    }
    assert_eq!(seen.len(), 200);
}

#[test]
fn a_task_added_after_a_pending_poll_wakes_the_poller() {
    let runtime = runtime();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    let mut cx = Context::from_waker(&waker);

    let mut set = JoinSet::new();
    set.spawn_on(pending(), runtime.handle());
    assert!(set.poll_join_next(&mut cx).is_pending());
    set.spawn_on(async { 42 }, runtime.handle());
    while wakes.0.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    assert!(matches!(set.poll_join_next(&mut cx), Poll::Ready(Some(Ok(42)))));
    assert!(set.poll_join_next(&mut cx).is_pending());
    assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
}

#[test]
fn only_completed_tasks_wake_the_poller() {
    let runtime = runtime();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    let mut cx = Context::from_waker(&waker);

    let mut set = JoinSet::new();
    assert!(set.poll_join_next(&mut cx).is_ready());
    let (sender, receiver) = mpsc::channel();
    for _ in 0..10 {
        let sender = sender.clone();
        let task = async move {
            yield_now().await;
            sender.send(()).unwrap();
            pending::<()>().await
        };
        set.spawn_on(task, runtime.handle());
        assert!(set.poll_join_next(&mut cx).is_pending());
    }
    for _ in 0..10 {
        receiver.recv().unwrap();
    }
    assert_eq!(wakes.0.load(Ordering::SeqCst), 0);
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_join_yields_when_the_budget_is_used_up() {
    const TASKS: usize = 300;
    let mut set = JoinSet::new();
    let finished: Vec<_> = (0..TASKS).map(|_| set.spawn(async {})).collect();
    while !finished.iter().all(|task| task.is_finished()) {
        yield_now().await;
    }
    let mut joined = 0;
    let mut yields = 0;
    while joined < TASKS {
        let mut next = pin!(set.join_next());
        match poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx))).await {
            Poll::Ready(output) => {
                output.unwrap().unwrap();
                joined += 1;
            }
            Poll::Pending => {
                yields += 1;
                yield_now().await;
            }
        }
    }
    assert!(yields >= 1);
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 2)]
async fn try_join_next_spends_no_budget() {
    const TASKS: usize = 300;
    let mut set = JoinSet::new();
    let finished: Vec<_> = (0..TASKS).map(|_| set.spawn(async {})).collect();
    while !finished.iter().all(|task| task.is_finished()) {
        yield_now().await;
    }
    // A task is finished a moment before its waker is called.
    let mut joined = 0;
    while joined < TASKS {
        if set.try_join_next().is_some_and(|output| output.is_ok()) {
            joined += 1;
        }
    }
    assert!(set.is_empty());
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_that_complete_while_others_are_added_and_joined() {
    let mut set = JoinSet::new();
    let mut joined = 0;
    for i in 0..1_000_u32 {
        set.spawn(async move {
            for _ in 0..i % 4 {
                yield_now().await;
            }
        });
        if i % 8 == 0 {
            while set.try_join_next().is_some() {
                joined += 1;
            }
        }
    }
    while let Some(output) = set.join_next().await {
        output.unwrap();
        joined += 1;
    }
    assert_eq!(joined, 1_000);
}

#[test]
fn a_set_is_send_sync_and_unpin_where_its_outputs_are_send() {
    fn assert<T: Send + Sync + Unpin>() {}
    assert::<JoinSet<Cell<u32>>>();
}

//! Priority inheritance by a flush of a whole queue: what is in it is served as urgent.
//!
//! As in `boost.rs`, a task tells which pool runs it.

use cmwq::runtime::{Builder, Runtime};
use cmwq::sync::oneshot;
use cmwq::task::JoinHandle;
use cmwq::{Work, Workqueue};
use cmwq_tests::inherit::{Gated, is_urgent, waiting};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// One core, so that all is on the same CPU.
fn one_core() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).build().unwrap()
}

fn queues(runtime: &Runtime) -> [Workqueue; 3] {
    let build = |builder: cmwq::workqueue::Builder| builder.build_on(runtime.handle()).unwrap();
    let normal = || build(Workqueue::builder());
    [normal(), normal(), build(Workqueue::builder().high_priority())]
}

/// A task that waits for its gate, and then tells whether it is run as urgent.
async fn gated(queue: &Workqueue) -> (oneshot::Sender<()>, oneshot::Receiver<bool>) {
    let Gated { gate, seen, .. } = waiting(queue).await;
    (gate, seen)
}

/// A task of `by` that waits for `future`, after its first poll.
async fn waits<F>(by: &Workqueue, future: F) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let (tell, begun) = oneshot::channel();
    let waiter = by.spawn(async move {
        let mut future = Box::pin(future);
        poll_fn(|cx| {
            assert!(Pin::new(&mut future).poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        let _ = tell.send(());
        future.await;
    });
    begun.await.unwrap();
    waiter
}

#[test]
fn a_flush_raises_all_that_it_waits_for() {
    let runtime = one_core();
    let [normal, _, high] = queues(&runtime);
    runtime.block_on(async {
        for is_drain in [false, true] {
            let all = [gated(&normal).await, gated(&normal).await, gated(&normal).await];
            let (gates, tasks): (Vec<_>, Vec<_>) = all.into_iter().unzip();
            let flush = match is_drain {
                false => waits(&high, normal.flush()).await,
                true => waits(&high, normal.drain()).await,
            };
            gates.into_iter().for_each(|gate| gate.send(()).unwrap());
            for task in tasks {
                assert!(task.await.unwrap());
            }
            flush.await.unwrap();
            let (gate, task) = gated(&normal).await;
            gate.send(()).unwrap();
            assert!(!task.await.unwrap(), "the flush is over");
        }
    });
}

#[test]
fn it_raises_work_items_and_inactive_ones() {
    let runtime = one_core();
    let [_, _, high] = queues(&runtime);
    let limited = Workqueue::builder().max_active(1).build_on(runtime.handle()).unwrap();
    runtime.block_on(async {
        let (gate, first) = gated(&limited).await;
        let (tell, ran) = oneshot::channel();
        let mut tell = Some(tell);
        let work = Work::new(move || tell.take().unwrap().send(is_urgent()).unwrap());
        assert!(work.queue(&limited));
        let flush = waits(&high, limited.flush()).await;
        gate.send(()).unwrap();
        assert!(first.await.unwrap() && ran.await.unwrap());
        flush.await.unwrap();
    });
}

#[test]
fn a_dropped_flush_ends_it() {
    let runtime = one_core();
    let [normal, _, high] = queues(&runtime);
    runtime.block_on(async {
        let (gate, task) = gated(&normal).await;
        let (one, other) = (waits(&high, normal.flush()).await, waits(&high, normal.flush()).await);
        for flush in [one, other] {
            flush.abort();
            assert!(flush.await.unwrap_err().is_cancelled());
        }
        gate.send(()).unwrap();
        assert!(!task.await.unwrap());
    });
}

#[test]
fn a_normal_flush_raises_what_it_waits_for_once_it_is_awaited() {
    let runtime = one_core();
    let [normal, other, high] = queues(&runtime);
    runtime.block_on(async {
        let (gate, task) = gated(&other).await;
        let flush = waits(&normal, other.flush()).await;
        gate.send(()).unwrap();
        assert!(!task.await.unwrap(), "a normal task flushes");
        flush.await.unwrap();

        let (gate, task) = gated(&other).await;
        let flush = waits(&normal, other.flush()).await;
        let waiter = waits(&high, async { flush.await.unwrap() }).await;
        gate.send(()).unwrap();
        assert!(task.await.unwrap(), "an urgent one awaits the one that flushes");
        waiter.await.unwrap();
    });
}

#[test]
fn a_blocking_flush_counts() {
    let runtime = one_core();
    let [normal, _, high] = queues(&runtime);
    runtime.block_on(async {
        let (gate, task) = gated(&normal).await;
        let ((tell, begun), flushed) = (oneshot::channel(), normal.clone());
        let flush = high.spawn(async move {
            tell.send(()).unwrap();
            flushed.flush_blocking();
        });
        begun.await.unwrap();
        // It may be a moment away from its wait; then what it raises has begun already.
        while normal.stats().boosted == 0 {
            cmwq::task::yield_now().await;
        }
        gate.send(()).unwrap();
        assert!(task.await.unwrap());
        flush.await.unwrap();
    });
}

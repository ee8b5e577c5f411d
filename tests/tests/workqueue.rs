//! Futures on workqueues: limits, order, flush.

use cmwq::Workqueue;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How many are in progress, and how many were at most.
#[derive(Default)]
struct Crowd {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Crowd {
    async fn stay(&self, time: Duration) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        cmwq::time::sleep(time).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn max_active_counts_from_the_first_poll_to_completion() {
    let queue = Workqueue::builder().max_active(2).build().unwrap();
    let crowd = Arc::new(Crowd::default());
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let crowd = crowd.clone();
            queue.spawn_on(0, async move { crowd.stay(Duration::from_millis(2)).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(crowd.most.load(Ordering::SeqCst), 2);
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn without_a_limit_all_futures_are_in_progress() {
    let queue = Workqueue::builder().build().unwrap();
    let barrier = Arc::new(cmwq::sync::Barrier::new(3000));
    let tasks: Vec<_> = (0..3000)
        .map(|_| {
            let barrier = barrier.clone();
            queue.spawn(async move {
                barrier.wait().await;
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn inactive_futures_start_in_the_order_in_which_they_were_queued() {
    let queue = Workqueue::builder().max_active(1).build().unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    for number in 0..100 {
        let order = order.clone();
        queue.spawn_on(0, async move {
            order.lock().unwrap().push(number);
            cmwq::task::yield_now().await;
            order.lock().unwrap().push(number);
        });
    }
    queue.flush().await;
    let expected: Vec<_> = (0..100).flat_map(|number| [number, number]).collect();
    assert_eq!(*order.lock().unwrap(), expected);
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_flush_waits_for_what_was_queued_before_and_for_nothing_later() {
    let queue = Workqueue::builder().build().unwrap();
    let (send, receive) = cmwq::sync::oneshot::channel::<()>();
    queue.spawn(async {
        let _ = receive.await;
    });
    let first = queue.flush();
    queue.spawn(std::future::pending::<()>());
    let second = queue.flush();
    let early = cmwq::time::timeout(Duration::from_millis(20), second).await;
    assert!(early.is_err(), "neither is done");
    send.send(()).unwrap();
    first.await;
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_aborted_inactive_future_does_not_wait_for_its_turn() {
    let queue = Workqueue::builder().max_active(1).build().unwrap();
    let blocker = queue.spawn_on(0, std::future::pending::<()>());
    let inactive = queue.spawn_on(0, async {});
    inactive.abort();
    assert!(inactive.await.unwrap_err().is_cancelled());
    blocker.abort();
    assert!(blocker.await.unwrap_err().is_cancelled());
    queue.spawn_on(0, async {}).await.unwrap();
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_task_that_awaits_an_inactive_one_lends_it_its_slot() {
    let queue = Workqueue::builder().max_active(1).build().unwrap();
    let inner = queue.clone();
    let outer = queue.spawn_on(0, async move {
        let tasks: Vec<_> = (0..3).map(|number| inner.spawn_on(0, async move { number })).collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.unwrap();
        }
        sum
    });
    assert_eq!(outer.await.unwrap(), 3);
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_unknown_cpu_is_rejected() {
    let queue = Workqueue::builder().build().unwrap();
    let error = queue.spawn_on(1 << 20, async {}).await.unwrap_err();
    assert!(error.is_rejected(), "{error}");
    let said = error.to_string();
    assert!(said.contains("CPU 1048576, which no worker of this runtime serves; they"), "{said}");
}

/// Each awaits a timer and blocks, and no two are in progress at a time.
#[test]
fn an_ordered_queue_of_many_is_strictly_sequential() {
    const COUNT: usize = 100_000;
    const MOMENT: Duration = Duration::from_micros(1);
    let runtime = cmwq::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let queue = Workqueue::builder().ordered().build_on(runtime.handle()).unwrap();
    let (begun, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let start = Instant::now();
    for number in 0..COUNT {
        let (begun, ended) = (begun.clone(), ended.clone());
        queue.spawn(async move {
            assert_eq!(begun.fetch_add(1, Ordering::SeqCst), number);
            cmwq::time::sleep(MOMENT).await;
            std::thread::sleep(MOMENT);
            assert_eq!(ended.fetch_add(1, Ordering::SeqCst), number);
        });
    }
    queue.flush_blocking();
    println!("{:.0} futures per second", COUNT as f64 / start.elapsed().as_secs_f64());
    assert_eq!(ended.load(Ordering::SeqCst), COUNT);
}

//! What is done to a workqueue as a whole: draining, freezing, changing, shutting down.

use cmwq::Workqueue;
use cmwq::runtime::{Builder, Handle};
use cmwq::workqueue::{Attrs, Scope};
use cmwq_tests::works::{counted, value};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(20);

/// Counts its drops.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn contradictions_name_both_settings() {
    let cases = [
        (Workqueue::builder().ordered().max_active(2), ["ordered()", "max_active(2)"]),
        (Workqueue::builder().ordered().min_active(1), ["ordered()", "min_active(1)"]),
        (Workqueue::builder().ordered().bound(), ["bound()", "ordered()"]),
        (Workqueue::builder().unbound().bound(), ["bound()", "unbound()"]),
        (Workqueue::builder().power_efficient().bound(), ["bound()", "power_efficient()"]),
        (Workqueue::builder().max_active(0), ["max_active(0)", "freeze()"]),
        (Workqueue::builder().unbound().cpus([]), ["cpus(..)", "unbound()"]),
        (Workqueue::builder().unbound().cpus([0, 65536]), ["CPU 65536", "below"]),
        (Workqueue::builder().unbound().cpus([99_999_999_999]), ["CPU 99999999999", "below"]),
        (Workqueue::builder().ordered().cpus([usize::MAX]), ["CPU 18446744073709551615", "below"]),
        (Workqueue::builder().bound().scope(Scope::Cpu), ["scope(Cpu)", "bound()"]),
        (Workqueue::builder().strict(true), ["strict(true)", "bound()"]),
        (Workqueue::builder().nice(3), ["nice(3)", "bound()"]),
        (Workqueue::builder().cpus([0]), ["cpus(..)", "bound()"]),
        (Workqueue::builder().unbound().high_priority().nice(1), ["high_priority()", "nice(1)"]),
        (
            Workqueue::builder().unbound().max_active(2).min_active(3),
            ["min_active(3)", "max_active(2)"],
        ),
        (Workqueue::builder().ordered().scope(Scope::Numa), ["ordered()", "scope(Numa)"]),
        (Workqueue::builder().unbound().nice(20), ["nice(20)", "-20 to 19"]),
    ];
    // As a reader of the kernel writes the default.
    let zero = Workqueue::builder().max_active(0).build().unwrap_err().to_string();
    for words in ["the default, which is 0 in the kernel", "1024 work items, any number of futures"]
    {
        assert!(zero.contains(words), "{zero}");
    }
    for (builder, settings) in cases {
        let error = builder.build().unwrap_err();
        assert!(error.is_invalid_config());
        let message = error.to_string();
        assert!(settings.iter().all(|setting| message.contains(setting)), "{message}");
    }
}

/// At run time too, and the queue stays as it was.
#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn numbers_that_no_cpu_has_are_refused() {
    let queue = Workqueue::builder().unbound().build().unwrap();
    let before = queue.attrs();
    for cpu in [65_536, 99_999_999_999, usize::MAX] {
        let error = queue.set_attrs(Attrs::new().cpus([0, cpu])).unwrap_err();
        assert!(error.is_invalid_config(), "{error}");
        assert!(error.to_string().contains(&format!("CPU {cpu}")), "{error}");
    }
    assert_eq!(queue.attrs(), before);
    // As a CPU that the machine has not.
    queue.set_attrs(Attrs::new().cpus([0, 65_535])).unwrap();
    assert_eq!(queue.spawn(async { 1 }).await.unwrap(), 1);
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_drain_refuses_what_comes_from_outside_and_takes_chained_work() {
    let queue = Workqueue::builder().name("drained").build().unwrap();
    let (go, wait) = cmwq::sync::oneshot::channel::<()>();
    let links = Arc::new(AtomicUsize::new(0));
    let (chained, counter) = (queue.clone(), links.clone());
    queue.spawn(async move {
        let _ = wait.await;
        let inner = chained.clone();
        chained.spawn(async move {
            counter.fetch_add(1, Ordering::SeqCst);
            inner.spawn(async move {
                counter.fetch_add(1, Ordering::SeqCst);
            });
        });
    });
    let drain = queue.drain();
    let refused = queue.spawn(async {}).await.unwrap_err();
    assert!(refused.is_rejected() && !refused.is_cancelled(), "{refused}");
    assert!(refused.to_string().contains(" drains, and takes only"), "{refused}");
    go.send(()).unwrap();
    drain.await;
    assert_eq!(links.load(Ordering::SeqCst), 2);
    queue.spawn(async {}).await.expect("the drain is over");
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_drain_does_not_refuse_wakes_nor_inactive_items() {
    let queue = Workqueue::builder().max_active(1).build().unwrap();
    let done = Arc::new(AtomicUsize::new(0));
    for _ in 0..10 {
        let done = done.clone();
        queue.spawn_on(0, async move {
            cmwq::time::sleep(Duration::from_millis(1)).await;
            done.fetch_add(1, Ordering::SeqCst);
        });
    }
    queue.drain().await;
    assert_eq!(done.load(Ordering::SeqCst), 10);
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_drain_that_is_dropped_ends() {
    let queue = Workqueue::builder().build().unwrap();
    let endless = queue.spawn(std::future::pending::<()>());
    assert!(cmwq::time::timeout(SHORT, queue.drain()).await.is_err());
    queue.spawn(async {}).await.unwrap();
    endless.abort();
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_drain_that_is_forgotten_keeps_the_queue_closed() {
    let queue = Workqueue::builder().build().unwrap();
    std::mem::forget(queue.drain());
    assert!(queue.spawn(async {}).await.unwrap_err().is_rejected());
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_destroyed_queue_takes_nothing_any_more() {
    let queue = Workqueue::builder().name("gone").build().unwrap();
    let other = queue.clone();
    let before = queue.spawn(async { 1 });
    queue.destroy().await;
    assert_eq!(before.await.unwrap(), 1);
    let refused = other.spawn(async {}).await.unwrap_err();
    assert!(refused.is_rejected(), "{refused}");
    assert!(refused.to_string().contains("workqueue \"gone\" was destroyed"), "{refused}");
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn blocking_forms_work_inside_a_task() {
    let queue = Workqueue::builder().build().unwrap();
    cmwq::spawn(async move {
        let slept = Arc::new(AtomicBool::new(false));
        let flag = slept.clone();
        // On every CPU, so also behind this task.
        for cpu in 0..1 {
            let flag = flag.clone();
            queue.spawn_on(cpu, async move {
                cmwq::time::sleep(Duration::from_millis(5)).await;
                flag.store(true, Ordering::SeqCst);
            });
        }
        queue.flush_blocking();
        assert!(slept.load(Ordering::SeqCst));
        queue.drain_blocking();
        queue.destroy_blocking();
    })
    .await
    .unwrap();
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_frozen_queue_polls_nothing_and_loses_nothing() {
    let queue = Workqueue::builder().build().unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let notify = Arc::new(cmwq::sync::Notify::new());
    let (early, woken) = (order.clone(), notify.clone());
    let first = queue.spawn_on(0, async move {
        woken.notified().await;
        early.lock().unwrap().push(0);
    });
    cmwq::time::sleep(SHORT).await;
    queue.freeze();
    assert!(queue.is_frozen());
    notify.notify_one();
    for number in 1..5 {
        let order = order.clone();
        queue.spawn_on(0, async move { order.lock().unwrap().push(number) });
    }
    cmwq::time::sleep(SHORT).await;
    assert!(order.lock().unwrap().is_empty(), "frozen");
    assert!(!first.is_finished());
    queue.thaw();
    queue.flush().await;
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_runtime_freezes_its_freezable_queues_only() {
    let freezable = Workqueue::builder().freezable().build().unwrap();
    let other = Workqueue::builder().build().unwrap();
    let handle = Handle::current();
    handle.freeze_workqueues();
    let later = Workqueue::builder().freezable().build().unwrap();
    let held = [freezable.spawn(async {}), later.spawn(async {})];
    other.spawn(async {}).await.unwrap();
    cmwq::time::sleep(SHORT).await;
    assert!(held.iter().all(|task| !task.is_finished()));
    handle.thaw_workqueues();
    for task in held {
        task.await.unwrap();
    }
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_task_of_a_frozen_queue_can_be_aborted() {
    let queue = Workqueue::builder().build().unwrap();
    let idle = queue.spawn(std::future::pending::<()>());
    cmwq::time::sleep(SHORT).await;
    queue.freeze();
    let inactive = queue.spawn(async {});
    queue.abort_all();
    assert!(idle.await.unwrap_err().is_cancelled());
    assert!(inactive.await.unwrap_err().is_cancelled());
    queue.thaw();
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn aborting_all_takes_futures_and_leaves_work_items() {
    let queue = Workqueue::builder().max_active(1).build().unwrap();
    let futures = [(); 3].map(|()| queue.spawn_on(0, std::future::pending::<()>()));
    let (inactive, first) = counted();
    assert!(inactive.queue_on(0, &queue));
    let (delayed, second) = counted();
    assert!(delayed.queue_delayed(&queue, SHORT));
    queue.abort_all();
    for future in futures {
        assert!(future.await.unwrap_err().is_cancelled());
    }
    assert!(inactive.is_busy() || value(&first) == 1);
    delayed.flush().await;
    queue.spawn_on(0, async {}).await.expect("the queue is in use");
    assert_eq!((value(&first), value(&second)), (1, 1));
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_higher_limit_keeps_the_order_of_the_inactive() {
    let queue = Workqueue::builder().max_active(1).build().unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let (go, wait) = cmwq::sync::oneshot::channel::<()>();
    let blocker = queue.spawn_on(0, async {
        let _ = wait.await;
    });
    let enqueue = |number| {
        let order = order.clone();
        queue.spawn_on(0, async move { order.lock().unwrap().push(number) });
    };
    (0..50).for_each(enqueue);
    queue.set_max_active(3).unwrap();
    (50..100).for_each(enqueue);
    go.send(()).unwrap();
    queue.flush().await;
    blocker.await.unwrap();
    assert!(order.lock().unwrap().iter().copied().eq(0..100));
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_lower_limit_holds_for_those_that_begin_later() {
    let queue = Workqueue::builder().unbound().max_active(4).build().unwrap();
    queue.set_max_active(1).unwrap();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for _ in 0..20 {
        let (now, most) = (now.clone(), most.clone());
        queue.spawn(async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            cmwq::task::yield_now().await;
            now.fetch_sub(1, Ordering::SeqCst);
        });
    }
    queue.flush().await;
    assert_eq!(most.load(Ordering::SeqCst), 1);
    assert!(queue.set_max_active(0).unwrap_err().is_invalid_config());
    let ordered = Workqueue::builder().ordered().build().unwrap();
    let message = ordered.set_max_active(2).unwrap_err().to_string();
    assert!(message.contains("set_max_active(2)") && message.contains("ordered()"), "{message}");
    assert!(ordered.set_min_active(1).is_err());
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_limits_of_an_unbound_queue_hold_nothing_back() {
    // More than the least part of a node, all in progress at the same time.
    let all_at_once = async |queue: &Workqueue| {
        let barrier = Arc::new(cmwq::sync::Barrier::new(20));
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let barrier = barrier.clone();
                queue.spawn(async move { barrier.wait().await.is_leader() })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    };
    for max in [usize::MAX, 1 << (usize::BITS - 1)] {
        let queue = Workqueue::builder().unbound().max_active(max).build().unwrap();
        all_at_once(&queue).await;
        let queue = Workqueue::builder().unbound().max_active(1).build().unwrap();
        queue.set_max_active(max).unwrap();
        all_at_once(&queue).await;
    }
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_least_part_of_a_node_can_be_changed() {
    let queue = Workqueue::builder().name("parts").unbound().max_active(16).min_active(2);
    let queue = queue.build().unwrap();
    let dumped = || {
        let text = cmwq::dump().to_string();
        text.lines().find(|line| line.starts_with("parts:")).unwrap().to_owned()
    };
    assert!(dumped().contains("max_active 16, min_active 2"), "{}", dumped());
    queue.set_min_active(4).unwrap();
    assert!(dumped().contains("max_active 16, min_active 4"), "{}", dumped());
    let refused = [
        (queue.set_min_active(17), ["min_active(17)", "max_active(16)"]),
        (queue.set_max_active(3), ["min_active(4)", "max_active(3)"]),
        (queue.set_min_active(0), ["min_active(0)", "max_active"]),
        (Workqueue::builder().build().unwrap().set_min_active(1), ["set_min_active(1)", "bound()"]),
    ];
    for (result, settings) in refused {
        let message = result.unwrap_err().to_string();
        assert!(settings.iter().all(|setting| message.contains(setting)), "{message}");
    }
    assert!(dumped().contains("max_active 16, min_active 4"), "nothing has changed");
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_ordered_queue_stays_in_order_when_its_attributes_change() {
    let queue = Workqueue::builder().ordered().build().unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    for round in 0..10 {
        for number in 0..20 {
            let order = order.clone();
            queue.spawn(async move {
                let number = round * 20 + number;
                order.lock().unwrap().push(number);
                cmwq::task::yield_now().await;
                assert_eq!(order.lock().unwrap().last(), Some(&number), "strictly sequential");
            });
        }
        queue.set_attrs(Attrs::new().nice(round % 2)).unwrap();
    }
    queue.flush().await;
    assert!(order.lock().unwrap().iter().copied().eq(0..200));
    assert_eq!(queue.attrs().unwrap(), Attrs::new().nice(1));
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_unbound_queue_loses_nothing_when_its_attributes_change() {
    let queue = Workqueue::builder().unbound().max_active(3).build().unwrap();
    let done = Arc::new(AtomicUsize::new(0));
    for scope in [Scope::Cpu, Scope::System, Scope::Numa, Scope::Smt, Scope::Cache] {
        for _ in 0..50 {
            let done = done.clone();
            queue.spawn(async move {
                cmwq::task::yield_now().await;
                done.fetch_add(1, Ordering::SeqCst);
            });
        }
        queue.set_attrs(Attrs::new().scope(scope)).unwrap();
    }
    queue.flush().await;
    assert_eq!(done.load(Ordering::SeqCst), 250);
    let bound = Workqueue::builder().build().unwrap();
    assert!(bound.set_attrs(Attrs::new()).unwrap_err().is_invalid_config());
    assert!(bound.attrs().is_none());
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_task_of_an_ordered_queue_that_awaits_a_later_one_is_told() {
    let queue = Workqueue::builder().ordered().build().unwrap();
    let inner = queue.clone();
    let outer = queue.spawn(async move {
        let mut later = inner.spawn(async { 7 });
        let error = (&mut later).await.unwrap_err();
        assert!(error.is_deadlock(), "{error}");
        (later,)
    });
    assert_eq!(outer.await.unwrap().0.await.unwrap(), 7, "it is not harmed");
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn lending_is_transitive_and_serves_one_after_another() {
    fn chain(queue: Workqueue, depth: usize) -> cmwq::task::JoinHandle<usize> {
        let inner = queue.clone();
        queue.spawn_on(0, async move {
            if depth == 0 { 0 } else { 1 + chain(inner, depth - 1).await.unwrap() }
        })
    }
    let queue = Workqueue::builder().max_active(2).build().unwrap();
    let chains: Vec<_> = (0..4).map(|_| chain(queue.clone(), 5)).collect();
    for task in chains {
        assert_eq!(task.await.unwrap(), 5);
    }
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_a_set_of_awaited_tasks_borrows_is_one_slot() {
    use futures::stream::{FuturesUnordered, StreamExt};
    let queue = Workqueue::builder().max_active(1).build().unwrap();
    let inner = queue.clone();
    let most = queue.spawn_on(0, async move {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks: FuturesUnordered<_> = (0..5)
            .map(|_| {
                let (now, most) = (now.clone(), most.clone());
                inner.spawn_on(0, async move {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    cmwq::time::sleep(Duration::from_millis(1)).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                })
            })
            .collect();
        assert_eq!(tasks.collect::<Vec<_>>().await.len(), 5);
        most.load(Ordering::SeqCst)
    });
    assert_eq!(most.await.unwrap(), 1);
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_queue_without_handles_goes_on() {
    let queue = Workqueue::builder().max_active(1).build().unwrap();
    let tasks: Vec<_> = (0..10).map(|number| queue.spawn_on(0, async move { number })).collect();
    drop(queue);
    for (number, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.unwrap(), number);
    }
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_panic_gives_the_slot_back() {
    let queue = Workqueue::builder().max_active(1).build().unwrap();
    let task = queue.spawn_on(0, async { panic!("as it should") });
    assert!(task.await.unwrap_err().is_panic());
    queue.spawn_on(0, async {}).await.unwrap();
}

#[test]
fn a_shutdown_drops_every_future_once() {
    let drops = Arc::new(AtomicUsize::new(0));
    let runtime = Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let limited = Workqueue::builder().max_active(1).build_on(runtime.handle()).unwrap();
    let ordered = Workqueue::builder().ordered().build_on(runtime.handle()).unwrap();
    let frozen = Workqueue::builder().build_on(runtime.handle()).unwrap();
    frozen.freeze();
    let mut handles = Vec::new();
    for queue in [&limited, &ordered, &frozen] {
        for _ in 0..100 {
            let dropped = Dropped(drops.clone());
            handles.push(queue.spawn(async move {
                let _dropped = dropped;
                std::future::pending::<()>().await;
            }));
        }
    }
    drop(runtime);
    assert_eq!(drops.load(Ordering::SeqCst), 300);
    for handle in handles {
        let error = futures::executor::block_on(handle).unwrap_err();
        assert!(error.is_cancelled());
    }
    let late = limited.spawn(async {});
    assert!(futures::executor::block_on(late).unwrap_err().is_cancelled());
}

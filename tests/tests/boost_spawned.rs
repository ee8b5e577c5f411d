//! Priority inheritance of tasks of `cmwq::spawn`: their queues stand still behind a hog of the core,
//! and what an urgent task waits for is run all the same.

use cmwq::runtime::Builder;
use cmwq::sync::oneshot;
use cmwq::task::JoinHandle;
use cmwq_tests::inherit::{Fixture, Gated, awaiting, is_urgent, poll_once, waiting};
use cmwq_tests::random::Random;
use cmwq_tests::run;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Keeps the worker of the core until it is stopped.
struct Hog {
    is_stopped: Arc<AtomicBool>,
    task: JoinHandle<bool>,
}

impl Hog {
    async fn start(fixture: &Fixture) -> Self {
        let is_stopped = Arc::new(AtomicBool::new(false));
        let (stop, (begun, begins)) = (is_stopped.clone(), oneshot::channel());
        let task = fixture.runtime.spawn(async move {
            begun.send(()).unwrap();
            let start = Instant::now();
            while !stop.load(Ordering::SeqCst) && start.elapsed() < Duration::from_secs(30) {
                std::hint::spin_loop();
            }
            stop.load(Ordering::SeqCst)
        });
        begins.await.unwrap();
        Self { is_stopped, task }
    }

    /// Wakes a task that waits for its gate, and sees that it is run after the hog and not as urgent.
    async fn holds_up(self, gate: oneshot::Sender<()>, mut seen: oneshot::Receiver<bool>) {
        gate.send(()).unwrap();
        // Not a timer of the core, which would have another worker take it.
        std::thread::sleep(Duration::from_millis(20));
        assert!(seen.try_recv().is_err(), "it was run beside the hog");
        self.stop().await;
        assert!(!seen.await.unwrap());
    }

    async fn stop(self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        assert!(self.task.await.unwrap(), "nothing went on beside the hog");
    }
}

#[test]
fn an_awaited_task_does_not_wait_for_a_hog() {
    run("an_awaited_task_does_not_wait_for_a_hog", || {
        let fixture = Fixture::without_hogs();
        fixture.runtime.block_on(async {
            let hog = Hog::start(&fixture).await;
            // In the queue before anybody awaits it.
            let polls = Arc::new(AtomicUsize::new(0));
            let counts = polls.clone();
            let target = fixture.runtime.spawn(async move {
                counts.fetch_add(1, Ordering::SeqCst);
                (is_urgent(), cmwq::task::id())
            });
            let id = target.id();
            let seen = fixture.high.spawn(target).await.unwrap().unwrap();
            assert_eq!(seen, (true, id));
            hog.stop().await;
            // Its entry in the queue is dropped without a poll.
            fixture.runtime.spawn(async {}).await.unwrap();
            assert_eq!(polls.load(Ordering::SeqCst), 1);
        });
    });
}

#[test]
fn a_wake_of_an_awaited_task_does_not_wait_for_a_hog() {
    run("a_wake_of_an_awaited_task_does_not_wait_for_a_hog", || {
        let fixture = Fixture::without_hogs();
        fixture.runtime.block_on(async {
            let Gated { gate, seen, handle } = waiting(&fixture.runtime).await;
            let waiter = awaiting(&fixture.high, handle).await;
            let hog = Hog::start(&fixture).await;
            gate.send(()).unwrap();
            assert!(seen.await.unwrap());
            waiter.await.unwrap().unwrap();
            hog.stop().await;
        });
    });
}

#[test]
fn many_wakes_and_spawns_of_an_awaited_task() {
    run("many_wakes_and_spawns_of_an_awaited_task", || {
        let fixture = Fixture::without_hogs();
        fixture.runtime.block_on(async {
            let hog = Hog::start(&fixture).await;
            let target = fixture.runtime.spawn(async {
                let mut turns = 0;
                for _ in 0..200 {
                    cmwq::task::yield_now().await;
                    turns += usize::from(is_urgent());
                }
                cmwq::time::sleep(Duration::from_millis(1)).await;
                // A task of its own is awaited by a raised one.
                turns + cmwq::spawn(async { usize::from(is_urgent()) }).await.unwrap()
            });
            assert_eq!(fixture.high.spawn(target).await.unwrap().unwrap(), 201);
            hog.stop().await;
        });
    });
}

#[test]
fn a_task_that_an_awaited_one_blocks_for_does_not_wait_for_a_hog() {
    run("a_task_that_an_awaited_one_blocks_for_does_not_wait_for_a_hog", || {
        let fixture = Fixture::without_hogs();
        fixture.runtime.block_on(async {
            let hog = Hog::start(&fixture).await;
            let last = fixture.runtime.spawn(async { is_urgent() });
            let runtime = fixture.runtime.handle().clone();
            let blocks = fixture.runtime.spawn(async move {
                let seen = runtime.block_on(last).unwrap();
                // What it awaits after that is noted too.
                seen && cmwq::spawn(async { is_urgent() }).await.unwrap()
            });
            assert!(fixture.high.spawn(blocks).await.unwrap().unwrap());
            hog.stop().await;
        });
    });
}

/// Ends the wait of an urgent task in some way, and sees that the next wake waits for the hog.
fn is_over_after(test: &str, end: impl AsyncFn(&Fixture, JoinHandle<()>) + Copy) {
    run(test, || {
        let fixture = Fixture::without_hogs();
        fixture.runtime.block_on(async {
            let Gated { gate, seen, handle } = waiting(&fixture.runtime).await;
            end(&fixture, handle).await;
            let hog = Hog::start(&fixture).await;
            hog.holds_up(gate, seen).await;
        });
    });
}

#[test]
fn a_dropped_handle_ends_it() {
    is_over_after("a_dropped_handle_ends_it", async |fixture: &Fixture, mut handle| {
        let waiter = fixture.high.spawn(async move { poll_once(&mut handle).await });
        waiter.await.unwrap();
    });
}

#[test]
fn the_end_of_the_waiter_ends_it() {
    // The handle outlives the task that polled it, and is polled by nobody.
    let kept = std::sync::Mutex::new(None);
    is_over_after("the_end_of_the_waiter_ends_it", async |fixture: &Fixture, mut handle| {
        let waiter = fixture.high.spawn(async move {
            poll_once(&mut handle).await;
            Some(handle)
        });
        *kept.lock().unwrap() = waiter.await.unwrap();
    });
}

#[test]
fn another_poller_ends_it() {
    let kept = std::sync::Mutex::new(None);
    is_over_after("another_poller_ends_it", async |fixture: &Fixture, mut handle| {
        let (give, take) = oneshot::channel();
        // It stays alive.
        let first = fixture.high.spawn(async move {
            poll_once(&mut handle).await;
            assert!(give.send(handle).is_ok());
            std::future::pending::<()>().await;
        });
        let mut handle = take.await.unwrap();
        poll_once(&mut handle).await;
        *kept.lock().unwrap() = Some((first, handle));
    });
}

#[test]
fn an_abort_of_an_awaited_task_does_not_wait_for_a_hog() {
    run("an_abort_of_an_awaited_task_does_not_wait_for_a_hog", || {
        let fixture = Fixture::without_hogs();
        fixture.runtime.block_on(async {
            let Gated { gate: _gate, handle, .. } = waiting(&fixture.runtime).await;
            let abort = handle.abort_handle();
            let waiter = awaiting(&fixture.high, handle).await;
            let hog = Hog::start(&fixture).await;
            abort.abort();
            assert!(waiter.await.unwrap().unwrap_err().is_cancelled());
            hog.stop().await;
        });
    });
}

#[test]
fn a_chain_is_raised_as_a_whole_and_lowered_as_a_whole() {
    run("a_chain_is_raised_as_a_whole_and_lowered_as_a_whole", || {
        let fixture = Fixture::without_hogs();
        let spawned = &fixture.runtime;
        fixture.runtime.block_on(async {
            for stays in [true, false] {
                // high -> second -> first -> last; the chain exists before its urgent end does.
                let Gated { gate, seen, handle: last } = waiting(spawned).await;
                let first = awaiting(spawned, last).await;
                let second = awaiting(spawned, first).await;
                let hog = Hog::start(&fixture).await;
                let end = awaiting(&fixture.high, second).await;
                if stays {
                    gate.send(()).unwrap();
                    assert!(seen.await.unwrap());
                    end.await.unwrap().unwrap().unwrap().unwrap();
                    hog.stop().await;
                    continue;
                }
                end.abort();
                assert!(end.await.unwrap_err().is_cancelled());
                hog.holds_up(gate, seen).await;
            }
        });
    });
}

#[test]
fn a_chain_through_items_of_queues() {
    run("a_chain_through_items_of_queues", || {
        let fixture = Fixture::without_hogs();
        fixture.runtime.block_on(async {
            // high -> item -> spawned -> item
            let Gated { gate, seen, handle: last } = waiting(&fixture.normal).await;
            let spawned = awaiting(&fixture.runtime, last).await;
            let item = awaiting(&fixture.normal, spawned).await;
            let hog = Hog::start(&fixture).await;
            let end = awaiting(&fixture.high, item).await;
            gate.send(()).unwrap();
            assert!(seen.await.unwrap());
            end.await.unwrap().unwrap().unwrap().unwrap();
            hog.stop().await;
        });
    });
}

#[test]
fn a_task_of_another_runtime_is_left_alone() {
    run("a_task_of_another_runtime_is_left_alone", || {
        let (fixture, other) = (Fixture::without_hogs(), Fixture::without_hogs());
        fixture.runtime.block_on(async {
            let Gated { gate, seen, handle } = waiting(&other.runtime).await;
            let waiter = awaiting(&fixture.high, handle).await;
            gate.send(()).unwrap();
            assert!(!seen.await.unwrap());
            waiter.await.unwrap().unwrap();
        });
    });
}

/// Tasks and items that await each other while urgent ones come and go: each is done once.
#[test]
fn many_at_once() {
    run("many_at_once", || {
        let runtime = Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let fixture = Fixture::on(runtime);
        let done = Arc::new(AtomicUsize::new(0));
        let mut random = Random::new(7);
        const ROUNDS: usize = 400;
        const LINKS: usize = 4;
        fixture.runtime.block_on(async {
            let mut ends = Vec::new();
            for round in 0..ROUNDS {
                let counts = done.clone();
                let mut handle = fixture.runtime.spawn(async move {
                    for _ in 0..3 {
                        cmwq::task::yield_now().await;
                    }
                    counts.fetch_add(1, Ordering::SeqCst);
                });
                for _ in 0..LINKS {
                    let (counts, patience) = (done.clone(), random.below(3));
                    let link = async move {
                        let mut handle = handle;
                        for _ in 0..patience {
                            cmwq::select! {
                                biased;
                                result = &mut handle => {
                                    result.unwrap();
                                    counts.fetch_add(1, Ordering::SeqCst);
                                    return;
                                }
                                () = cmwq::task::yield_now() => {}
                            }
                        }
                        handle.await.unwrap();
                        counts.fetch_add(1, Ordering::SeqCst);
                    };
                    handle = match random.below(3) {
                        0 => fixture.high.spawn(link),
                        1 => fixture.normal.spawn(link),
                        _ => fixture.runtime.spawn(link),
                    };
                }
                ends.push(handle);
                if round % 16 == 0 {
                    cmwq::task::yield_now().await;
                }
            }
            for end in ends {
                end.await.unwrap();
            }
        });
        assert_eq!(done.load(Ordering::SeqCst), ROUNDS * (LINKS + 1));
    });
}

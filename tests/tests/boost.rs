//! Priority inheritance: what a task of high priority waits for is not served as a normal one.
//!
//! Most tests ask a task which pool runs it, which the name of the thread tells, so that no time is
//! measured.

use cmwq::runtime::{Builder, Pin};
use cmwq::sync::oneshot;
use cmwq::{Work, Workqueue};
use cmwq_tests::inherit::{
    Fixture, Gated, awaiting, gated, is_urgent, poll_once, waiting, waiting_to_look,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Is a task of one queue that a task of the other one awaits urgent when it is woken?
async fn woken_as_urgent(of: &Workqueue, by: &Workqueue) -> bool {
    let Gated { gate, seen, handle } = waiting(of).await;
    let waiter = awaiting(by, handle).await;
    gate.send(()).unwrap();
    let is_urgent = seen.await.unwrap();
    waiter.await.unwrap().unwrap();
    is_urgent
}

fn burn(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// How many of a line of 300 are done before a task that was queued last.
fn place_in_line(awaited: bool) -> usize {
    const LINE: usize = 300;
    let fixture = Fixture::without_hogs();
    let done = Arc::new(Mutex::new(0));
    let before = fixture.runtime.block_on(async {
        for _ in 0..LINE {
            let done = done.clone();
            fixture.normal.spawn(async move {
                burn(Duration::from_millis(1));
                *done.lock().unwrap() += 1;
            });
        }
        let seen = done.clone();
        let target = fixture.normal.spawn(async move { *seen.lock().unwrap() });
        if awaited {
            fixture.high.spawn(target).await.unwrap().unwrap()
        } else {
            target.await.unwrap()
        }
    });
    fixture.normal.flush_blocking();
    assert_eq!(*done.lock().unwrap(), LINE);
    before
}

#[test]
fn an_awaited_task_gets_ahead_of_the_line() {
    // The thread of high priority may be late, but not each time.
    let gets_ahead = (0..5).any(|_| place_in_line(true) < 200);
    assert!(gets_ahead, "200 of 300 or more came before it, each time");
}

#[test]
fn without_an_urgent_waiter_it_stands_in_line() {
    assert_eq!(place_in_line(false), 300);
}

/// A task keeps the only core of normal priority until another has run, or `patience` is over.
/// Returns whether it has.
fn passes_a_hog(awaited: bool, patience: Duration) -> bool {
    let fixture = Fixture::without_hogs();
    let ran = Arc::new(AtomicBool::new(false));
    fixture.runtime.block_on(async {
        let seen = ran.clone();
        let hog = fixture.normal.spawn(async move {
            let start = Instant::now();
            while !seen.load(Ordering::SeqCst) && start.elapsed() < patience {
                std::hint::spin_loop();
            }
            seen.load(Ordering::SeqCst)
        });
        let runs = ran.clone();
        let target = fixture.normal.spawn(async move { runs.store(true, Ordering::SeqCst) });
        if awaited {
            fixture.high.spawn(target).await.unwrap().unwrap();
        } else {
            target.await.unwrap();
        }
        hog.await.unwrap()
    })
}

#[test]
fn an_awaited_task_does_not_wait_for_a_hog() {
    assert!(passes_a_hog(true, Duration::from_secs(30)));
    assert!(!passes_a_hog(false, Duration::from_millis(50)), "without an urgent waiter");
}

#[test]
fn a_wake_goes_where_the_waiter_is() {
    let fixture = Fixture::one_core();
    fixture.runtime.block_on(async {
        assert!(woken_as_urgent(&fixture.normal, &fixture.high).await);

        let is_urgent = woken_as_urgent(&fixture.normal, &fixture.normal).await;
        assert!(!is_urgent, "a normal task waits");
    });
}

#[test]
fn a_dropped_handle_ends_it() {
    let fixture = Fixture::one_core();
    fixture.runtime.block_on(async {
        let Gated { gate, seen, mut handle } = gated(&fixture.normal);
        fixture
            .high
            .spawn(async move {
                poll_once(&mut handle).await;
                drop(handle);
            })
            .await
            .unwrap();
        gate.send(()).unwrap();
        assert!(!seen.await.unwrap());
    });
}

#[test]
fn the_end_of_the_waiter_ends_it() {
    let fixture = Fixture::one_core();
    fixture.runtime.block_on(async {
        let Gated { gate, seen, mut handle } = gated(&fixture.normal);
        // The handle outlives the task that polled it.
        let handle = fixture
            .high
            .spawn(async move {
                poll_once(&mut handle).await;
                Some(handle)
            })
            .await
            .unwrap()
            .unwrap();
        gate.send(()).unwrap();
        assert!(!seen.await.unwrap());
        handle.await.unwrap();
    });
}

#[test]
fn another_poller_ends_it_whoever_it_is() {
    let fixture = Fixture::one_core();
    let (normal, high) = (&fixture.normal, &fixture.high);
    fixture.runtime.block_on(async {
        for is_of_a_queue in [true, false] {
            let Gated { gate, seen, mut handle } = gated(normal);
            let (give, take) = oneshot::channel();
            // It stays alive, and has given the handle away after it lost a select!.
            let first = high.spawn(async move {
                cmwq::select! {
                    biased;
                    _ = &mut handle => unreachable!(),
                    () = std::future::ready(()) => {}
                }
                assert!(give.send(handle).is_ok());
                std::future::pending::<()>().await;
            });
            let mut handle = take.await.unwrap();
            let second = if is_of_a_queue {
                Some(awaiting(normal, handle).await)
            } else {
                poll_once(&mut handle).await;
                None
            };
            gate.send(()).unwrap();
            assert!(!seen.await.unwrap());
            if let Some(second) = second {
                second.await.unwrap().unwrap();
            }
            first.abort();
        }
    });
}

#[test]
fn a_chain_is_raised_as_a_whole_and_lowered_as_a_whole() {
    let fixture = Fixture::one_core();
    fixture.runtime.block_on(async {
        for stays in [true, false] {
            // high -> second -> first -> last; the chain exists before its urgent end does.
            let Gated { gate, seen, handle: last } = gated(&fixture.normal);
            let first = awaiting(&fixture.normal, last).await;
            let second = awaiting(&fixture.normal, first).await;
            let end = awaiting(&fixture.high, second).await;
            if !stays {
                end.abort();
                assert!(end.await.unwrap_err().is_cancelled());
                gate.send(()).unwrap();
                assert!(!seen.await.unwrap());
                continue;
            }
            gate.send(()).unwrap();
            assert!(seen.await.unwrap());
            end.await.unwrap().unwrap().unwrap().unwrap();
        }
    });
}

#[test]
fn a_raised_task_raises_what_it_awaits_later() {
    let fixture = Fixture::one_core();
    fixture.runtime.block_on(async {
        let (go, wait) = oneshot::channel::<Gated>();
        let (tell, urgent) = oneshot::channel();
        let middle = fixture.normal.spawn(async move {
            let Gated { gate, seen, mut handle } = wait.await.unwrap();
            poll_once(&mut handle).await;
            gate.send(()).unwrap();
            tell.send(seen.await.unwrap()).unwrap();
            handle.await.unwrap();
        });
        let end = awaiting(&fixture.high, middle).await;
        assert!(go.send(waiting(&fixture.normal).await).is_ok());
        assert!(urgent.await.unwrap());
        end.await.unwrap().unwrap();
    });
}

#[test]
fn an_inactive_task_keeps_its_place_and_those_before_it_are_raised() {
    let fixture = Fixture::one_core();
    let ordered = fixture.queue(Workqueue::builder().max_active(1));
    fixture.runtime.block_on(async {
        let order = Arc::new(Mutex::new(Vec::new()));
        let Gated { gate, seen, handle } = waiting(&ordered).await;
        let mut tasks = Vec::new();
        for number in 0..5 {
            let order = order.clone();
            tasks.push(ordered.spawn(async move {
                order.lock().unwrap().push((number, is_urgent()));
            }));
        }
        let waiter = awaiting(&fixture.high, tasks.remove(3)).await;
        gate.send(()).unwrap();
        assert!(seen.await.unwrap(), "the one that has the slot");
        waiter.await.unwrap().unwrap();
        ordered.flush().await;
        handle.await.unwrap();
        let order = order.lock().unwrap();
        let expected = [(0, true), (1, true), (2, true), (3, true), (4, false)];
        assert_eq!(*order, expected, "in order, and nobody behind the awaited one is raised");
    });
}

#[test]
fn each_of_two_flushes_counts() {
    let fixture = Fixture::one_core();
    // One item at a time: the work is pending as long as the gate is closed.
    let line = fixture.queue(Workqueue::builder().max_active(1));
    fixture.runtime.block_on(async {
        for (leaving, expected) in [(0, true), (1, true), (2, false)] {
            let Gated { gate, seen, handle } = waiting(&line).await;
            let (tell, ran) = oneshot::channel();
            let mut tell = Some(tell);
            let work = Work::new(move || {
                tell.take().unwrap().send(is_urgent()).unwrap();
            });
            assert!(work.queue(&line));
            let mut flushes = Vec::new();
            for _ in 0..2 {
                let (work, (begun, begins)) = (work.clone(), oneshot::channel());
                flushes.push(fixture.high.spawn(async move {
                    let mut flush = Box::pin(async move { work.flush().await });
                    poll_once(&mut flush).await;
                    begun.send(()).unwrap();
                    flush.await
                }));
                begins.await.unwrap();
            }
            for flush in flushes.drain(..leaving) {
                flush.abort();
                assert!(flush.await.unwrap_err().is_cancelled());
            }
            gate.send(()).unwrap();
            assert_eq!(seen.await.unwrap(), expected);
            assert_eq!(ran.await.unwrap(), expected, "{leaving} of 2 flushes were dropped");
            for flush in flushes {
                assert!(flush.await.unwrap());
            }
            handle.await.unwrap();
            line.flush().await;
        }
    });
}

#[test]
fn frozen_aborted_and_complete_targets() {
    let fixture = Fixture::one_core();
    fixture.runtime.block_on(async {
        // Frozen: raised all the same, and run as such after the thaw.
        let frozen = fixture.queue(Workqueue::builder());
        let Gated { gate, seen, handle } = waiting(&frozen).await;
        frozen.freeze();
        gate.send(()).unwrap();
        let inactive = frozen.spawn(async { is_urgent() });
        let waiters =
            (awaiting(&fixture.high, handle).await, awaiting(&fixture.high, inactive).await);
        frozen.thaw();
        assert!(seen.await.unwrap());
        waiters.0.await.unwrap().unwrap();
        assert!(waiters.1.await.unwrap().unwrap());

        // Raised and in the pool when it is frozen: taken back, and not lost.
        let Gated { gate, seen, handle } = waiting(&frozen).await;
        let waiter = awaiting(&fixture.high, handle).await;
        gate.send(()).unwrap();
        frozen.freeze();
        frozen.thaw();
        assert!(seen.await.unwrap());
        waiter.await.unwrap().unwrap();

        let Gated { gate: _gate, handle, .. } = gated(&fixture.normal);
        let abort = handle.abort_handle();
        let waiter = awaiting(&fixture.high, handle).await;
        abort.abort();
        assert!(waiter.await.unwrap().unwrap_err().is_cancelled());

        let complete = fixture.normal.spawn(async { 42 });
        fixture.normal.flush().await;
        assert_eq!(fixture.high.spawn(complete).await.unwrap().unwrap(), 42);
    });
}

#[test]
fn unpinned_and_current_thread_runtimes() {
    let unpinned = Builder::new_multi_thread().worker_threads(2).pin(Pin::Never).build().unwrap();
    for runtime in [unpinned, Builder::new_current_thread().build().unwrap()] {
        let fixture = Fixture::on(runtime);
        fixture.runtime.block_on(async {
            assert!(woken_as_urgent(&fixture.normal, &fixture.high).await);
        });
    }
}

#[test]
fn an_unbound_queue_and_an_ordered_one() {
    let fixture = Fixture::one_core();
    for builder in [Workqueue::builder().unbound(), Workqueue::builder().ordered()] {
        let queue = fixture.queue(builder);
        fixture.runtime.block_on(async {
            let name = || {
                std::thread::current()
                    .name()
                    .map(|name| name.split_once(':').map_or(name, |(pool, _)| pool).to_owned())
            };
            let before = queue.spawn(async move { name() }).await.unwrap();
            let Gated { gate, seen, handle } = waiting_to_look(&queue, name).await;
            let waiter = awaiting(&fixture.high, handle).await;
            gate.send(()).unwrap();
            assert_ne!(seen.await.unwrap(), before, "another pool runs it");
            waiter.await.unwrap().unwrap();
        });
    }
}

/// Tasks that await each other's handles while urgent ones come and go: all complete.
#[test]
fn many_at_once() {
    let runtime = Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let fixture = Fixture::on(runtime);
    let limited = fixture.queue(Workqueue::builder().max_active(2));
    let queues = [&fixture.normal, &limited, &fixture.high];
    fixture.runtime.block_on(async {
        let mut ends = Vec::new();
        for round in 0..300_usize {
            let mut handle = queues[round % 2].spawn(async {
                cmwq::task::yield_now().await;
                1_usize
            });
            for link in 0..4 {
                let queue = queues[(round + link) % 3];
                handle = queue.spawn(async move {
                    let mut handle = handle;
                    if (round + link).is_multiple_of(5) {
                        let tick = Duration::from_micros(50);
                        let early = cmwq::time::timeout(tick, &mut handle).await;
                        if let Ok(sum) = early {
                            return sum.unwrap() + 1;
                        }
                    }
                    handle.await.map_or(0, |sum| sum + 1)
                });
            }
            if round.is_multiple_of(7) {
                handle.abort();
            }
            ends.push(handle);
        }
        for (round, end) in ends.into_iter().enumerate() {
            match end.await {
                Ok(sum) => assert_eq!(sum, 5),
                Err(error) => assert!(error.is_cancelled() && round.is_multiple_of(7)),
            }
        }
    });
    fixture.normal.flush_blocking();
    limited.flush_blocking();
}

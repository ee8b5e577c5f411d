//! Works of dedicated workers: what the kernel promises of `kthread_work`, and what is promised beyond
//! it. The workers themselves are in `dedicated_worker`.

use cmwq::dedicated::{DedicatedWork, DedicatedWorker};
use cmwq_tests::dedicated::{Gate, Log, is_ready, without_thread, worker};
use cmwq_tests::{run, until};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);

// Queueing.

#[test]
fn works_are_executed_in_the_order_of_their_queueing() {
    run("works_are_executed_in_the_order_of_their_queueing", || {
        let (worker, log, gate) = (worker(), Log::default(), Gate::new());
        let works: Vec<_> = (0..100).map(|number| log.work(number)).collect();
        gate.shut(&worker);
        assert!(works.iter().rev().all(|work| work.queue(&worker)));
        gate.open();
        worker.flush_blocking();
        assert_eq!(log.take(), (0..100).rev().collect::<Vec<_>>());
    });
}

#[test]
fn all_executions_are_on_one_thread() {
    run("all_executions_are_on_one_thread", || {
        let worker = DedicatedWorker::builder().name("only-one").build().unwrap();
        let threads = Arc::new(Mutex::new(Vec::new()));
        for _ in 0..4 {
            let (worker, threads) = (worker.clone(), threads.clone());
            let work = DedicatedWork::new(move || {
                let own = thread::current();
                threads.lock().unwrap().push((own.id(), own.name().map(str::to_owned)));
            });
            thread::spawn(move || assert!(work.queue(&worker))).join().unwrap();
        }
        worker.flush_blocking();
        let threads = threads.lock().unwrap();
        assert_eq!(threads.len(), 4);
        assert!(threads.iter().all(|thread| *thread == threads[0]));
        assert_eq!(threads[0].1.as_deref(), Some("only-one"));
    });
}

#[test]
fn queue_says_whether_it_queued() {
    run("queue_says_whether_it_queued", || {
        let (worker, gate) = (worker(), Gate::new());
        gate.shut(&worker);
        assert!(!gate.work.is_pending() && gate.work.is_running(), "pending no more once it runs");
        assert!(gate.work.queue(&worker), "once more while it runs");
        assert!(!gate.work.queue(&worker), "pending already");
        assert!(!gate.work.queue_delayed(&worker, HOUR), "pending already");
        assert!(gate.work.is_pending() && gate.work.is_busy());
        gate.open();
        gate.entered.recv().expect("the second execution");
        gate.open();
        gate.work.flush_blocking();
        assert!(!gate.work.is_busy());
        assert!(gate.entered.try_recv().is_err(), "two executions");
        assert!(gate.work.queue_delayed(&worker, HOUR));
        assert!(!gate.work.queue(&worker), "it waits for its delay");
        assert!(gate.work.cancel());
    });
}

#[test]
fn what_was_stored_before_a_queueing_is_seen_by_an_execution() {
    run("what_was_stored_before_a_queueing_is_seen_by_an_execution", || {
        // Also where queue() says that it is pending already.
        let worker = worker();
        let stored = Arc::new(AtomicUsize::new(0));
        let seen = Arc::new(AtomicUsize::new(0));
        let (read, last) = (stored.clone(), seen.clone());
        let work =
            DedicatedWork::new(move || last.store(read.load(Ordering::Relaxed), Ordering::Relaxed));
        for value in 1..10_000 {
            stored.store(value, Ordering::Relaxed);
            work.queue(&worker);
        }
        work.flush_blocking();
        assert_eq!(seen.load(Ordering::Relaxed), 9_999);
    });
}

#[test]
fn a_work_belongs_to_one_worker_until_initialised_again() {
    run("a_work_belongs_to_one_worker_until_initialised_again", || {
        let (one, other, gate) = (worker(), worker(), Gate::new());
        assert!(gate.work.reinit(), "a new one is new");
        gate.shut(&one);
        assert!(!gate.work.queue(&other), "it belongs to the first");
        assert!(!gate.work.queue_delayed(&other, HOUR));
        assert!(!gate.work.mod_delayed(&other, HOUR));
        assert!(!gate.work.reinit(), "it runs");
        gate.open();
        gate.work.flush_blocking();
        assert!(!gate.work.queue(&other), "it still belongs to the first");
        assert!(gate.work.queue_delayed(&one, HOUR));
        assert!(!gate.work.reinit(), "it is pending");
        assert!(gate.work.cancel());
        assert!(gate.work.reinit());
        gate.shut(&other);
        assert!(!gate.work.queue(&one), "it belongs to the second");
        gate.open();
        gate.work.flush_blocking();
    });
}

#[test]
fn a_pending_work_runs_also_without_handles() {
    run("a_pending_work_runs_also_without_handles", || {
        let (worker, log, gate) = (worker(), Log::default(), Gate::new());
        gate.shut(&worker);
        let work = log.work(1);
        let weak = work.downgrade();
        work.queue(&worker);
        drop(work);
        assert!(weak.upgrade().is_some(), "the list has it");
        gate.open();
        worker.flush_blocking();
        assert_eq!(log.take(), [1]);
        until("the closure is dropped", || weak.upgrade().is_none());
    });
}

// Delays.

#[test]
fn a_delay_is_never_early() {
    run("a_delay_is_never_early", || {
        // The thread sleeps until the deadline, or looks at it all the time.
        for is_busy in [false, true] {
            let worker = worker();
            let target = worker.clone();
            let busy = DedicatedWork::new_cyclic(|own| {
                move || {
                    if let Some(own) = own.upgrade() {
                        own.queue(&target);
                    }
                }
            });
            if is_busy {
                busy.queue(&worker);
            }
            let (send, times) = mpsc::channel();
            let work = DedicatedWork::new(move || send.send(Instant::now()).unwrap());
            let later = DedicatedWork::new(|| ());
            for round in 0..30 {
                // A deadline that comes before the one that the thread waits for.
                later.mod_delayed(&worker, HOUR);
                let delay = Duration::from_micros(300 * (30 - round));
                let earliest = Instant::now() + delay;
                assert!(work.queue_delayed(&worker, delay));
                let executed = times.recv().expect("it is executed");
                assert!(executed >= earliest, "{:?} early", earliest - executed);
            }
            busy.cancel_sync_blocking();
        }
    });
}

#[test]
fn delayed_works_run_in_the_order_of_their_deadlines() {
    run("delayed_works_run_in_the_order_of_their_deadlines", || {
        let (worker, log, gate) = (worker(), Log::default(), Gate::new());
        let works: Vec<_> = (0..4).map(|number| log.work(number)).collect();
        let delays = [300, 100, 200];
        let round = |_| {
            gate.shut(&worker);
            let start = Instant::now();
            for (work, delay) in works.iter().zip(delays) {
                assert!(work.queue_delayed(&worker, Duration::from_millis(delay)));
            }
            // If the machine stood still in between, the deadlines are in another order.
            let in_time = start.elapsed() < Duration::from_millis(100);
            // They are over while the worker is busy, and so before what is queued then.
            thread::sleep(Duration::from_millis(310));
            assert!(works[3].queue(&worker));
            gate.open();
            worker.flush_blocking();
            let order = log.take();
            in_time.then_some(order)
        };
        let order = (0..10).find_map(round).expect("they are queued in time");
        assert_eq!(order, [1, 2, 0, 3]);
    });
}

#[test]
fn a_delay_of_zero_is_none_and_an_endless_one_is_possible() {
    run("a_delay_of_zero_is_none_and_an_endless_one_is_possible", || {
        let (worker, log) = (worker(), Log::default());
        let (now, never) = (log.work(0), log.work(1));
        assert!(never.queue_delayed(&worker, Duration::MAX));
        assert!(now.queue_delayed(&worker, Duration::ZERO));
        worker.flush_blocking();
        assert_eq!(log.take(), [0]);
        assert!(never.is_pending(), "the flush of a worker does not wait for delays");
        assert!(never.cancel());
    });
}

#[test]
fn mod_delayed_says_whether_it_was_pending() {
    run("mod_delayed_says_whether_it_was_pending", || {
        let (worker, log, gate) = (worker(), Log::default(), Gate::new());
        gate.shut(&worker);
        let work = log.work(0);
        assert!(!work.mod_delayed(&worker, HOUR), "it was idle");
        assert!(work.is_pending());
        assert!(work.mod_delayed(&worker, HOUR), "it waited for its delay");
        assert!(work.mod_delayed(&worker, Duration::ZERO), "and again");
        assert!(work.mod_delayed(&worker, HOUR), "it was in the list");
        assert!(!gate.work.mod_delayed(&worker, HOUR), "one that runs is not pending");
        gate.open();
        worker.flush_blocking();
        assert_eq!(log.take(), [], "both wait");
        assert!(work.mod_delayed(&worker, Duration::ZERO));
        worker.flush_blocking();
        assert_eq!(log.take(), [0]);
        assert!(gate.work.cancel());
    });
}

// Cancelling.

#[test]
fn cancel_takes_what_is_pending_and_leaves_what_runs() {
    run("cancel_takes_what_is_pending_and_leaves_what_runs", || {
        let (worker, log, gate) = (worker(), Log::default(), Gate::new());
        gate.shut(&worker);
        let (listed, delayed, idle) = (log.work(0), log.work(1), log.work(2));
        listed.queue(&worker);
        delayed.queue_delayed(&worker, HOUR);
        assert!(listed.cancel() && delayed.cancel_sync_blocking() && !idle.cancel());
        assert!(!gate.work.cancel(), "it runs and is not pending");
        assert!(gate.work.is_running());
        gate.open();
        worker.flush_blocking();
        assert_eq!(log.take(), []);
        assert!(listed.queue(&worker), "a cancelled work can be queued");
        worker.flush_blocking();
        assert_eq!(log.take(), [0]);
    });
}

#[test]
fn cancel_sync_waits_for_the_execution_and_keeps_others_from_queueing() {
    run("cancel_sync_waits_for_the_execution_and_keeps_others_from_queueing", || {
        let (worker, gate) = (worker(), Gate::new());
        gate.shut(&worker);
        assert!(gate.work.queue(&worker));
        {
            let mut cancel = pin!(gate.work.cancel_sync());
            assert!(!is_ready(cancel.as_mut()), "it runs");
            assert!(!gate.work.is_pending(), "taken back at once");
            assert!(!gate.work.queue(&worker));
            assert!(!gate.work.queue_delayed(&worker, HOUR));
            assert!(
                gate.work.mod_delayed(&worker, HOUR),
                "the kernel's answer: the other one wins"
            );
            assert!(!gate.work.is_pending());
            assert!(!gate.work.reinit());
            gate.open();
            worker.flush_blocking();
            let mut context = Context::from_waker(Waker::noop());
            assert_eq!(cancel.as_mut().poll(&mut context), Poll::Ready(true), "it was pending");
        }
        gate.shut(&worker);
        // A wait that is dropped lets it be queued again.
        let cancel = gate.work.cancel_sync();
        {
            let mut cancel = pin!(cancel);
            assert!(!is_ready(cancel.as_mut()));
            assert!(!gate.work.queue(&worker));
        }
        assert!(gate.work.queue(&worker));
        assert!(gate.work.cancel());
        gate.open();
        assert!(!gate.work.cancel_sync_blocking(), "it was not pending");
        assert!(!gate.work.is_busy());
    });
}

#[test]
fn cancel_sync_stops_a_work_that_queues_itself() {
    run("cancel_sync_stops_a_work_that_queues_itself", || {
        let worker = worker();
        for delay in [Duration::ZERO, Duration::from_micros(100)] {
            let runs = Arc::new(AtomicUsize::new(0));
            let (count, target) = (runs.clone(), worker.clone());
            let work = DedicatedWork::new_cyclic(|own| {
                move || {
                    count.fetch_add(1, Ordering::SeqCst);
                    if let Some(own) = own.upgrade() {
                        own.queue_delayed(&target, delay);
                    }
                }
            });
            assert!(work.queue(&worker));
            until("it goes on", || runs.load(Ordering::SeqCst) > 100);
            work.cancel_sync_blocking();
            assert!(!work.is_busy());
            let before = runs.load(Ordering::SeqCst);
            worker.flush_blocking();
            assert_eq!(runs.load(Ordering::SeqCst), before);
        }
    });
}

#[test]
fn cancels_against_executions_lose_and_repeat_nothing() {
    run("cancels_against_executions_lose_and_repeat_nothing", || {
        let worker = worker();
        let runs = Arc::new(AtomicUsize::new(0));
        let count = runs.clone();
        let work = DedicatedWork::new(move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        let (mut queued, mut cancelled) = (0, 0);
        for round in 0..20_000 {
            queued += usize::from(work.queue(&worker));
            cancelled += usize::from(match round % 3 {
                0 => work.cancel(),
                1 => work.cancel_sync_blocking(),
                _ => false,
            });
        }
        work.flush_blocking();
        assert_eq!(runs.load(Ordering::SeqCst), queued - cancelled);
    });
}

// Flushing.

#[test]
fn flush_waits_for_the_last_queueing_only() {
    run("flush_waits_for_the_last_queueing_only", || {
        let (worker, gate, log) = (worker(), Gate::new(), Log::default());
        let work = log.work(0);
        assert!(!work.flush_blocking(), "it was never queued");
        gate.shut(&worker);
        work.queue(&worker);
        let mut running = pin!(gate.work.flush());
        let mut pending = pin!(work.flush());
        assert!(!is_ready(running.as_mut()) && !is_ready(pending.as_mut()));
        gate.open();
        work.flush_blocking();
        assert!(is_ready(running) && is_ready(pending));
        assert!(!work.flush_blocking(), "nothing to wait for");
        // A cancelled queueing is over too.
        work.queue_delayed(&worker, HOUR);
        let blocker = Gate::new();
        blocker.shut(&worker);
        let mut cancelled = pin!(work.flush());
        assert!(!is_ready(cancelled.as_mut()));
        assert!(work.cancel());
        assert!(is_ready(cancelled));
        blocker.open();
    });
}

#[test]
fn flush_cuts_a_delay_short() {
    run("flush_cuts_a_delay_short", || {
        let (worker, log) = (worker(), Log::default());
        let work = log.work(0);
        work.queue_delayed(&worker, HOUR);
        assert!(work.flush_blocking());
        assert_eq!(log.take(), [0]);
    });
}

#[test]
fn flushes_of_several_threads_wait_for_what_each_queued() {
    run("flushes_of_several_threads_wait_for_what_each_queued", || {
        let worker = worker();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let runs = Arc::new(AtomicUsize::new(0));
                    let works: Vec<_> = (0..10)
                        .map(|_| {
                            let runs = runs.clone();
                            DedicatedWork::new(move || {
                                runs.fetch_add(1, Ordering::Relaxed);
                            })
                        })
                        .collect();
                    for round in 1..=200 {
                        assert!(works.iter().all(|work| work.queue(&worker)));
                        worker.flush_blocking();
                        assert_eq!(runs.load(Ordering::Relaxed), round * works.len());
                    }
                });
            }
        });
    });
}

#[test]
fn a_flush_ends_although_the_worker_never_runs_dry() {
    run("a_flush_ends_although_the_worker_never_runs_dry", || {
        let worker = worker();
        let target = worker.clone();
        let work = DedicatedWork::new_cyclic(|own| {
            move || {
                if let Some(own) = own.upgrade() {
                    own.queue(&target);
                }
            }
        });
        work.queue(&worker);
        for _ in 0..100 {
            worker.flush_blocking();
        }
        work.cancel_sync_blocking();
    });
}

#[test]
fn a_flush_counts_from_the_call() {
    run("a_flush_counts_from_the_call", || {
        let (worker, gate, log) = (without_thread(), Gate::new(), Log::default());
        let empty = worker.flush();
        let work = log.work(0);
        work.queue(&worker);
        assert!(is_ready(pin!(empty)), "nothing was queued before");
        let mut flush = pin!(worker.flush());
        assert!(!is_ready(flush.as_mut()));
        gate.work.queue(&worker);
        worker.start().unwrap();
        gate.entered.recv().unwrap();
        assert!(is_ready(flush), "it does not wait for what came later");
        gate.open();
        worker.flush_blocking();
    });
}

#[test]
fn inside_of_a_closure_nothing_waits_for_itself() {
    run("inside_of_a_closure_nothing_waits_for_itself", || {
        let (worker, log) = (worker(), Log::default());
        let (own_worker, other, seen) = (worker.clone(), log.work(7), log.clone());
        let work = DedicatedWork::new_cyclic(|own| {
            move || {
                let own = own.upgrade().expect("the test has a handle");
                own_worker.flush_blocking();
                assert!(!own.flush_blocking() && !own.cancel_sync_blocking());
                assert!(other.queue(&own_worker));
                assert!(!other.flush_blocking(), "it can only run after this one");
                assert!(other.cancel_sync_blocking(), "it was pending");
                seen.push(1);
            }
        });
        work.queue(&worker);
        work.flush_blocking();
        assert_eq!((log.take(), work.panics()), (vec![1], 0));
        // The same of the worker's end.
        let own_worker = Mutex::new(Some(worker.clone()));
        let end = DedicatedWork::new(move || {
            let worker = own_worker.lock().unwrap().take().expect("it runs once");
            assert!(worker.stop_blocking(), "it was asked to leave");
            worker.destroy_blocking();
        });
        end.queue(&worker);
        until("the worker ends", || !worker.is_served());
        assert!(!end.queue(&worker));
    });
}

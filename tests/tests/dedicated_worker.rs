//! Dedicated workers: who serves them, and how they end.

use cmwq::dedicated::{DedicatedWork, DedicatedWorker};
use cmwq_tests::dedicated::{Gate, Log, is_ready, without_thread, worker};
use cmwq_tests::fork::{panics, panics_after_fork};
use cmwq_tests::{run, until};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// Serves the worker on this thread until nothing is left.
fn serve(worker: &DedicatedWorker) {
    loop {
        let (own, last) = (worker.clone(), Arc::new(AtomicBool::new(false)));
        let seen = last.clone();
        let stop = DedicatedWork::new(move || {
            drop(own.stop());
            // Nothing is behind it: a flush from outside would be over.
            seen.store(true, Ordering::SeqCst);
        });
        assert!(stop.queue(worker));
        worker.run().expect("nobody else serves");
        assert!(last.load(Ordering::SeqCst));
        if is_ready(pin!(worker.flush())) {
            return;
        }
    }
}

// Serving.

#[test]
fn without_a_thread_it_collects_works() {
    run("without_a_thread_it_collects_works", || {
        let (worker, log) = (without_thread(), Log::default());
        let works: Vec<_> = (0..3).map(|number| log.work(number)).collect();
        assert!(works.iter().all(|work| work.queue(&worker)));
        assert!(works.iter().all(DedicatedWork::is_pending) && !worker.is_served());
        assert!(!worker.stop_blocking() && worker.granted().is_none());
        worker.start().unwrap();
        worker.flush_blocking();
        assert_eq!(log.take(), [0, 1, 2]);
        assert!(worker.is_served() && worker.granted().is_some());
        assert!(worker.start().unwrap_err().is_served());
    });
}

#[test]
fn threads_serve_one_after_the_other() {
    run("threads_serve_one_after_the_other", || {
        let (worker, log, gate) = (without_thread(), Log::default(), Gate::new());
        let own = {
            let worker = worker.clone();
            thread::spawn(move || worker.run().map(|()| thread::current().id()))
        };
        gate.shut(&worker);
        assert!(worker.run().unwrap_err().is_served());
        assert!(worker.start().unwrap_err().is_served());
        let works = [log.work(1), log.work(2)];
        assert!(works.iter().all(|work| work.queue(&worker)));
        // It leaves after the present execution, not after the list.
        let mut stop = pin!(worker.stop());
        assert!(!is_ready(stop.as_mut()));
        gate.open();
        own.join().unwrap().unwrap();
        assert!(is_ready(stop) && !worker.is_served());
        assert!(works.iter().all(DedicatedWork::is_pending), "kept for the next thread");
        assert!(works[0].cancel());

        let threads = Arc::new(Mutex::new(Vec::new()));
        let seen = threads.clone();
        let who = DedicatedWork::new(move || seen.lock().unwrap().push(thread::current().id()));
        who.queue(&worker);
        serve(&worker);
        assert_eq!(log.take(), [2]);
        assert_eq!(*threads.lock().unwrap(), [thread::current().id()], "on this very thread");

        worker.start().unwrap();
        who.queue(&worker);
        worker.flush_blocking();
        assert!(worker.stop_blocking());
        let threads = threads.lock().unwrap();
        assert!(threads.len() == 2 && threads[1] != threads[0]);
    });
}

#[test]
fn a_delay_goes_on_while_nobody_serves() {
    run("a_delay_goes_on_while_nobody_serves", || {
        let (worker, log) = (without_thread(), Log::default());
        let (delayed, later) = (log.work(0), log.work(1));
        delayed.queue_delayed(&worker, Duration::from_millis(1));
        thread::sleep(Duration::from_millis(5));
        later.queue(&worker);
        serve(&worker);
        assert_eq!(log.take(), [0, 1]);
    });
}

#[test]
fn destroy_executes_what_is_queued_and_refuses_the_rest() {
    run("destroy_executes_what_is_queued_and_refuses_the_rest", || {
        let (worker, log, gate) = (worker(), Log::default(), Gate::new());
        let other = worker.clone();
        gate.shut(&worker);
        let (queued, delayed, late) = (log.work(0), log.work(1), log.work(2));
        let (target, chained) = (worker.clone(), late.clone());
        let chain = DedicatedWork::new(move || assert!(!chained.queue(&target)));
        assert!(queued.queue(&worker) && chain.queue(&worker));
        assert!(delayed.queue_delayed(&worker, HOUR));
        let mut destroy = pin!(worker.destroy());
        assert!(!is_ready(destroy.as_mut()), "an execution is under way");
        assert!(!late.queue(&other) && !late.mod_delayed(&other, HOUR));
        assert!(!delayed.is_pending(), "cancelled");
        assert!(queued.is_pending());
        // Who is asked to leave now executes first what there is.
        drop(other.stop());
        gate.open();
        other.clone().destroy_blocking();
        assert!(is_ready(destroy) && !other.is_served());
        assert_eq!((log.take(), chain.panics()), (vec![0], 0));
        assert!(other.start().unwrap_err().is_destroyed());
        assert!(other.run().unwrap_err().is_destroyed());
        assert!(late.reinit(), "a work outlives its worker");
    });
}

#[test]
fn destroy_without_a_thread_cancels() {
    run("destroy_without_a_thread_cancels", || {
        let (worker, log) = (without_thread(), Log::default());
        let (work, other) = (log.work(0), log.work(1));
        assert!(work.queue(&worker) && other.queue(&worker));
        let weak = other.downgrade();
        drop(other);
        assert!(weak.upgrade().is_some(), "the list has it");
        let mut flush = pin!(worker.flush());
        assert!(!is_ready(flush.as_mut()));
        worker.destroy_blocking();
        assert!(is_ready(flush));
        assert!(!work.is_pending() && weak.upgrade().is_none());
        assert_eq!(log.take(), []);
    });
}

#[test]
fn a_dropped_worker_executes_what_it_has_and_blocks_nobody() {
    run("a_dropped_worker_executes_what_it_has_and_blocks_nobody", || {
        let (worker, log, gate) = (worker(), Log::default(), Gate::new());
        let (queued, delayed) = (log.work(0), log.work(1));
        gate.shut(&worker);
        queued.queue(&worker);
        delayed.queue_delayed(&worker, HOUR);
        // It would hang here, since the gate is shut.
        drop(worker);
        assert!(!delayed.is_pending() && queued.is_pending());
        gate.open();
        queued.flush_blocking();
        assert_eq!(log.take(), [0]);
    });
}

#[test]
fn threads_end_with_their_workers() {
    run("threads_end_with_their_workers", || {
        let count = || {
            let tasks = procfs::process::Process::myself().unwrap().tasks().unwrap();
            tasks.flatten().filter(|task| task.stat().is_ok_and(|s| s.comm == "mayfly")).count()
        };
        let build = || DedicatedWorker::builder().name("mayfly").build().unwrap();
        let (dropped, destroyed, stopped) = (build(), build(), build());
        assert_eq!(count(), 3);
        drop(dropped);
        destroyed.destroy_blocking();
        stopped.stop_blocking();
        until("the threads end", || count() == 0);
    });
}

// Calls.

#[test]
fn calls_give_results_in_their_turn() {
    run("calls_give_results_in_their_turn", || {
        let (worker, log, gate) = (worker(), Log::default(), Gate::new());
        gate.shut(&worker);
        let calls: Vec<_> = (0..3)
            .map(|number| {
                let log = log.clone();
                worker.call(move || {
                    log.push(number);
                    number
                })
            })
            .collect();
        let (taken_back, detached) = (worker.call(|| 1), log.clone());
        drop(worker.call(move || detached.push(3)));
        assert!(taken_back.cancel() && !taken_back.cancel());
        gate.open();
        let results: Vec<_> = calls.into_iter().map(|call| call.wait().unwrap()).collect();
        assert_eq!(results, [0, 1, 2]);
        assert!(taken_back.wait().unwrap_err().is_cancelled());
        worker.flush_blocking();
        assert_eq!(log.take(), [0, 1, 2, 3], "a dropped call is detached");
    });
}

#[test]
fn a_call_without_a_result_says_why() {
    run("a_call_without_a_result_says_why", || {
        let (worker, gate) = (worker(), Gate::new());
        let panic = worker.call(|| panic!("in a call")).wait().unwrap_err();
        assert!(panic.is_panic());
        assert_eq!(panic.into_panic().downcast_ref(), Some(&"in a call"));
        // Inside of a closure of the same worker, where it would be for ever.
        let own = worker.clone();
        let inner = worker.call(move || own.call(|| ()).wait()).wait().unwrap();
        let inner = inner.unwrap_err();
        assert!(inner.is_deadlock(), "{inner}");
        assert!(inner.to_string().contains("same dedicated worker"), "{inner}");

        gate.shut(&worker);
        let (other, last) = (worker.clone(), worker.call(|| 1));
        let end = pin!(worker.destroy());
        let refused = other.call(|| ()).wait().unwrap_err();
        assert!(refused.is_rejected(), "{refused}");
        assert!(refused.to_string().contains("rejected: dedicated worker"), "{refused}");
        gate.open();
        assert_eq!(last.wait().unwrap(), 1, "it was queued before the end");
        until("the worker ends", || !other.is_served());
        assert!(is_ready(end));

        let idle = without_thread();
        let never = idle.call(|| ());
        drop(idle);
        assert!(never.wait().unwrap_err().is_cancelled());
    });
}

// Failure.

#[test]
fn a_panic_is_counted_and_ends_nothing() {
    run("a_panic_is_counted_and_ends_nothing", || {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("in the drop of a closure");
            }
        }
        let (worker, log) = (worker(), Log::default());
        let mut runs = 0;
        let work = DedicatedWork::new(move || {
            runs += 1;
            assert!(runs % 2 == 0, "every other time");
        });
        for panics in [1, 1, 2, 2] {
            assert!(work.queue(&worker));
            work.flush_blocking();
            assert_eq!(work.panics(), panics);
        }
        let bomb = Bomb;
        let last = DedicatedWork::new(move || {
            let _keep = &bomb;
        });
        // The worker is to drop it, not this thread.
        let gate = Gate::new();
        gate.shut(&worker);
        last.queue(&worker);
        drop(last);
        log.work(0).queue(&worker);
        gate.open();
        worker.flush_blocking();
        assert_eq!(log.take(), [0], "the worker goes on");
    });
}

#[test]
fn use_after_fork_panics() {
    run("dedicated::use_after_fork_panics", || {
        let (mut last, work) = (Some(worker()), DedicatedWork::new(|| ()));
        panics_after_fork(|| {
            let did = panics(|| work.queue(last.as_ref().expect("not yet dropped")));
            // Neither panics nor hangs.
            drop(last.take());
            did
        });
        let worker = last.expect("dropped in the child only");
        assert!(work.queue(&worker) && work.flush_blocking() | !work.is_busy());
    });
}

//! The threads of dedicated workers: where they are, how urgent, and beside a runtime.

use cmwq::dedicated::{Builder, DedicatedWork, DedicatedWorker};
use cmwq_tests::dedicated::{Gate, Log, without_thread, worker};
use cmwq_tests::run;
use std::sync::mpsc;

fn allowed() -> Vec<usize> {
    cmwq_tests::confine::allowed().expect("an affinity")
}

/// The CPUs that a closure of the worker may use.
fn cpus_inside(worker: &DedicatedWorker) -> Vec<usize> {
    let (send, receive) = mpsc::channel();
    let work = DedicatedWork::new(move || send.send(allowed()).unwrap());
    assert!(work.queue(worker));
    receive.recv().unwrap()
}

#[test]
fn the_thread_is_where_it_was_asked_for() {
    run("the_thread_is_where_it_was_asked_for", || {
        let (all, builder) = (allowed(), DedicatedWorker::builder);
        let last = *all.last().unwrap();
        for (builder, expected) in [
            (builder(), &all[..]),
            (builder().cpu(last), &[last]),
            (builder().cpus([last, 60_000]), &[last]),
        ] {
            let worker = builder.build().unwrap();
            assert_eq!(cpus_inside(&worker), expected);
            assert_eq!(worker.granted().unwrap().cpus(), expected);
        }
        // Every machine has a node 0, but not always with CPUs of ours.
        match builder().node(0).build() {
            Ok(worker) => {
                let inside = cpus_inside(&worker);
                assert!(!inside.is_empty() && inside.iter().all(|cpu| all.contains(cpu)));
            }
            Err(error) => assert!(error.is_invalid_config(), "{error}"),
        }
        let error = builder().cpu(60_000).build().unwrap_err();
        assert!(error.is_io() && error.to_string().contains("cpu(60000)"), "{error}");
        let error = builder().node(60_000).build().unwrap_err();
        assert!(error.is_invalid_config() && error.to_string().contains("node(60000)"), "{error}");
        // The seat is free again.
        let worker = builder().cpu(60_000).without_thread().build().unwrap();
        assert!(worker.start().unwrap_err().is_io() && worker.start().unwrap_err().is_io());
        assert!(!worker.is_served());
    });
}

#[test]
fn a_priority_is_granted_or_visibly_refused() {
    run("a_priority_is_granted_or_visibly_refused", || {
        let nice = |builder: Builder| builder.build().unwrap().granted().unwrap();
        let plain = nice(DedicatedWorker::builder());
        assert_eq!((plain.realtime(), plain.refused()), (None, None));
        let low = nice(DedicatedWorker::builder().nice(3));
        assert_eq!((low.nice(), low.refused()), ((plain.nice() + 3).min(19), None));
        let high = nice(DedicatedWorker::builder().nice(-5));
        assert_eq!(high.refused().is_none(), high.nice() == (plain.nice() - 5).max(-20));
        assert!(high.nice() <= plain.nice(), "a refusal makes nothing worse");

        let worker = DedicatedWorker::builder().realtime(7).nice(1).build().unwrap();
        let granted = worker.granted().unwrap();
        let (send, receive) = mpsc::channel();
        let work = DedicatedWork::new(move || {
            // SAFETY: takes no pointers.
            send.send(unsafe { libc::sched_getscheduler(0) } & 7).unwrap();
        });
        work.queue(&worker);
        let policy = receive.recv().unwrap();
        match granted.refused() {
            None => assert_eq!((granted.realtime(), policy), (Some(7), libc::SCHED_FIFO)),
            Some(reason) => {
                assert!(reason.contains("priority 7"), "{reason}");
                assert_eq!((granted.realtime(), policy), (None, libc::SCHED_OTHER));
            }
        }
    });
}

#[test]
fn impossible_settings_are_errors() {
    run("impossible_settings_are_errors", || {
        let builder = DedicatedWorker::builder;
        for (builder, word) in [
            (builder().cpu(0).node(0), "contradict"),
            (builder().cpus([0]).cpu(0), "contradict"),
            (builder().cpus([]), "no CPU"),
            (builder().cpu(1 << 40), "below"),
            (builder().nice(20), "nice(20)"),
            (builder().realtime(0), "realtime(0)"),
            (builder().realtime(100), "realtime(100)"),
            (builder().name("a\0b"), "NUL"),
        ] {
            let error = builder.build().unwrap_err();
            assert!(error.is_invalid_config() && error.to_string().contains(word), "{error}");
        }
        let worker = builder().stack_size(16 << 20).build().unwrap();
        let work = DedicatedWork::new(|| {
            // Would not fit into the stack of 2 MiB that is the default.
            std::hint::black_box(&[1_u8; 4 << 20]);
        });
        work.queue(&worker);
        work.flush_blocking();
        assert_eq!(work.panics(), 0);
    });
}

// Beside a runtime.

#[test]
fn a_thread_made_in_a_task_has_the_affinity_of_the_process() {
    run("a_thread_made_in_a_task_has_the_affinity_of_the_process", || {
        let all = allowed();
        let mut builder = cmwq::runtime::Builder::new_multi_thread();
        let builder = builder.worker_threads(all.len()).pin(cmwq::runtime::Pin::Always);
        let Ok(runtime) = builder.build() else {
            return cmwq_tests::skip("a pinned runtime", "it could not be built here");
        };
        let made = runtime.block_on(async {
            cmwq::spawn(async { (allowed(), DedicatedWorker::builder().build().unwrap()) }).await
        });
        let (pinned, worker) = made.unwrap();
        assert_eq!(pinned.len(), 1, "the task's thread is pinned");
        assert_eq!(cpus_inside(&worker), all);
    });
}

#[test]
fn threads_and_workers_made_in_a_pinned_closure_need_not_inherit_it() {
    run("threads_and_workers_made_in_a_pinned_closure_need_not_inherit_it", || {
        let all = allowed();
        let worker = DedicatedWorker::builder().cpu(all[0]).build().unwrap();
        let (send, receive) = mpsc::channel();
        let work = DedicatedWork::new(move || {
            let inner = DedicatedWorker::builder().build().unwrap();
            let unpinned = cmwq::unpinned(allowed);
            send.send((allowed(), unpinned, cpus_inside(&inner))).unwrap();
        });
        work.queue(&worker);
        let (own, unpinned, inner) = receive.recv().unwrap();
        assert_eq!((own, unpinned, inner), (vec![all[0]], all.clone(), all));
    });
}

#[test]
fn blocking_forms_inside_a_task_hand_the_core_over() {
    run("blocking_forms_inside_a_task_hand_the_core_over", || {
        // Without a detector nobody else would notice that the task blocks.
        let mut builder = cmwq::runtime::Builder::new_multi_thread();
        let builder = builder.worker_threads(1).detector(cmwq::runtime::Detector::Off);
        let runtime = builder.build().unwrap();
        let blockings: [fn(&DedicatedWorker, &DedicatedWork); 4] = [
            |worker, _| worker.flush_blocking(),
            |_, work| assert!(work.flush_blocking()),
            |_, work| assert!(!work.cancel_sync_blocking()),
            |worker, _| worker.clone().destroy_blocking(),
        ];
        for blocking in blockings {
            let worker = worker();
            let gate = Gate::new();
            gate.shut(&worker);
            let (leave, work, target) = (gate.leave.clone(), gate.work.clone(), worker.clone());
            let blocked = runtime.spawn(async move {
                // It is the only core: this one runs when the task there has handed it over.
                cmwq::spawn(async move { leave.send(()).unwrap() });
                blocking(&target, &work);
            });
            runtime.block_on(blocked).unwrap();
        }
        // And so does a task that serves.
        let worker = without_thread();
        let target = worker.clone();
        let served = runtime.spawn(async move {
            cmwq::spawn(async move {
                let stop = DedicatedWork::new({
                    let worker = target.clone();
                    move || drop(worker.stop())
                });
                assert!(stop.queue(&target));
            });
            worker.run()
        });
        runtime.block_on(served).unwrap().unwrap();
    });
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn waits_are_awaited_in_any_runtime() {
    let (worker, gate, log) = (worker(), Gate::new(), Log::default());
    gate.shut(&worker);
    let (work, leave) = (log.work(0), gate.leave.clone());
    work.queue(&worker);
    cmwq::spawn(async move { leave.send(()).unwrap() });
    assert!(gate.work.flush().await | !gate.work.is_busy());
    worker.flush().await;
    assert_eq!(log.take(), [0]);
    assert!(!work.cancel_sync().await);
    assert!(worker.stop().await && !worker.stop().await);
    worker.start().unwrap();
    worker.destroy().await;
    assert!(!work.queue(&DedicatedWorker::builder().build().unwrap()), "it has its worker");
}

#[test]
fn a_closure_uses_a_runtime_through_its_handle() {
    run("a_closure_uses_a_runtime_through_its_handle", || {
        let runtime = cmwq::runtime::Runtime::new().unwrap();
        let (handle, worker) = (runtime.handle().clone(), worker());
        let (send, receive) = mpsc::channel();
        let work = DedicatedWork::new(move || {
            let sum = handle.block_on(async { cmwq::spawn(async { 1 + 2 }).await.unwrap() });
            send.send(sum).unwrap();
        });
        work.queue(&worker);
        assert_eq!(receive.recv(), Ok(3));
    });
}

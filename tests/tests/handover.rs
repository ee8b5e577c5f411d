//! Blocking forms inside of a task hand its core over, and do not wait for a detector to notice.
//!
//! There is none here, and one core, so what is waited for runs only if the task that waits has given
//! the core away by itself.

use cmwq::runtime::{Builder, Detector, Runtime};
use cmwq::workqueue::{schedule_on_each_cpu_blocking, work_on_cpu_blocking};
use cmwq::{Work, Workqueue};
use cmwq_tests::works::{Gate, counted, cpus, value};
use cmwq_tests::{finish, run};

fn one_core() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).detector(Detector::Off).enable_all().build().unwrap()
}

#[test]
fn waits_for_a_queue() {
    run("waits_for_a_queue", || {
        let runtime = one_core();
        let waits: [fn(&Workqueue); 3] = [
            |queue| queue.flush_blocking(),
            |queue| queue.drain_blocking(),
            |queue| queue.clone().destroy_blocking(),
        ];
        for wait in waits {
            let queue = Workqueue::builder().build_on(runtime.handle()).unwrap();
            let before = runtime.metrics().handovers_count();
            let task = runtime.spawn(async move {
                let (go, may_go) = cmwq::sync::oneshot::channel();
                let item = queue.spawn(async move { may_go.await.is_ok() });
                cmwq::spawn(async move { go.send(()).unwrap() });
                wait(&queue);
                item.is_finished()
            });
            assert!(finish(task).unwrap(), "it has waited");
            assert!(runtime.metrics().handovers_count() > before);
        }
        assert_eq!(runtime.metrics().takeovers_count(), 0);
    });
}

#[test]
fn waits_for_a_work_item() {
    run("waits_for_a_work_item", || {
        let runtime = one_core();
        let queue = Workqueue::builder().build_on(runtime.handle()).unwrap();
        let (work, count) = counted();
        let task = runtime.spawn(async move {
            assert!(work.queue(&queue));
            work.flush_blocking()
        });
        assert!(finish(task).unwrap(), "it has waited");
        assert_eq!(value(&count), 1);
    });
}

#[test]
fn waits_for_a_work_item_that_is_cancelled() {
    run("waits_for_a_work_item_that_is_cancelled", || {
        let runtime = one_core();
        // Executions of this queue do not have the core.
        let builder = Workqueue::builder().cpu_intensive();
        let queue = builder.build_on(runtime.handle()).unwrap();
        let gate = Gate::new();
        gate.run(&queue);
        let work = gate.work.clone();
        let task = runtime.spawn(async move {
            cmwq::spawn(async move {
                gate.end();
                gate
            });
            let was_pending = work.cancel_sync_blocking();
            (was_pending, work.is_running())
        });
        assert_eq!(finish(task).unwrap(), (false, false));
    });
}

#[test]
fn waits_for_functions_on_cpus() {
    run("waits_for_functions_on_cpus", || {
        let runtime = one_core();
        let queue = Workqueue::builder().build_on(runtime.handle()).unwrap();
        let cpu = cpus(&queue)[0];
        let task = runtime.spawn(async move {
            schedule_on_each_cpu_blocking(|| ()).unwrap();
            work_on_cpu_blocking(cpu, || 6 * 7).unwrap()
        });
        assert_eq!(finish(task).unwrap(), 42);
    });
}

/// The core is the task's again afterwards, with its budget and its runtime.
#[test]
fn the_task_goes_on_in_its_runtime() {
    run("the_task_goes_on_in_its_runtime", || {
        let runtime = one_core();
        let queue = Workqueue::builder().build_on(runtime.handle()).unwrap();
        let task = runtime.spawn(async move {
            let work = Work::new(|| ());
            for _ in 0..100 {
                assert!(work.queue(&queue));
                work.flush_blocking();
                cmwq::spawn(async {}).await.unwrap();
                cmwq::time::sleep(std::time::Duration::from_micros(10)).await;
            }
        });
        finish(task).unwrap();
    });
}

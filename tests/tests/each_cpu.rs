//! Functions on a certain CPU, and on each.

use cmwq::workqueue::{
    self, schedule_on_each_cpu, schedule_on_each_cpu_blocking, work_on_cpu, work_on_cpu_blocking,
};
use cmwq_tests::{Running, case, every_case, finish};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const NO_SUCH_CPU: usize = 1_000_000;

/// Where it was called.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<usize>>>);

impl Calls {
    fn note(&self) -> impl Fn() + Send + Sync + 'static {
        let calls = self.0.clone();
        move || calls.lock().unwrap().push(rustix::thread::sched_getcpu())
    }

    /// Takes the notes: one from each core, and each from another CPU where they are pinned.
    fn check(&self, runtime: &Running) {
        let calls = std::mem::take(&mut *self.0.lock().unwrap());
        let metrics = runtime.handle().metrics();
        assert_eq!(calls.len(), metrics.num_workers(), "{calls:?}");
        if metrics.is_pinned() {
            let cpus: BTreeSet<_> = calls.iter().collect();
            assert_eq!(cpus.len(), calls.len(), "{calls:?}");
        }
    }
}

/// A CPU of the runtime, by its number there.
fn some_cpu(runtime: &Running) -> usize {
    let _entered = runtime.enter();
    (0..4096).find(|&cpu| work_on_cpu_blocking(cpu, || ()).is_ok()).expect("one is served")
}

every_case! {
    fn each_cpu_once(case) {
        let runtime = case.start(case::cores());
        let calls = Calls::default();
        finish(runtime.spawn({
            let note = calls.note();
            async { schedule_on_each_cpu(note).await }
        }))
        .unwrap()
        .unwrap();
        calls.check(&runtime);

        let _entered = runtime.enter();
        schedule_on_each_cpu_blocking(calls.note()).unwrap();
        calls.check(&runtime);
    }

    fn inside_of_a_task(case) {
        // One core, which the blocking call has.
        let runtime = case.start(1);
        let cpu = some_cpu(&runtime);
        let calls = Calls::default();
        let note = calls.note();
        let task = runtime.spawn(async move {
            schedule_on_each_cpu_blocking(note).unwrap();
            work_on_cpu_blocking(cpu, || 6 * 7).unwrap()
        });
        assert_eq!(finish(task).unwrap(), 42);
        calls.check(&runtime);
    }

    fn inside_of_the_system_queue(case) {
        let runtime = case.start(1);
        let cpu = some_cpu(&runtime);
        let _entered = runtime.enter();
        let nested = work_on_cpu(cpu, move || {
            work_on_cpu_blocking(cpu, move || work_on_cpu_blocking(cpu, || 7).unwrap()).unwrap()
        });
        assert_eq!(finish(nested).unwrap(), 7);
    }

    fn errors_say_what_happened(case) {
        let runtime = case.start(1);
        let cpu = some_cpu(&runtime);
        let _entered = runtime.enter();
        let unknown = work_on_cpu_blocking(NO_SUCH_CPU, || ()).unwrap_err();
        assert!(unknown.is_unknown_cpu() && unknown.cpu() == NO_SUCH_CPU);
        let message = unknown.to_string();
        assert!(message.contains("CPU 1000000") && message.contains(&format!("serve {cpu}")));
        assert!(unknown.try_into_panic().unwrap_err().is_unknown_cpu());

        let panicked = finish(work_on_cpu::<_, ()>(cpu, || panic!("as planned"))).unwrap_err();
        assert!(panicked.is_panic() && !panicked.is_unknown_cpu());
        assert!(panicked.to_string().contains("as planned"), "{panicked}");
        assert_eq!(panicked.try_into_panic().unwrap().downcast_ref(), Some(&"as planned"));

        assert_eq!(work_on_cpu_blocking(cpu, || 1).unwrap(), 1, "it goes on after a panic");
    }
}

#[test]
fn a_panic_on_one_cpu_does_not_keep_the_others() {
    let runtime = cmwq::runtime::Builder::new_multi_thread().worker_threads(3).build().unwrap();
    let _entered = runtime.enter();
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    let error = schedule_on_each_cpu_blocking(move || {
        if count.fetch_add(1, Ordering::SeqCst) == 0 {
            panic!("the first of them");
        }
    })
    .unwrap_err();
    assert!(error.is_panic(), "{error}");
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_call_that_is_dropped_is_made_all_the_same() {
    let (called, mut calls) = cmwq::sync::mpsc::unbounded_channel();
    drop(schedule_on_each_cpu(move || called.send(()).expect("the test waits")));
    calls.recv().await.expect("one call at least");
}

#[test]
fn a_system_queue_that_drains_rejects() {
    let runtime = cmwq::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let _entered = runtime.enter();
    let drain = workqueue::system().drain();
    let error = schedule_on_each_cpu_blocking(|| ()).unwrap_err();
    assert!(error.is_rejected() && !error.is_unknown_cpu(), "{error}");
    drop(drain);
    schedule_on_each_cpu_blocking(|| ()).unwrap();
}

#[test]
fn a_runtime_that_has_ended_cancels() {
    let runtime = cmwq::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let handle = runtime.handle().clone();
    drop(runtime);
    let _entered = handle.enter();
    let error = finish(schedule_on_each_cpu(|| ())).unwrap_err();
    assert!(error.is_cancelled(), "{error}");
}

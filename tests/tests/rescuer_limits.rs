//! No thread can be made: queues with a rescuer go on, others wait and are reported.

use cmwq::Workqueue;
use cmwq_tests::cgroup::in_group;
use cmwq_tests::child::{Prepare, in_child};
use cmwq_tests::confine::{limit_threads, threads_of_user};
use cmwq_tests::starving::{Kind, all_finish, build, waiting_for};
use cmwq_tests::{Beside, Case, confine, run, until};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

/// Tasks that block where no thread can be made.
const BLOCKED: usize = 20;

/// How long a queue without a rescuer is watched to stand still.
const STILL: Duration = Duration::from_millis(400);

/// RLIMIT_NPROC takes all threads away while workers wait for the queue.
#[test]
fn no_more_threads() {
    let name = "no_more_threads";
    run(name, || {
        let prepare = Prepare::new().step(confine::unprivileged);
        in_child(name, prepare, || {
            let runtime = Case::Auto.start(1);
            let queue = build(&runtime, Kind::Bound, "pages", true);
            let beside = Beside::start(&runtime);
            limit_threads(Some(threads_of_user()));
            all_finish(waiting_for(&runtime, &queue, BLOCKED));
            assert!(runtime.metrics().thread_creation_failures() > 0);
            assert!(runtime.metrics().maydays_count() > 0);
            beside.progress().expect("everything goes on");
        })
        .expect("the child starts");
    });
}

/// Counts what the runtime reports: warnings, and stalls.
#[derive(Clone, Default)]
struct Reports {
    warnings: Arc<AtomicUsize>,
    stalls: Arc<AtomicUsize>,
}

impl<S: tracing::Subscriber> Layer<S> for Reports {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if metadata.target() != "cmwq" {
            return;
        }
        if *metadata.level() == tracing::Level::WARN {
            self.warnings.fetch_add(1, Ordering::SeqCst);
        }
        if metadata.fields().field("stalled_ms").is_some() {
            self.stalls.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// The same without a rescuer: it is stuck, which is reported meanwhile, and goes on when the limit is
/// lifted.
#[test]
fn no_more_threads_without() {
    let name = "no_more_threads_without";
    run(name, || {
        let prepare = Prepare::new().step(confine::unprivileged);
        in_child(name, prepare, || {
            let reports = Reports::default();
            let subscriber = Registry::default().with(reports.clone());
            tracing::subscriber::set_global_default(subscriber).expect("the only one here");
            let runtime = Case::Auto.start_with(1, |builder| {
                builder.watchdog(STILL / 2);
            });
            let queue = build(&runtime, Kind::Bound, "pages", false);
            let before = limit_threads(Some(threads_of_user()));
            let tasks = waiting_for(&runtime, &queue, BLOCKED);
            until("the pool is out of workers", || {
                runtime.metrics().thread_creation_failures() > 0
            });
            until("the pool calls", || runtime.metrics().maydays_count() > 0);
            until("it is reported", || reports.stalls.load(Ordering::SeqCst) > 0);
            // Some may have been through before the last worker was blocked, or are on their way.
            let finished = || tasks.iter().filter(|task| task.is_finished()).count();
            let stands_still = || {
                let before = finished();
                thread::sleep(STILL);
                finished() == before
            };
            assert!((0..5).any(|_| stands_still()), "there is nobody to run them");
            assert!(finished() < BLOCKED, "all of them were through");
            limit_threads(before);
            all_finish(tasks);
            until("it is told", || reports.warnings.load(Ordering::SeqCst) > 0);
        })
        .expect("the child starts");
    });
}

/// A rescuer that cannot be made is an error of the builder.
#[test]
fn no_thread_for_a_rescuer() {
    let name = "no_thread_for_a_rescuer";
    run(name, || {
        let prepare = Prepare::new().step(confine::unprivileged);
        in_child(name, prepare, || {
            let runtime = Case::Auto.start(1);
            let before = limit_threads(Some(threads_of_user()));
            let builder = Workqueue::builder().name("pages").reclaim();
            let error = builder.clone().build_on(runtime.handle()).expect_err("no thread");
            assert!(error.is_io(), "{error}");
            assert!(error.to_string().contains("rescuer"), "{error}");
            limit_threads(before);
            builder.build_on(runtime.handle()).expect("a thread");
        })
        .expect("the child starts");
    });
}

/// The control group's `pids.max` takes all threads away.
#[test]
fn control_group_without_threads() {
    let name = "control_group_without_threads";
    run(name, || {
        // The test's own threads, and few workers.
        in_group(name, "pids", &[("pids.max", "14")], || {
            // The cap would follow pids.max; here it is the kernel that refuses.
            let runtime = Case::Auto.start_with(1, |builder| {
                builder.max_workers_per_core(100);
            });
            let queue = build(&runtime, Kind::Bound, "pages", true);
            all_finish(waiting_for(&runtime, &queue, 30));
            let metrics = runtime.metrics();
            assert!(metrics.thread_creation_failures() + metrics.cap_hits() > 0);
            assert!(metrics.maydays_count() > 0);
        });
    });
}

//! Waiting for a queue: many flushes at once, waits from outside of the runtime, warnings.

use cmwq::Workqueue;
use cmwq::runtime::{Builder, Runtime};
use cmwq_tests::nodes;
use cmwq_tests::works::{counted, value};
use futures::FutureExt;
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

const LIMIT: Duration = Duration::from_secs(30);

fn two_cores() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).build().unwrap()
}

/// What the runtime reports, one text for each event.
#[derive(Clone, Default)]
struct Reports(Arc<Mutex<Vec<String>>>);

impl Reports {
    fn with(&self, what: &str) -> Vec<String> {
        let all = self.0.lock().unwrap();
        all.iter().filter(|report| report.contains(what)).cloned().collect()
    }

    fn subscriber(&self) -> impl tracing::Subscriber + Send + Sync + use<> {
        Registry::default().with(self.clone())
    }
}

impl<S: tracing::Subscriber> Layer<S> for Reports {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, "{field}={value:?} ");
    }
}

#[test]
fn waits_from_outside_of_the_runtime_block_the_thread() {
    let runtime = two_cores();
    let done = Arc::new(AtomicUsize::new(0));
    let queue = Workqueue::builder().max_active(1).build_on(runtime.handle()).unwrap();
    let fill = |count| {
        for _ in 0..count {
            let done = done.clone();
            queue.spawn(async move {
                cmwq::time::sleep(Duration::from_millis(1)).await;
                done.fetch_add(1, Ordering::SeqCst);
            });
        }
    };
    fill(5);
    queue.flush_blocking();
    assert_eq!(done.load(Ordering::SeqCst), 5);
    fill(5);
    queue.drain_blocking();
    assert_eq!(done.load(Ordering::SeqCst), 10);
    fill(5);
    queue.clone().destroy_blocking();
    assert_eq!(done.load(Ordering::SeqCst), 15);
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_many_flushes_waits_for_all_that_was_queued_before_it() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 100;
    let queue = Workqueue::builder().unbound().max_active(3).build().unwrap();
    let flushers: Vec<_> = (0..THREADS)
        .map(|_| {
            let queue = queue.clone();
            cmwq::spawn(async move {
                let done = Arc::new(AtomicUsize::new(0));
                let mut flushes = Vec::new();
                for round in 1..=ROUNDS {
                    let done = done.clone();
                    queue.spawn(async move {
                        cmwq::task::yield_now().await;
                        done.fetch_add(1, Ordering::SeqCst);
                    });
                    flushes.push((round, queue.flush()));
                }
                for (round, flush) in flushes {
                    flush.await;
                    assert!(done.load(Ordering::SeqCst) >= round, "{round}");
                }
            })
        })
        .collect();
    for flusher in flushers {
        flusher.await.unwrap();
    }
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_ends_although_the_queue_never_runs_dry() {
    /// Queues the next one before it ends.
    fn go_on(queue: Workqueue, stop: Arc<AtomicBool>) {
        let next = queue.clone();
        queue.spawn(async move {
            cmwq::task::yield_now().await;
            if !stop.load(Ordering::SeqCst) {
                go_on(next, stop);
            }
        });
    }
    let queue = Workqueue::builder().build().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    (0..10).for_each(|_| go_on(queue.clone(), stop.clone()));
    for _ in 0..20 {
        queue.flush_timeout(LIMIT).await.expect("later items do not delay it");
    }
    stop.store(true, Ordering::SeqCst);
    queue.drain().await;
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_flush_with_a_time_limit_gives_up_and_harms_nothing() {
    let queue = Workqueue::builder().max_active(1).build().unwrap();
    let endless = queue.spawn_on(0, std::future::pending::<()>());
    let inactive = queue.spawn_on(0, async { 7 });
    assert!(queue.flush_timeout(Duration::from_millis(20)).await.is_err());
    assert!(!endless.is_finished() && !inactive.is_finished());
    endless.abort();
    queue.flush_timeout(LIMIT).await.expect("nothing is left");
    assert_eq!(inactive.await.unwrap(), 7);
}

#[test]
fn a_drain_without_end_is_reported_at_its_tenth_round() {
    /// Goes on until there is a report.
    fn go_on(queue: Workqueue, reports: Reports, start: Instant) {
        let next = queue.clone();
        queue.spawn(async move {
            cmwq::time::sleep(Duration::from_millis(1)).await;
            if reports.with("a drain does not come to an end").is_empty() {
                assert!(start.elapsed() < LIMIT, "no report");
                go_on(next, reports, start);
            }
        });
    }
    let runtime = two_cores();
    let queue = Workqueue::builder().name("endless").build_on(runtime.handle()).unwrap();
    let reports = Reports::default();
    go_on(queue.clone(), reports.clone(), Instant::now());
    tracing::subscriber::with_default(reports.subscriber(), || runtime.block_on(queue.drain()));
    let reports = reports.with("a drain does not come to an end");
    assert_eq!(reports.len(), 1);
    assert!(reports[0].contains("endless") && reports[0].contains("rounds=10"), "{reports:?}");
}

/// What is flushed.
#[derive(Clone, Copy)]
enum Target {
    Queue,
    Work,
}

/// Flushes `target` or a work on it from an item of `waiting`, twice, and returns the warnings.
fn flush_inside(waiting: &Workqueue, target: &Workqueue, what: Target) -> Vec<String> {
    let reports = Reports::default();
    let (subscriber, target) = (reports.subscriber(), target.clone());
    let task = waiting.spawn(async move {
        // Not done before it is flushed.
        target.freeze();
        let (work, _) = counted();
        assert!(work.queue(&target));
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..2 {
                match what {
                    Target::Queue => drop(target.flush()),
                    Target::Work => assert!(work.flush().now_or_never().is_none()),
                }
            }
        });
        target.thaw();
        work.flush().await;
    });
    cmwq_tests::finish(task).unwrap();
    reports.with("flushes one that has no rescuer")
}

#[test]
fn a_reclaim_item_that_flushes_a_queue_without_rescuer_is_warned_once() {
    let runtime = two_cores();
    let build = |name: &str, reclaim: bool| {
        let builder = Workqueue::builder().name(name);
        let builder = if reclaim { builder.reclaim() } else { builder };
        builder.build_on(runtime.handle()).unwrap()
    };
    for what in [Target::Queue, Target::Work] {
        let (waiting, plain, safe) =
            (build("io", true), build("plain", false), build("safe", true));
        assert!(flush_inside(&waiting, &safe, what).is_empty(), "that one has a rescuer");
        assert!(flush_inside(&plain, &safe, what).is_empty(), "who waits has none");
        let warnings = flush_inside(&waiting, &plain, what);
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("io") && warnings[0].contains("plain"), "{warnings:?}");
    }
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_node_that_does_not_exist_is_rejected_and_so_is_one_of_a_bound_queue() {
    let unbound = Workqueue::builder().unbound().build().unwrap();
    let rejected = |error: cmwq::task::JoinError, texts: &[&str]| {
        let said = error.to_string();
        assert!(error.is_rejected() && texts.iter().all(|text| said.contains(text)), "{said}");
    };
    let error = unbound.spawn_on_node(4000, async {}).await.unwrap_err();
    rejected(error, &["NUMA node 4000, which does not exist"]);
    let error = unbound.spawn_on(1 << 20, async {}).await.unwrap_err();
    rejected(error, &["CPU 1048576, which this runtime may not use; it may use "]);
    let bound = Workqueue::builder().name("bound").build().unwrap();
    let error = bound.spawn_on_node(0, async {}).await.unwrap_err();
    rejected(error, &["NUMA node 0", "\"bound\" is bound", "unbound()"]);
    // The same of work items.
    let (work, count) = counted();
    assert!(!work.queue_on_node(4000, &unbound) && !work.queue_on_node(0, &bound));
    assert!(!work.is_pending());
    let node = nodes::with_cpus().first().map_or(0, |node| node.id);
    assert!(work.queue_on_node(node, &unbound));
    work.flush().await;
    assert_eq!(value(&count), 1);
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_generic_spawner_is_told_that_the_queue_is_destroyed() {
    use futures::task::SpawnExt;
    let queue = Workqueue::builder().build().unwrap();
    let other = queue.clone();
    queue.destroy().await;
    assert!(other.spawn(async {}).await.unwrap_err().is_rejected());
    assert!(SpawnExt::spawn(&other, async {}).unwrap_err().is_shutdown());
}

//! Pools that stand still are reported: once, with what each worker runs and where it is blocked.

use cmwq_tests::{Case, Running, every_case, finish, run, until};
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, mpsc};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

const PERIOD: Duration = Duration::from_millis(200);

/// The reports of this process.
static REPORTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn reports() -> MutexGuard<'static, Vec<String>> {
    REPORTS.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Recorder;

/// The fields of an event.
#[derive(Default)]
struct Text {
    text: String,
    is_report: bool,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.is_report |= field.name() == "stalled_ms";
        writeln!(self.text, "{}={value:?}", field.name()).expect("a String takes all");
    }
}

impl<S: tracing::Subscriber> Layer<S> for Recorder {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        if text.is_report {
            reports().push(text.text);
        }
    }
}

fn record() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = Registry::default().with(Recorder);
        tracing::subscriber::set_global_default(subscriber).expect("the only global one here");
    });
    reports().clear();
}

/// Waits for a report with this in it. Others may come before it: where a standby is late, the pool
/// stands still before the test has blocked it, with more that is pending, and that is told too.
fn report(with: &str) -> String {
    let find = || reports().iter().find(|report| report.contains(with)).cloned();
    until("the report is there", || find().is_some());
    find().expect("just seen")
}

/// One core, two workers.
fn small(case: Case, period: Duration) -> Running {
    case.start_with(1, |builder| {
        builder.max_workers_per_core(2).watchdog(period);
    })
}

/// Blocks both workers of a core until the returned value is dropped.
fn block(runtime: &Running) -> Vec<mpsc::Sender<()>> {
    let entered = Arc::new(());
    let leashes = (0..2).map(|_| {
        let (leash, held) = mpsc::channel::<()>();
        let mark = entered.clone();
        runtime.spawn(async move {
            drop(mark);
            let _ = held.recv();
        });
        leash
    });
    let leashes = leashes.collect();
    until("both are blocked", || Arc::strong_count(&entered) == 1);
    leashes
}

every_case! {
    fn told_once(case) {
        record();
        let runtime = small(case, PERIOD);
        let count = || runtime.metrics().stall_reports_count();
        for _ in 0..2 {
            let leashes = block(&runtime);
            // Not always those of the stalls before: a standby that came late was one of its own.
            let before = count();
            let waits = runtime.spawn(async {});
            until("it is counted", || count() > before);
            std::thread::sleep(3 * PERIOD);
            assert_eq!(count(), before + 1, "each stall is reported once");
            until("as many reports as were counted", || reports().len() as u64 == count());
            drop(leashes);
            finish(waits).expect("it runs when the workers are back");
        }
    }

    /// A queue without work does not stall, and a core that has a worker left does not either.
    fn not_told_without_work(case) {
        record();
        // Long enough for a machine that is busy with other things.
        let period = 3 * PERIOD;
        let runtime = case.start_with(1, |builder| {
            builder.max_workers_per_core(3).watchdog(period);
        });
        let leashes = block(&runtime);
        for _ in 0..4 {
            std::thread::sleep(period / 2);
            finish(runtime.spawn(async {})).expect("no panic");
        }
        assert_eq!(runtime.metrics().stall_reports_count(), 0, "{:?}", reports());
        drop(leashes);
    }
}

/// What the report says of a worker in a futex and one in a sleep.
#[test]
fn names_task_place_and_system_call() {
    run("names_task_place_and_system_call", || {
        record();
        let runtime = small(Case::Auto, PERIOD);
        let (leash, held) = mpsc::channel::<()>();
        let in_futex = runtime.spawn(async move {
            let _ = held.recv();
        });
        let futex_line = line!() - 3;
        let asleep = runtime.spawn(async { std::thread::sleep(10 * PERIOD) });
        let sleep_line = line!() - 1;
        let waits = runtime.spawn(async {});
        let report = report("pending=1\n");

        let line_of = |place: String| {
            let line = report.lines().find(|line| line.contains(&place));
            line.unwrap_or_else(|| panic!("{place} is not in the report:\n{report}")).to_owned()
        };
        let blocked = line_of(format!("tests/watchdog.rs:{futex_line}:"));
        assert!(blocked.contains(&format!("task {} ", in_futex.id())), "{blocked}");
        assert!(blocked.contains("blocked in futex (system call"), "{blocked}");
        assert!(blocked.contains("cmwq/"), "the thread is named: {blocked}");
        assert!(blocked.contains(" s or more"), "{blocked}");
        let sleeps = line_of(format!("tests/watchdog.rs:{sleep_line}:"));
        assert!(sleeps.contains("blocked in clock_nanosleep"), "{sleeps}");
        assert!(report.contains("pool=cmwq/"), "{report}");
        assert!(report.contains("2 busy, 0 idle"), "{report}");
        let stalled = report.lines().find_map(|line| line.strip_prefix("stalled_ms="));
        let stalled: u128 = stalled.expect("the time").parse().expect("a number");
        assert!(stalled >= PERIOD.as_millis(), "not early: {report}");
        drop(leash);
        for task in [in_futex, asleep, waits] {
            finish(task).expect("no panic");
        }
    });
}

/// Without a detector one blocking task is enough.
#[test]
fn told_without_a_detector() {
    run("told_without_a_detector", || {
        record();
        let runtime = Case::Auto.start_with(1, |builder| {
            // The one that is blocked, and one on standby.
            builder.max_workers_per_core(2);
            builder.detector(cmwq::runtime::Detector::Off).watchdog(PERIOD);
        });
        let (leash, held) = mpsc::channel::<()>();
        let blocks = runtime.spawn(async move {
            let _ = held.recv();
        });
        let waits = runtime.spawn(async {});
        let report = report("pending=1\n");
        assert!(report.contains("1 busy, 1 idle"), "{report}");
        drop(leash);
        finish(blocks).expect("no panic");
        finish(waits).expect("no panic");
    });
}

/// A zero turns it off, and it needs no thread then.
#[test]
fn off() {
    run("off", || {
        record();
        let runtime = small(Case::Auto, Duration::ZERO);
        assert!(!cmwq_tests::watchdog::threads().contains("cmwq/watchdog"));
        let leashes = block(&runtime);
        let waits = runtime.spawn(async {});
        std::thread::sleep(3 * PERIOD);
        assert_eq!(runtime.metrics().stall_reports_count(), 0);
        drop(leashes);
        finish(waits).expect("it runs when the workers are back");
    });
}

/// A pool of a workqueue that is stuck is named, and so is the queue.
#[test]
fn names_the_queue_and_its_pool() {
    run("names_the_queue_and_its_pool", || {
        record();
        let runtime = small(Case::Auto, PERIOD);
        let queue = cmwq::Workqueue::builder().name("stuck").high_priority();
        let queue = queue.build_on(runtime.handle()).expect("the pools are made");
        let (leashes, tasks): (Vec<_>, Vec<_>) = (0..3)
            .map(|_| {
                let (leash, held) = mpsc::channel::<()>();
                let task = queue.spawn(async move {
                    let _ = held.recv();
                });
                (leash, task)
            })
            .unzip();
        let report = report("pending=1\n");
        assert_eq!(report.matches("of queue stuck, blocked in futex").count(), 2, "{report}");
        // The normal pool has nothing to do.
        for report in reports().iter() {
            let pool = report.lines().find(|line| line.starts_with("pool=cmwq/"));
            assert!(pool.is_some_and(|pool| pool.ends_with('H')), "{report}");
        }
        drop(leashes);
        for task in tasks {
            finish(task).expect("no panic");
        }
    });
}

/// A rescuer that is blocked by an item of its queue is in the report.
#[test]
fn names_the_rescuer_of_a_pool() {
    run("names_the_rescuer_of_a_pool", || {
        record();
        let runtime = small(Case::Auto, PERIOD);
        let builder = cmwq::Workqueue::builder().name("pages").reclaim();
        let queue = builder.build_on(runtime.handle()).expect("there are threads yet");
        let leashes = block(&runtime);
        let ((leash, held), (tell, begun)) = (mpsc::channel::<()>(), mpsc::channel());
        let blocks = queue.spawn(async move {
            tell.send(()).expect("it is waited for");
            let _ = held.recv();
        });
        begun.recv_timeout(Duration::from_secs(30)).expect("the rescuer polls it");
        let waits = queue.spawn(async {});
        let report = report("rescuers=1\n");
        let begin = "cmwq/R-pages (thread ";
        let line = report.lines().find(|line| line.trim().starts_with(begin)).expect(&report);
        assert!(line.contains(&format!("task {} spawned at", blocks.id())), "{line}");
        assert!(line.contains("blocked in futex"), "{line}");
        drop((leash, leashes));
        finish(blocks).expect("no panic");
        finish(waits).expect("no panic");
    });
}

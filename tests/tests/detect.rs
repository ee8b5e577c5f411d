//! The detector that was asked for does the work, and not the monitor that always runs beside it.

use cmwq::Workqueue;
use cmwq::runtime::Detector;
use cmwq::task::JoinHandle;
use cmwq_tests::{Case, Running, confine, finish, run, skip};
use procfs::CurrentSI;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How often a task blocks.
const BLOCKS: u64 = 60;

/// For how long: longer than the monitor's period beside another detector (250 us).
const BLOCK: Duration = Duration::from_millis(3);

/// Of them a detector that works is to see so many before the monitor does; one that is broken sees none.
const ENOUGH: u64 = BLOCKS / 3;

/// Who polls the tasks.
#[derive(Clone, Copy, Debug)]
enum Pool {
    /// From the core's own queues, which are the default queue.
    Default,
    Bound,
    HighPriority,
    /// Of one CPU, so that it polls one task at a time.
    Unbound,
}

impl Pool {
    const ALL: [Pool; 4] = [Pool::Default, Pool::Bound, Pool::HighPriority, Pool::Unbound];

    fn queue(self, runtime: &Running) -> Option<Workqueue> {
        let builder = Workqueue::builder();
        let builder = match self {
            Pool::Default => return None,
            Pool::Bound => builder,
            Pool::HighPriority => builder.high_priority(),
            Pool::Unbound => {
                let cpu = confine::allowed().expect("an affinity")[0];
                builder.unbound().cpus([cpu])
            }
        };
        Some(builder.build_on(runtime.handle()).expect("the pools are made"))
    }
}

fn spawn<F>(queue: Option<&Workqueue>, future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    match queue {
        Some(queue) => queue.spawn(future),
        None => cmwq::spawn(future),
    }
}

/// Who saw tasks block, each of which had another one waiting behind it on the same core.
#[derive(Debug)]
struct Seen {
    /// Blocks beside which the other one ran.
    passed: u64,
    /// From a block to the first instruction of the other one, at the median.
    latency: Duration,
    by_detector: u64,
    by_monitor: u64,
}

fn block_again_and_again(case: Case, pool: Pool) -> Seen {
    let runtime = case.start(1);
    let queue = pool.queue(&runtime);
    let _entered = runtime.enter();
    let spawner = queue.clone();
    let task = spawn(queue.as_ref(), async move {
        let mut times = Vec::new();
        for _ in 0..BLOCKS {
            let (tx, rx) = mpsc::channel();
            let neighbor = spawn(spawner.as_ref(), async move { tx.send(Instant::now()) });
            let start = Instant::now();
            thread::sleep(BLOCK);
            let first = rx.recv().expect("the neighbor runs");
            times.push(first.duration_since(start));
            neighbor.await.expect("no panic").expect("received before");
            // Who has lost the core goes on as the holder, and former holders are asleep: one that is
            // on its way back would notice the next block too.
            cmwq::time::sleep(Duration::from_millis(2)).await;
        }
        times.sort_unstable();
        times
    });
    let times = finish(task).expect("no panic");
    let metrics = runtime.metrics();
    Seen {
        passed: times.partition_point(|time| *time < BLOCK) as u64,
        latency: times[times.len() / 2],
        by_detector: metrics.detector_verdicts_count(),
        by_monitor: metrics.monitor_verdicts_count(),
    }
}

/// The best of some tries: other load on the machine makes a detector late, nothing makes it early.
fn best(case: Case, pool: Pool, tries: u32, is_enough: impl Fn(&Seen) -> bool) {
    let mut all = Vec::new();
    for _ in 0..tries {
        let seen = block_again_and_again(case, pool);
        if is_enough(&seen) {
            return;
        }
        all.push(seen);
    }
    panic!("{pool:?}: of {BLOCKS} blocks each time only so many were seen: {all:#?}");
}

/// How many clock ticks the CPUs were idle, and how many there were.
fn ticks() -> (u64, u64) {
    let cpus = procfs::KernelStats::current().expect("/proc is mounted").total;
    let waits = cpus.idle + cpus.iowait.unwrap_or(0);
    (waits, waits + cpus.user + cpus.nice + cpus.system)
}

fn sooner_than_the_monitor(name: &str, case: Case) {
    run(name, || {
        if let Some(why) = case.missing() {
            return skip(name, why);
        }
        for pool in Pool::ALL {
            best(case, pool, 20, |seen| seen.by_detector >= ENOUGH && seen.passed >= ENOUGH);
        }
    });
}

#[test]
fn perf() {
    sooner_than_the_monitor("perf", Case::Perf);
}

#[test]
fn bpf() {
    sooner_than_the_monitor("bpf", Case::Bpf);
}

/// By nature it sees nothing where other load leaves the CPUs no rest.
#[test]
fn idle() {
    let before = ticks();
    let seen = catch_unwind(|| sooner_than_the_monitor("idle", Case::Idle));
    let after = ticks();
    if let Err(panic) = seen {
        if (after.0 - before.0) * 10 < after.1 - before.1 {
            return skip("idle", "the CPUs were idle for less than a tenth of the time");
        }
        resume_unwind(panic);
    }
}

/// By itself the monitor needs its periods, but not many of them.
#[test]
fn monitor() {
    run("monitor", || {
        best(Case::Monitor, Pool::Default, 20, |seen| {
            let is_soon = seen.latency < Duration::from_millis(2);
            is_soon && seen.by_detector == 0 && seen.by_monitor >= ENOUGH
        });
    });
}

/// What is forced is what the metrics name.
#[test]
fn names() {
    run("names", || {
        for case in [Case::Perf, Case::Bpf, Case::Idle, Case::Monitor] {
            if case.missing().is_none() {
                let runtime = case.start(1);
                assert_eq!(runtime.metrics().detector(), case.name());
            }
        }
        let off = Case::Auto.start_with(1, |builder| {
            builder.detector(Detector::Off);
        });
        assert_eq!(off.metrics().detector(), "off");
    });
}

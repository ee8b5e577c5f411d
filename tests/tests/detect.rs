//! The detector that was asked for does the work, and not the monitor that always runs beside it.

use cmwq::Workqueue;
use cmwq::runtime::Detector;
use cmwq::task::JoinHandle;
use cmwq_tests::{Case, Running, confine, finish, run, skip};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// The monitor looks every 250 us beside another detector: blocks were taken over after 200 us when
/// this was tried with the monitor alone, and after 20 to 80 us by the others.
const SOONER: Duration = Duration::from_micros(100);

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

/// The median time from a block to the first instruction of a task behind it on the same core.
fn latency(case: Case, pool: Pool) -> Duration {
    let runtime = case.start(1);
    let queue = pool.queue(&runtime);
    let _entered = runtime.enter();
    let spawner = queue.clone();
    let task = spawn(queue.as_ref(), async move {
        let mut times = Vec::new();
        for _ in 0..60 {
            let (tx, rx) = mpsc::channel();
            let neighbor = spawn(spawner.as_ref(), async move { tx.send(Instant::now()) });
            let start = Instant::now();
            thread::sleep(Duration::from_millis(3));
            let first = rx.recv().expect("the neighbor runs");
            times.push(first.duration_since(start));
            neighbor.await.expect("no panic").expect("received before");
            // Who has lost the core goes on as the holder, and former holders are asleep: one that is
            // on its way back would notice the next block too.
            cmwq::time::sleep(Duration::from_millis(2)).await;
        }
        times.sort_unstable();
        times[times.len() / 2]
    });
    finish(task).expect("no panic")
}

/// The best of some tries: other load on the machine makes it slower, nothing makes it faster.
fn sooner_than_the_monitor(name: &str, case: Case) {
    run(name, || {
        if let Some(why) = case.missing() {
            return skip(name, why);
        }
        for pool in Pool::ALL {
            let best = (0..20).map(|_| latency(case, pool)).find(|median| *median < SOONER);
            assert!(best.is_some(), "{pool:?}: blocks are not seen sooner than by the monitor");
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

#[test]
fn idle() {
    sooner_than_the_monitor("idle", Case::Idle);
}

/// By itself the monitor needs its periods, but not many of them.
#[test]
fn monitor() {
    run("monitor", || {
        let best = (0..5).map(|_| latency(Case::Monitor, Pool::Default)).min().expect("five tries");
        assert!(best < Duration::from_millis(2), "blocks are seen after {best:?}");
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

//! The detector that was asked for does the work, and not the monitor that always runs beside it.

use cmwq::runtime::Detector;
use cmwq_tests::{Case, finish, run, skip};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// The monitor's first look comes after 250 us and its second, which decides, after 500 us.
const SOONER: Duration = Duration::from_micros(200);

/// The median time from a block to the first instruction of a task behind it on the same core.
fn latency(case: Case) -> Duration {
    let runtime = case.start(1);
    let task = runtime.spawn(async {
        let mut times = Vec::new();
        for _ in 0..60 {
            let (tx, rx) = mpsc::channel();
            let neighbor = cmwq::spawn(async move { tx.send(Instant::now()) });
            let start = Instant::now();
            thread::sleep(Duration::from_millis(3));
            let first = rx.recv().expect("the neighbor runs");
            times.push(first.duration_since(start));
            neighbor.await.expect("no panic").expect("received before");
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
        let best = (0..5).map(|_| latency(case)).find(|median| *median < SOONER);
        assert!(best.is_some(), "blocks are not seen sooner than by the monitor");
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
        let best = (0..5).map(|_| latency(Case::Monitor)).min().expect("five tries");
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

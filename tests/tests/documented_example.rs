//! The example of the kernel's documentation of workqueues: three items of one bound queue that burn
//! and sleep on one CPU, in the documented order and time.

use cmwq::Workqueue;
use cmwq::runtime::Builder;
use cmwq_tests::run;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Uses the CPU for a while.
fn burn(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// What w0, w1 and w2 do, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Burns(usize),
    Sleeps(usize),
    WakesUp(usize),
    Finishes(usize),
}

const UNIT: Duration = Duration::from_millis(5);

/// How long it is tried, which is often.
const PATIENCE: Duration = Duration::from_secs(30);

/// The example of the kernel's documentation: w0 burns 5 ms, sleeps 10 ms, burns 5 ms; w1 and w2
/// burn 5 ms and sleep 10 ms. Returns the events, and how long it took from the first to the last.
fn documented_example(max_active: usize) -> (Vec<Does>, Duration) {
    use Does::{Burns, Finishes, Sleeps, WakesUp};
    let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let events = Arc::new(Mutex::new(Vec::new()));
    let queue = Workqueue::builder().max_active(max_active).build_on(runtime.handle()).unwrap();
    runtime.block_on(async {
        // Together: the core is busy while they are queued.
        cmwq::spawn(async { burn(UNIT) });
        for w in 0..3 {
            let events = events.clone();
            queue.spawn_on(0, async move {
                let does = |event| events.lock().unwrap().push((event, Instant::now()));
                does(Burns(w));
                burn(UNIT);
                does(Sleeps(w));
                std::thread::sleep(2 * UNIT);
                if w == 0 {
                    does(WakesUp(w));
                    burn(UNIT);
                }
                does(Finishes(w));
            });
        }
        queue.flush().await;
    });
    let events = events.lock().unwrap();
    let took = events[events.len() - 1].1 - events[0].1;
    (events.iter().map(|(event, _)| *event).collect(), took)
}

/// The documented figure, and less than a unit more, which is that of the next slower schedule.
/// Events of one moment are in any order. A machine with other load holds a burst up now and then, but
/// not each time.
fn takes(max_active: usize, units: u32, moments: &[&[Does]]) {
    let mut last = None;
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let (events, took) = documented_example(max_active);
        let mut left = &events[..];
        let in_order = moments.iter().all(|moment| {
            let (now, later) = left.split_at(moment.len());
            left = later;
            moment.iter().all(|event| now.contains(event))
        });
        // Not earlier by any chance: the sleeps and bursts that it has to wait for take that long.
        assert!(!in_order || took >= units * UNIT, "{took:?}: {events:?}");
        if in_order && took < (units + 1) * UNIT {
            println!("max_active {max_active}: {took:.1?}");
            return;
        }
        last = Some((took, events));
    }
    panic!("never {} ms in the documented order, at last {last:?}", 5 * units);
}

#[test]
fn with_room_for_all_three() {
    use Does::{Burns, Finishes, Sleeps, WakesUp};
    let moments: [&[Does]; 8] = [
        &[Burns(0)],
        &[Sleeps(0)],
        &[Burns(1)],
        &[Sleeps(1)],
        &[Burns(2)],
        &[Sleeps(2), WakesUp(0)],
        &[Finishes(0), Finishes(1)],
        &[Finishes(2)],
    ];
    run("with_room_for_all_three", || takes(3, 5, &moments));
}

#[test]
fn with_room_for_two() {
    use Does::{Burns, Finishes, Sleeps, WakesUp};
    let moments: [&[Does]; 8] = [
        &[Burns(0)],
        &[Sleeps(0)],
        &[Burns(1)],
        &[Sleeps(1)],
        &[WakesUp(0)],
        &[Finishes(0), Finishes(1), Burns(2)],
        &[Sleeps(2)],
        &[Finishes(2)],
    ];
    run("with_room_for_two", || takes(2, 7, &moments));
}

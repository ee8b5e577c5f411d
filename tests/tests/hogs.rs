//! Tasks that burn CPU time instead of blocking.

use cmwq_tests::{Beside, Case, case, every_case, finish, run, skip, until};
use std::future::Future;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// Burns CPU until told to stop, in one poll. Bounded, so that a failed test ends.
fn spin(stop: &AtomicBool) {
    let start = Instant::now();
    while !stop.load(Ordering::Relaxed) && start.elapsed() < Duration::from_secs(20) {
        std::hint::spin_loop();
    }
}

fn burn(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// With no time allowed a poll that lasts loses its core; with all of it, it never does.
#[test]
fn extreme_thresholds() {
    run("extreme_thresholds", || {
        let runtime = Case::Auto.start_with(1, |b| {
            b.cpu_intensive_threshold(Duration::ZERO);
        });
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let hog = runtime.spawn(async move { spin(&stopped) });
        until("the hog has lost its core", || runtime.metrics().cpu_intensive_count() > 0);
        stop.store(true, Ordering::Relaxed);
        finish(hog).expect("no panic");

        let runtime = Case::Auto.start_with(1, |b| {
            b.cpu_intensive_threshold(Duration::MAX);
        });
        finish(runtime.spawn(async { burn(Duration::from_millis(100)) })).expect("no panic");
        assert_eq!(runtime.metrics().cpu_intensive_count(), 0);
    });
}

every_case! {
    /// tokio issue 4730: as many spinning tasks as cores, and nothing else ever runs.
    fn one_hog_per_core(case) {
        let cores = if case == Case::CurrentThread { 1 } else { case::cores() };
        let runtime = case.start(cores);
        let beside = Beside::start(&runtime);
        let stop = Arc::new(AtomicBool::new(false));
        let hogs: Vec<_> = (0..cores)
            .map(|_| {
                let stop = stop.clone();
                runtime.spawn(async move { spin(&stop) })
            })
            .collect();
        let progress = beside.progress().and_then(|()| beside.progress());
        // New tasks run too, and what they spawn.
        let fresh = runtime.spawn(async { cmwq::spawn(async { 3 }).await.expect("no panic") });
        let spinning = hogs.iter().all(|hog| !hog.is_finished());
        let answer = progress.map(|()| finish(fresh).expect("no panic"));
        // It takes the threshold of CPU time each, which is more time on a busy machine.
        until("every hog is marked", || {
            runtime.metrics().cpu_intensive_count() >= cores as u64
        });
        stop.store(true, Ordering::Relaxed);
        assert_eq!(answer.expect("timers and sockets go on beside hogs"), 3);
        assert!(spinning, "the hogs spin until the test ends");
        for hog in hogs {
            finish(hog).expect("no panic");
        }
    }

    /// Among tasks whose blocks are short and many, a worker that returns may take a hog for a sleeper.
    fn a_hog_among_short_blocks(case) {
        let runtime = case.start(1);
        let stop = Arc::new(AtomicBool::new(false));
        let blockers: Vec<_> = (0..16)
            .map(|_| {
                let stop = stop.clone();
                runtime.spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        thread::sleep(Duration::from_micros(100));
                        cmwq::task::yield_now().await;
                    }
                })
            })
            .collect();
        until("takeovers are a habit", || runtime.metrics().takeovers_count() > 100);
        for round in 1..=3 {
            let spinning = Arc::new(AtomicBool::new(false));
            let hog = runtime.spawn({
                let spinning = spinning.clone();
                async move { spin(&spinning) }
            });
            until("the hog is marked", || runtime.metrics().cpu_intensive_count() >= round);
            assert!(!hog.is_finished());
            spinning.store(true, Ordering::Relaxed);
            finish(hog).expect("no panic");
        }
        stop.store(true, Ordering::Relaxed);
        for blocker in blockers {
            finish(blocker).expect("no panic");
        }
    }

    /// A hog that blocked at first has lost its core when it burns.
    fn a_hog_that_has_slept(case) {
        let runtime = case.start(1);
        let stop = Arc::new(AtomicBool::new(false));
        let hog = runtime.spawn({
            let stop = stop.clone();
            async move {
                thread::sleep(Duration::from_millis(20));
                spin(&stop);
            }
        });
        let beside = Beside::start(&runtime);
        until("the hog is marked", || runtime.metrics().cpu_intensive_count() >= 1);
        stop.store(true, Ordering::Relaxed);
        beside.progress().expect("timers and sockets go on beside hogs");
        finish(hog).expect("no panic");
    }

    /// A hog's worker comes back and its task can do everything again.
    fn hogs_return(case) {
        let runtime = case.start(1);
        let beside = Beside::start(&runtime);
        let task = runtime.spawn(async {
            for _ in 0..5 {
                burn(Duration::from_millis(30));
                cmwq::time::sleep(Duration::from_millis(1)).await;
                cmwq::spawn(async {}).await.expect("no panic");
            }
        });
        finish(task).expect("no panic");
        beside.progress().expect("everything goes on afterwards");
        until("all workers are back", || runtime.metrics().blocked_workers() == 0);
    }
}

/// A task that burns 8 ms per poll stays below the hog rule, but timers and sockets that are
/// registered with its core must not wait for the end of its poll while another core idles.
#[test]
fn burner_below_the_threshold() {
    run("burner_below_the_threshold", || {
        if case::cores() < 2 {
            return skip("burner_below_the_threshold", "needs two CPUs");
        }
        // Behind the burner all of them would be 6 ms late, each time. Others want the idle CPU too.
        let mut seen = Vec::new();
        let is_soon = (0..10).any(|_| {
            let late = late_beside_a_burner();
            seen.push(late);
            late.iter().all(|&late| late < Duration::from_millis(3))
        });
        assert!(is_soon, "most timers and most sockets are so late: {seen:?}");
    });
}

/// How late a timer and a socket are beside it, at the lower quartile.
fn late_beside_a_burner() -> [Duration; 2] {
    let runtime = Case::Auto.start(2);
    let (ask, asked) = mpsc::channel::<Instant>();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback listener");
    let addr = listener.local_addr().expect("a bound address");
    let sender = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the burner connects");
        while let Ok(time) = asked.recv() {
            thread::sleep(time.saturating_duration_since(Instant::now()));
            stream.write_all(&[1]).expect("the burner holds the socket");
        }
    });
    let burner = runtime.spawn(burn_beside_timer_and_socket(addr, ask));
    let (timers, sockets) = finish(burner).expect("no panic");
    sender.join().expect("no panic");
    [timers, sockets].map(|mut late| {
        late.sort_unstable();
        late[late.len() / 4]
    })
}

/// Registers a timer and a socket with the core that it then burns, again and again, and has
/// other tasks wait for them. Returns how late those are told.
async fn burn_beside_timer_and_socket(
    addr: SocketAddr,
    ask: mpsc::Sender<Instant>,
) -> (Vec<Duration>, Vec<Duration>) {
    let (mut timers, mut sockets) = (Vec::new(), Vec::new());
    let stream = cmwq::net::TcpStream::connect(addr).await.expect("the sender listens");
    let stream = Arc::new(stream);
    while timers.len() < 60 {
        let due = Instant::now() + Duration::from_millis(2);
        let mut sleep = Box::pin(cmwq::time::sleep_until(due.into()));
        // The first poll decides which core serves a timer.
        if sleep.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            assert!(Instant::now() >= due, "early");
            continue;
        }
        ask.send(due).expect("the sender lives");
        let timer = cmwq::spawn(async move {
            sleep.await;
            due.elapsed()
        });
        let socket = {
            let stream = stream.clone();
            cmwq::spawn(async move {
                while stream.try_read(&mut [0]).is_err() {
                    stream.readable().await.expect("the sender lives");
                }
                due.elapsed()
            })
        };
        burn(Duration::from_millis(8));
        timers.push(timer.await.expect("no panic"));
        sockets.push(socket.await.expect("no panic"));
    }
    (timers, sockets)
}

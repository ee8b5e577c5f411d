//! The end of a runtime, at every moment and from every place.

use cmwq::runtime::{Handle, Runtime};
use cmwq_tests::ledger::Ledger;
use cmwq_tests::{Beside, Block, Case, every_case, finish, run, skip, until};
use std::future::pending;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{panic, thread};

/// Far beyond what any of these steps takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A runtime with a task that blocks until the second value is called.
fn with_a_blocked_task(case: Case) -> (Runtime, Box<dyn FnOnce() + Send>) {
    let runtime = case.builder(1).build().expect("a runtime");
    let Block { enter, release } = Block::pipe();
    let (entered_tx, entered) = mpsc::channel();
    runtime.spawn(async move {
        entered_tx.send(()).expect("the test waits");
        enter();
    });
    entered.recv_timeout(PATIENCE).expect("the blocking task starts");
    thread::sleep(Duration::from_millis(5));
    (runtime, release)
}

every_case! {
    /// The time given is kept although a task is blocked for ever.
    fn timeout_with_a_blocked_task(case) {
        if case == Case::CurrentThread {
            // Its thread is the one that would call shutdown_timeout.
            return skip("timeout_with_a_blocked_task", "no thread of its own to block");
        }
        let (runtime, release) = with_a_blocked_task(case);
        let start = Instant::now();
        runtime.shutdown_timeout(Duration::from_millis(100));
        let took = start.elapsed();
        release();
        assert!(took < Duration::from_secs(5), "shutdown_timeout(100 ms) took {took:?}");
    }

    fn background_with_a_blocked_task(case) {
        if case == Case::CurrentThread {
            return skip("background_with_a_blocked_task", "no thread of its own to block");
        }
        let (runtime, release) = with_a_blocked_task(case);
        let start = Instant::now();
        runtime.shutdown_background();
        let took = start.elapsed();
        release();
        assert!(took < Duration::from_secs(5), "shutdown_background took {took:?}");
    }

    /// A closure of `spawn_blocking` that waits for a timer or a socket is told of the end.
    fn with_closures_that_wait_for_it(case) {
        let runtime = case.builder(1).build().expect("a runtime");
        let (begins, begun) = mpsc::channel();
        let (ends, ended) = mpsc::channel();
        let closure = |wait: fn(&Handle) -> &'static str| {
            let (handle, begins, ends) = (runtime.handle().clone(), begins.clone(), ends.clone());
            runtime.spawn_blocking(move || {
                begins.send(()).expect("it is waited for");
                let wait = panic::AssertUnwindSafe(|| wait(&handle));
                ends.send(panic::catch_unwind(wait).unwrap_or("a panic")).expect("the same");
            })
        };
        closure(|handle| {
            handle.block_on(cmwq::time::sleep(Duration::from_secs(3600)));
            "an hour"
        });
        closure(|handle| {
            handle.block_on(async {
                let listener = cmwq::net::TcpListener::bind("127.0.0.1:0").await;
                let Ok(listener) = listener else { return "an error" };
                listener.accept().await.map_or("an error", |_| "a connection")
            })
        });
        (0..2).for_each(|_| begun.recv_timeout(PATIENCE).expect("they start"));
        thread::sleep(Duration::from_millis(20));
        let (done, is_done) = mpsc::channel();
        thread::spawn(move || {
            drop(runtime);
            done.send(()).expect("it is waited for");
        });
        let mut said = [(); 2].map(|()| ended.recv_timeout(PATIENCE).expect("they end"));
        said.sort_unstable();
        assert_eq!(said, ["a panic", "an error"]);
        is_done.recv_timeout(PATIENCE).expect("the runtime ends");
    }

    /// Tasks that wait are dropped, and their handles say so.
    fn waiting_tasks_are_canceled(case) {
        let runtime = case.start(1);
        let ledger = Ledger::new();
        let tasks: Vec<_> = (0..100)
            .map(|n| {
                runtime.spawn(ledger.count(async move {
                    match n % 3 {
                        0 => pending::<()>().await,
                        1 => cmwq::time::sleep(Duration::from_secs(3600)).await,
                        _ => {
                            let address = "127.0.0.1:0";
                            let listener = cmwq::net::TcpListener::bind(address).await;
                            drop(listener.expect("a loopback listener").accept().await);
                        }
                    }
                }))
            })
            .collect();
        thread::sleep(Duration::from_millis(10));
        drop(runtime.into_inner());
        assert_eq!(ledger.dropped(), 100, "dropped when the runtime is gone");
        ledger.check();
        for task in tasks {
            assert!(finish(task).expect_err("never ends by itself").is_cancelled());
        }
    }

    /// Tasks that are spawned by tasks, while timers fire, workers block and the runtime ends
    /// in one of three ways.
    fn at_every_moment(case) {
        for round in 0..60_u64 {
            let runtime = case.start(2);
            let ledger = Ledger::new();
            for seed in 0..20 {
                runtime.spawn(ledger.count(breed(ledger.clone(), seed, 4)));
            }
            thread::sleep(Duration::from_micros(round * 97 % 4000));
            let runtime = runtime.into_inner();
            let handle = runtime.handle().clone();
            match round % 3 {
                0 => drop(runtime),
                1 => runtime.shutdown_timeout(PATIENCE),
                _ => runtime.shutdown_background(),
            }
            if round % 3 < 2 {
                assert_eq!(ledger.dropped(), ledger.opened(), "round {round}");
            }
            until("all tasks are dropped", || ledger.dropped() == ledger.opened());
            ledger.check();
            let late = handle.spawn(async {});
            assert!(finish(late).expect_err("the runtime is gone").is_cancelled());
        }
    }

    /// The runtime ends in one of its own tasks.
    fn in_its_own_task(case) {
        if case == Case::CurrentThread {
            return skip("in_its_own_task", "its tasks run in a block_on that borrows it");
        }
        let runtime = case.builder(1).build().expect("a runtime");
        let (give, given) = mpsc::channel::<Runtime>();
        let (done_tx, done) = mpsc::channel();
        let handle = runtime.handle().clone();
        handle.spawn(async move {
            drop(given.recv().expect("the test gives it"));
            done_tx.send(()).expect("the test waits");
            // Never comes back from here.
            pending::<()>().await;
        });
        give.send(runtime).expect("the task waits");
        done.recv_timeout(PATIENCE).expect("the drop returns");
    }

    /// A task of one runtime drops another that is busy.
    fn in_a_task_of_another(case) {
        let (outer, inner) = (case.start(1), case.builder(1).build().expect("a runtime"));
        let beside = Beside::start(&outer);
        let ledger = Ledger::new();
        for seed in 0..20 {
            inner.spawn(ledger.count(breed(ledger.clone(), seed, 3)));
        }
        finish(outer.spawn(async move { drop(inner) })).expect("no panic");
        assert_eq!(ledger.dropped(), ledger.opened());
        ledger.check();
        beside.progress().expect("the outer runtime goes on");
    }
}

/// Spawns two of its kind, with some waiting and blocking.
fn breed(ledger: Arc<Ledger>, seed: u64, depth: u32) -> futures::future::BoxFuture<'static, ()> {
    Box::pin(async move {
        match seed % 5 {
            0 => cmwq::time::sleep(Duration::from_micros(300 * (seed % 7))).await,
            1 => thread::sleep(Duration::from_micros(200)),
            2 => cmwq::task::yield_now().await,
            3 => drop(cmwq::task::spawn_blocking(|| ()).await),
            _ => {}
        }
        if depth > 0 {
            let first = cmwq::spawn(ledger.count(breed(ledger.clone(), seed * 3 + 1, depth - 1)));
            drop(cmwq::spawn(ledger.count(breed(ledger.clone(), seed * 5 + 2, depth - 1))));
            // An error is a shutdown.
            let _ = first.await;
        }
    })
}

/// Every entry point says that the runtime is gone, and none hangs.
#[test]
fn handles_outlive_the_runtime() {
    run("handles_outlive_the_runtime", || {
        let runtime = Case::Auto.start(1).into_inner();
        let handle = runtime.handle().clone();
        drop(runtime);
        let task = handle.spawn(async { 1 });
        assert!(finish(task).expect_err("gone").is_cancelled());
        let task = handle.spawn_blocking(|| 1);
        assert!(finish(task).expect_err("gone").is_cancelled());
        let _context = handle.enter();
        assert!(Handle::try_current().is_ok(), "the handle is there, the runtime is not");
        assert!(finish(cmwq::spawn(async { 1 })).expect_err("gone").is_cancelled());
    });
}

/// No queue is built there, whatever it needs; those that every runtime has cancel what comes.
#[test]
fn queues_of_a_runtime_that_is_gone() {
    run("queues_of_a_runtime_that_is_gone", || {
        let runtime = Case::Auto.start(1).into_inner();
        let handle = runtime.handle().clone();
        let unbound = || cmwq::Workqueue::builder().unbound();
        let old = unbound().build_on(&handle).expect("it lives");
        drop(runtime);
        let builders = [
            cmwq::Workqueue::builder(),
            cmwq::Workqueue::builder().reclaim(),
            cmwq::Workqueue::builder().high_priority(),
            unbound(),
            cmwq::Workqueue::builder().ordered(),
        ];
        for builder in builders {
            let error = builder.name("late").build_on(&handle).expect_err("the runtime is gone");
            assert!(error.is_shutdown() && !error.is_io(), "{error:?}");
            let text = error.to_string();
            assert!(text.contains("\"late\"") && text.contains("has shut down"), "{text}");
        }
        let wrong = unbound().bound().build_on(&handle).expect_err("wrong on purpose");
        assert!(wrong.is_invalid_config(), "{wrong}");
        let error = old.set_attrs(cmwq::workqueue::Attrs::new().nice(3)).expect_err("gone");
        assert!(error.is_shutdown(), "{error:?}");

        let _context = handle.enter();
        let late = cmwq::workqueue::system().spawn(async {});
        assert!(finish(late).expect_err("gone").is_cancelled());
    });
}

/// A connection that is open at the end is closed for the other side.
#[test]
fn with_connections_open() {
    run("with_connections_open", || {
        use std::io::Read;
        let runtime = Case::Auto.start(1);
        let (addr_tx, addr) = mpsc::channel();
        runtime.spawn(async move {
            let listener = cmwq::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
            addr_tx.send(listener.local_addr().expect("bound")).expect("the test waits");
            let mut open = Vec::new();
            loop {
                open.push(listener.accept().await.expect("a connection"));
            }
        });
        let addr = addr.recv_timeout(PATIENCE).expect("the listener starts");
        let mut clients: Vec<_> = (0..50)
            .map(|_| std::net::TcpStream::connect(addr).expect("the listener listens"))
            .collect();
        thread::sleep(Duration::from_millis(5));
        drop(runtime.into_inner());
        for client in &mut clients {
            client.set_read_timeout(Some(PATIENCE)).expect("SO_RCVTIMEO");
            match client.read(&mut [0]) {
                Ok(0) => {}
                // Those that were never accepted.
                Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => {}
                other => panic!("the connection is still open: {other:?}"),
            }
        }
    });
}

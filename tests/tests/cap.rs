//! The cap on the workers of a core: nothing is lost at it, and it goes on afterwards.

use cmwq::net::TcpStream;
use cmwq::time::sleep;
use cmwq_tests::crowd::Crowd;
use cmwq_tests::{Beside, Case, Running, every_case, finish, run, until};
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// Blocks more tasks than there are workers, then goes on.
fn beyond_the_cap(runtime: &Running, cap: usize) {
    let beside = Beside::start(runtime);
    for _ in 0..3 {
        let crowd = Crowd::start(runtime, cap + 3);
        until("every worker there may be is blocked", || crowd.entered() == cap);
        until("the metrics tell of the cap", || runtime.metrics().cap_hits() > 0);
        assert_eq!(crowd.entered(), cap, "no more tasks run than there may be workers");
        crowd.finish();
        beside.progress().expect("everything goes on after the cap");
    }
}

every_case! {
    fn cap_of_two(case) {
        let runtime = case.start_with(1, |builder| { builder.max_workers_per_core(2); });
        beyond_the_cap(&runtime, 2);
    }

    fn cap_of_eight(case) {
        let runtime = case.start_with(1, |builder| { builder.max_workers_per_core(8); });
        beyond_the_cap(&runtime, 8);
    }

    /// tokio's setting bounds the workers of a core where ours does not: here to a holder, a standby
    /// and two more.
    fn cap_by_blocking_threads(case) {
        let runtime = case.start_with(1, |builder| { builder.max_blocking_threads(2); });
        beyond_the_cap(&runtime, 4);
    }

    /// A thread in `block_on` needs no worker, only somebody who looks at sockets and timers.
    fn block_on_at_the_cap(case) {
        let runtime = case.start_with(1, |builder| { builder.max_workers_per_core(2); });
        let crowd = Crowd::start(&runtime, 5);
        until("every worker there may be is blocked", || crowd.entered() == 2);
        let peer = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = peer.local_addr().expect("it is bound");
        let (tell, told) = mpsc::channel();
        let handle = runtime.handle().clone();
        let caller = thread::spawn(move || {
            handle.block_on(async {
                sleep(Duration::from_millis(5)).await;
                tell.send("timer").expect("it is waited for");
                let mut stream = TcpStream::connect(address).await.expect("a listener");
                assert_eq!(stream.read_u8().await.expect("a byte"), 1);
                tell.send("socket").expect("it is waited for");
            });
        });
        let (mut stream, _) = peer.accept().expect("it connects");
        thread::sleep(Duration::from_millis(5));
        stream.write_all(&[1]).expect("it reads");
        for what in ["timer", "socket"] {
            assert_eq!(told.recv_timeout(Duration::from_secs(20)), Ok(what));
        }
        assert_eq!(crowd.entered(), 2, "all that while the workers were blocked");
        crowd.finish();
        caller.join().expect("no panic");
    }

    /// Just below the cap nothing stalls.
    fn below_the_cap(case) {
        let runtime = case.start_with(1, |builder| { builder.max_workers_per_core(8); });
        let beside = Beside::start(&runtime);
        let crowd = Crowd::start(&runtime, 7);
        until("all of them are blocked", || crowd.entered() == 7);
        beside.progress().expect("timers and sockets go on with the last worker");
        crowd.finish();
    }
}

/// Of the two settings the one about workers decides about workers; of closures only as many run at
/// once as the other allows.
#[test]
fn blocking_threads_beside_workers() {
    run("blocking_threads_beside_workers", || {
        let capped = |threads: usize, workers: Option<usize>| {
            Case::Auto.start_with(2, |builder| {
                builder.max_blocking_threads(threads);
                workers.map(|workers| builder.max_workers_per_core(workers));
            })
        };
        let of = |runtime: &Running| runtime.metrics().max_workers_per_core();
        assert_eq!(of(&capped(3, None)), 4, "a holder, a standby and half of three, rounded up");
        assert_eq!(of(&capped(usize::MAX, None)), of(&Case::Auto.start(2)), "it only lowers");
        let runtime = capped(3, Some(9));
        assert_eq!(of(&runtime), 9);

        let (entered, release) = (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(4)));
        let closures: Vec<_> = (0..6)
            .map(|_| {
                let (entered, release) = (entered.clone(), release.clone());
                runtime.spawn_blocking(move || {
                    entered.fetch_add(1, Ordering::SeqCst);
                    release.wait();
                })
            })
            .collect();
        until("as many run as may", || entered.load(Ordering::SeqCst) == 3);
        assert_eq!(runtime.metrics().num_blocking_threads(), 3);
        release.wait();
        until("the others follow", || entered.load(Ordering::SeqCst) == 6);
        release.wait();
        closures.into_iter().for_each(|closure| finish(closure).expect("no panic"));
    });
}

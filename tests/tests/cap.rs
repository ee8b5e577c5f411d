//! The cap on the workers of a core: nothing is lost at it, and it goes on afterwards.

use cmwq_tests::crowd::Crowd;
use cmwq_tests::{Beside, Case, Running, every_case, finish, run, until};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

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

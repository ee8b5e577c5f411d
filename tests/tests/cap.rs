//! The cap on the workers of a core: nothing is lost at it, and it goes on afterwards.

use cmwq_tests::crowd::Crowd;
use cmwq_tests::{Beside, Running, every_case, until};

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

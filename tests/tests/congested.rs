//! Queues that have more than their limit lets in.

use cmwq::Workqueue;
use cmwq::workqueue::Scope;
use cmwq_tests::until;

const NO_SUCH_CPU: usize = 1_000_000;

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn congestion_is_of_a_pool_and_its_limit() {
    let queue = Workqueue::builder().unbound().scope(Scope::System).max_active(1).build().unwrap();
    let (end, ended) = cmwq::sync::oneshot::channel::<()>();
    let first = queue.spawn(ended);
    assert!(!queue.is_congested());
    let second = queue.spawn(async {});
    assert!(queue.is_congested());
    assert!(!queue.is_congested_on(NO_SUCH_CPU));
    queue.set_max_active(2).unwrap();
    assert!(!queue.is_congested());
    second.await.unwrap();
    end.send(()).unwrap();
    first.await.unwrap().unwrap();
}

#[test]
fn the_congestion_of_a_bound_queue_is_per_cpu() {
    let runtime = cmwq::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .pin(cmwq::runtime::Pin::Never)
        .build()
        .unwrap();
    let queue = Workqueue::builder().max_active(1).build_on(runtime.handle()).unwrap();
    let gates: Vec<_> = (0..2)
        .map(|_| {
            let (end, ended) = cmwq::sync::oneshot::channel::<()>();
            let task = queue.spawn_on(1, ended);
            (end, task)
        })
        .collect();
    assert!(queue.is_congested_on(1) && !queue.is_congested_on(0));
    drop(gates);
    until("both end", || !queue.is_congested_on(1));
}

//! The queues that every runtime has: what each of them is, and that `cmwq::spawn` uses none.

use cmwq::Workqueue;
use cmwq::runtime::Handle;
use cmwq::workqueue as wq;
use futures::task::{Spawn, SpawnExt};
use std::time::Duration;

/// The thread that runs an item of the queue.
async fn thread_of(queue: &Workqueue) -> String {
    let name = async { std::thread::current().name().unwrap_or_default().to_owned() };
    queue.spawn(name).await.unwrap()
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn each_is_what_its_name_says() {
    for (queue, name) in [
        (wq::system(), "system"),
        (wq::system_long(), "system_long"),
        (wq::system_freezable(), "system_freezable"),
        (wq::system_power_efficient(), "system_power_efficient"),
    ] {
        assert_eq!(queue.name(), name);
        assert!(queue.attrs().is_none(), "{name} is bound");
        let thread = thread_of(&queue).await;
        assert!(!thread.starts_with("cmwq/u") && !thread.ends_with('H'), "{name} on {thread}");
    }
    let high = wq::system_highpri();
    assert_eq!(high.name(), "system_highpri");
    let thread = thread_of(&high).await;
    assert!(thread.ends_with('H'), "{thread}");
    for (queue, name) in [
        (wq::system_unbound(), "system_unbound"),
        (wq::system_unbound_long(), "system_unbound_long"),
    ] {
        assert_eq!(queue.name(), name);
        assert!(queue.attrs().is_some(), "{name} is unbound");
        let thread = thread_of(&queue).await;
        assert!(thread.starts_with("cmwq/u"), "{name} on {thread}");
    }
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn each_is_made_once_and_waits_for_no_other() {
    wq::system().spawn(async {}).await.unwrap();
    assert_eq!(wq::system().stats().total, 1, "another handle of the same queue");
    let long = wq::system_long().spawn(std::future::pending::<()>());
    let unbound = wq::system_unbound_long().spawn(std::future::pending::<()>());
    wq::system().flush().await;
    wq::system_unbound().flush().await;
    assert!(!long.is_finished() && !unbound.is_finished());
    wq::system_long().abort_all();
    wq::system_unbound_long().abort_all();
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn only_the_freezable_one_is_frozen_with_the_runtime() {
    let freezable = wq::system_freezable();
    Handle::current().freeze_workqueues();
    let held = freezable.spawn(async {});
    for other in [wq::system(), wq::system_long(), wq::system_highpri(), wq::system_unbound()] {
        other.spawn(async {}).await.unwrap();
    }
    cmwq::time::sleep(Duration::from_millis(20)).await;
    assert!(!held.is_finished());
    Handle::current().thaw_workqueues();
    held.await.unwrap();
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn spawn_uses_none_of_them() {
    let before = cmwq::dump().to_string();
    assert!(before.ends_with("==========\n"), "no queue is made: {before}");
    for _ in 0..10 {
        cmwq::spawn(async { cmwq::task::yield_now().await }).await.unwrap();
    }
    assert_eq!(cmwq::dump().to_string().split("Workqueues\n").nth(1), Some("==========\n"));
    assert_eq!(wq::system().stats(), wq::Stats::default());
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn code_that_is_generic_over_executors_spawns_on_them() {
    let queue = wq::system();
    let spawner: &dyn Spawn = &queue;
    let (send, receive) = futures::channel::oneshot::channel();
    spawner
        .spawn(async {
            let _ = send.send(5);
        })
        .unwrap();
    assert_eq!(receive.await, Ok(5));
    queue.flush().await;
    assert_eq!(queue.stats().total, 1);
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn one_that_is_destroyed_is_not_made_anew() {
    wq::system().destroy().await;
    assert!(wq::system().spawn(async {}).await.unwrap_err().is_rejected());
    assert!(wq::schedule_on_each_cpu(|| ()).await.is_err());
    wq::system_long().spawn(async {}).await.expect("the others go on");
}

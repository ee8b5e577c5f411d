//! A tokio runtime beside ours, as the README says to use it.

use cmwq_tests::{Case, finish, run};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::mpsc;
use std::time::Duration;
use tokio::runtime::{Handle, Runtime};

fn tokio() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// What a library does that knows tokio only.
async fn uses_tokio() -> u32 {
    let spawned = tokio::spawn(async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        1
    });
    tokio::time::sleep(Duration::from_millis(1)).await;
    tokio::task::yield_now().await;
    spawned.await.unwrap() + 1
}

async fn entered<F: Future>(tokio: Handle, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let _entered = tokio.enter();
        future.as_mut().poll(cx)
    })
    .await
}

#[test]
fn entered_by_each_thread() {
    run("entered_by_each_thread", || {
        let tokio = tokio();
        let handle = tokio.handle().clone();
        let runtime = Case::Auto.start_with(1, |b| {
            b.on_thread_start(move || std::mem::forget(handle.enter()));
        });
        let tasks: Vec<_> = (0..50).map(|_| runtime.spawn(uses_tokio())).collect();
        // A thread that takes over has entered it too.
        let (go, blocked) = mpsc::channel::<()>();
        let blocks = runtime.spawn(async move { blocked.recv() });
        tasks.into_iter().for_each(|task| assert_eq!(finish(task).unwrap(), 2));
        assert_eq!(finish(runtime.spawn(uses_tokio())).unwrap(), 2);
        go.send(()).unwrap();
        finish(blocks).unwrap().unwrap();
    });
}

#[test]
fn entered_around_each_poll() {
    run("entered_around_each_poll", || {
        let (tokio, runtime) = (tokio(), Case::Auto.start(2));
        let error = finish(runtime.spawn(uses_tokio())).unwrap_err();
        assert!(error.is_panic(), "without tokio's runtime there is none: {error}");
        let handle = tokio.handle();
        let tasks: Vec<_> =
            (0..50).map(|_| runtime.spawn(entered(handle.clone(), uses_tokio()))).collect();
        tasks.into_iter().for_each(|task| assert_eq!(finish(task).unwrap(), 2));
        assert_eq!(runtime.block_on(entered(handle.clone(), uses_tokio())), 2);
    });
}

#[test]
fn blocked_on_inside_of_a_task() {
    run("blocked_on_inside_of_a_task", || {
        let (tokio, runtime) = (tokio(), Case::Auto.start(1));
        // More than there are cores: each blocks its thread.
        let tasks: Vec<_> = (0..8)
            .map(|_| tokio.handle().clone())
            .map(|tokio| runtime.spawn(async move { tokio.block_on(uses_tokio()) }))
            .collect();
        tasks.into_iter().for_each(|task| assert_eq!(finish(task).unwrap(), 2));
    });
}

#[test]
fn ctrl_c_ends_a_server() {
    run("ctrl_c_ends_a_server", || {
        let (tokio, runtime) = (tokio(), Case::Auto.start(1));
        let handle = tokio.handle().clone();
        let server = runtime.spawn(std::future::pending::<()>());
        let stop = server.abort_handle();
        let (registered, is_registered) = mpsc::channel();
        let ended = runtime.spawn(entered(handle, async move {
            let mut interrupted = pin!(tokio::signal::ctrl_c());
            // The first poll takes the signal over.
            let first = futures::poll!(interrupted.as_mut());
            assert!(first.is_pending());
            registered.send(()).unwrap();
            interrupted.await.unwrap();
            stop.abort();
        }));
        is_registered.recv().unwrap();
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::INT)
            .unwrap();
        finish(ended).unwrap();
        assert!(finish(server).unwrap_err().is_cancelled());
    });
}

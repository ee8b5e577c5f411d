//! The places where a runtime runs code of its users, other than a poll.

use crate::foreign::{self, Action, OnDrop};
use cmwq::net::TcpStream;
use cmwq::runtime::Runtime;
use std::future::{Future, pending, poll_fn};
use std::io::Write;
use std::net::TcpListener;
use std::pin::pin;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::time::Duration;

/// A place: makes the runtime do `action` there.
pub type Place = fn(&Runtime, Action);

/// Every place of this module, with its name.
pub const ALL: [(&str, Place); 7] = [
    ("drop of a future", future_drop),
    ("drop of an aborted future", aborted_drop),
    ("drop of an output", output_drop),
    ("drop of a handle with an output", handle_drop),
    ("waker of a JoinHandle", join_waker),
    ("waker of a timer", timer_waker),
    ("waker of a socket", socket_waker),
];

/// The drop of what a future holds at its end.
pub fn future_drop(runtime: &Runtime, action: Action) {
    let value = OnDrop::new(action);
    runtime.spawn(async move {
        let _value = value;
        cmwq::task::yield_now().await;
    });
}

/// The drop of a future that is aborted while it waits.
pub fn aborted_drop(runtime: &Runtime, action: Action) {
    let value = OnDrop::new(action);
    let (started_tx, started) = mpsc::channel();
    let task = runtime.spawn(async move {
        let _value = value;
        started_tx.send(()).expect("the caller waits");
        pending::<()>().await;
    });
    started.recv().expect("the task starts");
    task.abort();
}

/// The drop of an output that nobody asks for.
pub fn output_drop(runtime: &Runtime, action: Action) {
    let value = OnDrop::new(action);
    let (tx, rx) = cmwq::sync::oneshot::channel::<()>();
    drop(runtime.spawn(async move {
        // Ends after the handle is gone, or the output would be dropped with the handle, here.
        rx.await.expect("the caller sends");
        value
    }));
    tx.send(()).expect("the task waits");
}

/// The drop of the handle, in a task, of a task that has completed.
pub fn handle_drop(runtime: &Runtime, action: Action) {
    let value = OnDrop::new(action);
    let task = runtime.spawn(async move { value });
    runtime.spawn(async move {
        while !task.is_finished() {
            cmwq::task::yield_now().await;
        }
        drop(task);
    });
}

/// The wake of who waits for a `JoinHandle`.
pub fn join_waker(runtime: &Runtime, action: Action) {
    let (tx, rx) = cmwq::sync::oneshot::channel::<()>();
    let mut task = runtime.spawn(rx);
    let waker = foreign::waker(action);
    let polled = std::pin::Pin::new(&mut task).poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending(), "nothing was sent yet");
    tx.send(()).expect("the task waits");
    // The handle stays: its drop would take the waker back.
    runtime.spawn(async move {
        let _task = task;
        pending::<()>().await;
    });
}

/// The wake of who waits for a timer.
pub fn timer_waker(runtime: &Runtime, action: Action) {
    let waker = foreign::waker(action);
    runtime.spawn(async move {
        // Once more where its time passes before the poll.
        let mut sleep = pin!(cmwq::time::sleep(Duration::from_millis(5)));
        while once(|| sleep.as_mut().poll(&mut Context::from_waker(&waker))).await.is_ready() {
            sleep.set(cmwq::time::sleep(Duration::from_millis(5)));
        }
        pending::<()>().await;
    });
}

/// The wake of who waits for a socket.
pub fn socket_waker(runtime: &Runtime, action: Action) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback listener");
    let addr = listener.local_addr().expect("a bound address");
    let waker = foreign::waker(action);
    let (polled_tx, polled) = mpsc::channel();
    runtime.spawn(async move {
        let stream = TcpStream::connect(addr).await.expect("the listener listens");
        once(|| {
            let ready = stream.poll_read_ready(&mut Context::from_waker(&waker));
            assert!(ready.is_pending(), "nothing was sent yet");
        })
        .await;
        polled_tx.send(()).expect("the caller waits");
        pending::<()>().await;
    });
    let (mut stream, _) = listener.accept().expect("the task connects");
    polled.recv().expect("the task polls the socket");
    stream.write_all(b"x").expect("the task holds the socket");
    // Beyond this function, so that the end of the connection is no second event.
    std::mem::forget(stream);
}

/// Runs `f` in one poll, without the task's own waker.
async fn once<T>(mut f: impl FnMut() -> T) -> T {
    poll_fn(|_| Poll::Ready(f())).await
}

//! What needs a tokio runtime: three ways to reach one that runs beside, and a server that Ctrl-C ends.
//!
//! `cargo run --release -p cmwq-examples --bin beside_tokio -- wait` ends at Ctrl-C. Without `wait` it
//! sends the signal to itself.

use std::{
    error::Error,
    future::{Future, poll_fn},
    pin::pin,
    time::Duration,
};

use tokio::runtime::Handle;

fn main() -> Result<(), Box<dyn Error>> {
    // One thread for tokio's timers, sockets and signals. Made before cmwq, outside of its tasks: a
    // thread that a task starts is pinned to the task's core.
    let tokio =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let handle = tokio.handle().clone();
    let cmwq = cmwq::runtime::Builder::new_multi_thread()
        // The first way: each thread enters it, for as long as it lives.
        .on_thread_start(move || std::mem::forget(handle.enter()))
        .build()?;
    cmwq.block_on(serve(tokio.handle().clone()))?;
    // Before tokio, which its tasks use.
    drop(cmwq);
    Ok(())
}

async fn serve(handle: Handle) -> Result<(), Box<dyn Error>> {
    cmwq::spawn(uses_tokio("entered by the thread")).await?;

    // The second: entered around each poll. Works with #[cmwq::main] too, and in the future of
    // block_on, whose thread no hook has seen.
    entered(&handle, uses_tokio("entered around each poll")).await;

    // The third: the thread waits, and another one goes on with its core.
    let waiting = handle.clone();
    cmwq::spawn(async move { waiting.block_on(uses_tokio("blocked on")) }).await?;

    let server = cmwq::spawn(async {
        for request in 1.. {
            cmwq::time::sleep(Duration::from_millis(100)).await;
            println!("request {request}");
        }
    });
    let signal = async {
        if std::env::args().nth(1).as_deref() != Some("wait") {
            cmwq::time::sleep(Duration::from_millis(250)).await;
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::INT)?;
        }
        Ok::<(), std::io::Error>(())
    };
    // In one task: before the first poll of ctrl_c() the signal would end the program.
    cmwq::try_join!(entered(&handle, tokio::signal::ctrl_c()), signal)?;
    println!("Ctrl-C");
    server.abort();
    Ok(())
}

/// Stands for a library that calls tokio's timers itself.
async fn uses_tokio(how: &str) {
    let spawned = tokio::spawn(tokio::time::sleep(Duration::from_millis(5)));
    spawned.await.expect("a timer does not panic");
    tokio::time::sleep(Duration::from_millis(5)).await;
    println!("a tokio timer, {how}");
}

/// The future, with tokio's runtime around each of its polls.
async fn entered<F: Future>(tokio: &Handle, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let _entered = tokio.enter();
        future.as_mut().poll(cx)
    })
    .await
}

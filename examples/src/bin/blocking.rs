//! Tasks of one core that block on each other, and all of them come to their end.
//!
//! On a runtime without takeover each of these three would hang: the one worker waits inside a task
//! for a task that only it could run.
//!
//! `cargo run --release -p cmwq-examples --bin blocking`

use std::{
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use cmwq::runtime::{Builder, Handle, Runtime};

/// Tasks of the chain. Each needs a thread while it waits.
const CHAIN: usize = 8;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A hang would be the failure: say so instead.
    thread::spawn(|| {
        thread::sleep(Duration::from_secs(30));
        eprintln!("no progress within 30 s: a task was left behind");
        std::process::exit(1);
    });

    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    timed("a chain of std channels", || channels(&runtime));
    timed("block_on inside a task", || nested_block_on(&runtime));
    timed("a contended std Mutex", || mutex(&runtime));
    println!("takeovers: {}", runtime.metrics().takeovers_count());
    Ok(())
}

fn timed(what: &str, run: impl FnOnce() -> String) {
    let start = Instant::now();
    let result = run();
    println!("{what}: {result}, {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
}

/// Each task waits in a blocking `recv` for the task that was spawned after it.
fn channels(runtime: &Runtime) -> String {
    let (first, result) = mpsc::channel::<usize>();
    let mut to = first;
    for _ in 0..CHAIN {
        let (next, from) = mpsc::channel();
        runtime.spawn(async move {
            let hops = from.recv().expect("the task behind sends before it ends");
            to.send(hops + 1).expect("the task before is waiting");
        });
        to = next;
    }
    runtime.spawn(async move { to.send(0).expect("the last of the chain is waiting") });

    let hops = result.recv().expect("the chain does not break");
    assert_eq!(hops, CHAIN);
    format!("a message went through {hops} tasks")
}

/// A task waits for another by a blocking call of the runtime itself. tokio panics here.
fn nested_block_on(runtime: &Runtime) -> String {
    let outer = runtime.spawn(async {
        let inner = cmwq::spawn(async {
            cmwq::time::sleep(Duration::from_millis(5)).await;
            42
        });
        Handle::current().block_on(inner).expect("the inner task does not panic")
    });
    let answer = runtime.block_on(outer).expect("the outer task does not panic");
    assert_eq!(answer, 42);
    format!("the inner task returned {answer}")
}

/// Tasks hold a lock over a nap, and others of the same core wait for it.
fn mutex(runtime: &Runtime) -> String {
    let sum = Arc::new(Mutex::new(0));
    let tasks: Vec<_> = (1..=10)
        .map(|i| {
            let sum = sum.clone();
            runtime.spawn(async move {
                let mut sum = sum.lock().expect("no holder panics");
                thread::sleep(Duration::from_millis(2));
                *sum += i;
            })
        })
        .collect();
    runtime.block_on(async {
        for task in tasks {
            task.await.expect("no task panics");
        }
    });
    let sum = *sum.lock().expect("no holder panics");
    assert_eq!(sum, 55);
    format!("ten tasks took turns, the sum is {sum}")
}

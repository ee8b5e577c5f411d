//! A rayon pool whose threads are tasks of an unbound workqueue.
//!
//! rayon asks for threads through `spawn_handler`; each is a task here that never awaits. When it has
//! nothing to do it blocks, and the workqueue's pool goes on with others: the CPUs are shared, and
//! no threads lie idle beside those of the runtime.
//!
//! `cargo run --release -p cmwq-examples --bin rayon_pool`

use cmwq::Workqueue;
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::error::Error;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

#[cmwq::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let queue = Workqueue::builder().name("rayon").unbound().build()?;
    let threads = available_parallelism()?.get();
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads)
        .spawn_handler(|thread| {
            queue.spawn(async move { thread.run() });
            Ok(())
        })
        .build()?;
    let pool = Arc::new(pool);
    println!("{} rayon threads, {} items in flight", threads, queue.stats().in_flight);

    // The runtime's own tasks go on meanwhile.
    let ticks = cmwq::spawn(async {
        let mut latest = Duration::ZERO;
        for _ in 0..50 {
            let start = Instant::now();
            cmwq::time::sleep(Duration::from_millis(1)).await;
            latest = latest.max(start.elapsed());
        }
        latest
    });
    let start = Instant::now();
    let found =
        compute(&pool, || (2_u64..400_000).into_par_iter().filter(|&n| is_prime(n)).count());
    println!("{} primes below 400,000 in {:.1?}", found.await?, start.elapsed());
    println!("the slowest sleep of 1 ms beside it took {:.1?}", ticks.await?);

    // Between computations rayon's threads are blocked, and the queue runs other items.
    let answer = queue.spawn(async { 6 * 7 }).await?;
    println!("another item of the same queue: {answer}");

    // The pool's threads end with it.
    drop(pool);
    queue.flush().await;
    println!("after the pool: {} items in flight", queue.stats().in_flight);
    Ok(())
}

/// Runs a computation in the pool without blocking the caller.
async fn compute<R: Send + 'static>(
    pool: &ThreadPool,
    f: impl FnOnce() -> R + Send + 'static,
) -> Result<R, Box<dyn Error>> {
    let (send, result) = cmwq::sync::oneshot::channel();
    pool.spawn(move || {
        // The caller may have lost its interest.
        let _ = send.send(f());
    });
    Ok(result.await?)
}

fn is_prime(n: u64) -> bool {
    (2..).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d))
}

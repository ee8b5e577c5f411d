//! A tour of the workqueues: bound, unbound and ordered ones, limits, work items, delays, flush, drain,
//! freeze, and ways to look at them.
//!
//! `cargo run --release -p cmwq-examples --bin queues`

use cmwq::workqueue::{BuildError, record};
use cmwq::{Work, Workqueue};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

#[cmwq::main(worker_threads = 2)]
async fn main() -> Result<(), BuildError> {
    bound_with_a_limit().await?;
    ordered().await?;
    work_items().await?;
    drain_and_freeze().await?;
    looking_on().await
}

/// A bound queue runs its items on the CPU on which they were queued; the limit holds per CPU.
async fn bound_with_a_limit() -> Result<(), BuildError> {
    println!("== max_active: ten blocking items, three at a time");
    let queue = Workqueue::builder().name("limited").max_active(3).build()?;
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let start = Instant::now();
    for _ in 0..10 {
        let (now, most) = (now.clone(), most.clone());
        queue.spawn_on(0, async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // Blocks the thread, and another one of the same CPU goes on.
            thread::sleep(Duration::from_millis(10));
            now.fetch_sub(1, Ordering::SeqCst);
        });
    }
    queue.flush().await;
    println!("at most {} at a time, {:.0?} in all", most.load(Ordering::SeqCst), start.elapsed());

    println!("== unbound: the same queue for all CPUs");
    let unbound = Workqueue::builder().name("anywhere").unbound().build()?;
    let tasks: Vec<_> = (0..4).map(|n: u64| unbound.spawn(async move { n * n })).collect();
    let mut squares = Vec::new();
    for task in tasks {
        squares.push(task.await.expect("no task panics"));
    }
    println!("{squares:?}");
    Ok(())
}

/// One item at a time, each over its whole life: awaiting does not let the next one in.
async fn ordered() -> Result<(), BuildError> {
    println!("== ordered: in the order of queueing, whatever they wait for");
    let queue = Workqueue::builder().name("in order").ordered().build()?;
    let order = Arc::new(Mutex::new(Vec::new()));
    for n in 0..5 {
        let order = order.clone();
        queue.spawn(async move {
            // Later items wait for less, and overtake nobody.
            cmwq::time::sleep(Duration::from_millis(10 - 2 * n)).await;
            order.lock().expect("no item panics").push(n);
        });
    }
    queue.flush().await;
    println!("{:?}", order.lock().expect("no item panics"));
    Ok(())
}

/// A work item is queued again and again, and is queued at most once at a time.
async fn work_items() -> Result<(), BuildError> {
    println!("== work items: queued twice before it runs, it runs once");
    let queue = Workqueue::builder().name("items").build()?;
    let runs = Arc::new(AtomicUsize::new(0));
    let work = Work::new({
        let runs = runs.clone();
        move || {
            runs.fetch_add(1, Ordering::SeqCst);
        }
    });
    let first = work.queue_delayed(&queue, Duration::from_millis(20));
    let second = work.queue(&queue);
    println!("queued: {first}, again: {second}");
    // A new time for what is pending: now.
    work.mod_delayed(&queue, Duration::ZERO);
    work.flush().await;
    println!("{} run", runs.load(Ordering::SeqCst));

    work.queue_delayed(&queue, Duration::from_secs(60));
    println!("cancelled while it waits: {}", work.cancel_sync().await);
    work.disable();
    println!("queued while disabled: {}", work.queue(&queue));
    work.enable_and_queue(&queue);
    work.flush().await;
    println!("{} runs", runs.load(Ordering::SeqCst));
    Ok(())
}

async fn drain_and_freeze() -> Result<(), BuildError> {
    println!("== drain: only the queue's own items queue others meanwhile");
    let queue = Workqueue::builder().name("drained").build()?;
    let chain = queue.clone();
    let links = Arc::new(AtomicUsize::new(0));
    let count = links.clone();
    queue.spawn(async move {
        cmwq::time::sleep(Duration::from_millis(5)).await;
        chain.spawn(async move { count.fetch_add(1, Ordering::SeqCst) });
    });
    let drained = queue.drain();
    let outside = queue.spawn(async {}).await;
    drained.await;
    let rejected = outside.is_err_and(|error| error.is_rejected());
    println!("chained: {}, from outside rejected: {rejected}", links.load(Ordering::SeqCst));

    println!("== freeze: nothing is polled until the thaw");
    queue.freeze();
    let waits = queue.spawn(async { "thawed" });
    cmwq::time::sleep(Duration::from_millis(5)).await;
    println!("finished while frozen: {}", waits.is_finished());
    queue.thaw();
    println!("{}", waits.await.expect("it does not panic"));
    Ok(())
}

async fn looking_on() -> Result<(), BuildError> {
    println!("== events of one item, statistics, and the dump");
    let queue = Workqueue::builder().name("watched").max_active(1).build()?;
    let recording = record(100);
    queue.spawn(async { thread::sleep(Duration::from_millis(5)) });
    queue.flush().await;
    recording.take().iter().for_each(|event| println!("{event}"));
    drop(recording);

    // This one is still asleep in the dump, and its successor waits for the slot.
    queue.spawn(async { thread::sleep(Duration::from_millis(50)) });
    queue.spawn(async {});
    cmwq::time::sleep(Duration::from_millis(10)).await;
    println!("\n{}", cmwq::dump());
    queue.flush().await;
    println!("{:#?}", queue.stats());
    queue.destroy().await;
    Ok(())
}

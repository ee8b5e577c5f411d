//! Work items: where they run, and never twice at once.

use cmwq::Work;
use cmwq_tests::works::{Gate, cpus, queue, value};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[cmwq::test(flavor = "multi_thread", worker_threads = 2)]
async fn queue_on_runs_it_on_that_cpu_or_refuses() {
    let queue = queue();
    let here = Arc::new(AtomicUsize::new(usize::MAX));
    let seen = here.clone();
    let work = Work::new(move || seen.store(current_core(), Ordering::SeqCst));
    let cpus = cpus(&queue);
    let mut cores = Vec::new();
    for &cpu in &cpus {
        for _ in 0..50 {
            assert!(work.queue_on(cpu, &queue));
            work.flush().await;
            cores.push((cpu, value(&here)));
        }
    }
    cores.dedup();
    assert_eq!(cores.len(), cpus.len(), "one core for each CPU: {cores:?}");
    assert!(!work.queue_on(1 << 20, &queue));
    assert!(!work.is_pending());
}

/// The core whose worker this thread is, from its name.
fn current_core() -> usize {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or_default().to_owned();
    let digits = name.split(['/', ':', '-']).filter_map(|part| part.parse().ok()).next();
    digits.unwrap_or_else(|| panic!("no core in the thread name {name:?}"))
}

// Non-reentrancy.

#[cmwq::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_never_runs_twice_at_once_whatever_queue_it_is_queued_on() {
    let queues: Vec<_> = (0..3).map(|_| queue()).collect();
    let cpus = cpus(&queues[0]);
    let (inside, overlaps, count) =
        (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (seen, runs) = (overlaps.clone(), count.clone());
    let work = Work::new(move || {
        if inside.fetch_add(1, Ordering::SeqCst) > 0 {
            seen.fetch_add(1, Ordering::SeqCst);
        }
        runs.fetch_add(1, Ordering::SeqCst);
        if runs.load(Ordering::SeqCst) % 16 == 0 {
            std::thread::sleep(Duration::from_micros(100));
        }
        inside.fetch_sub(1, Ordering::SeqCst);
    });
    let threads: Vec<_> = (0..3)
        .map(|thread| {
            let (work, queues, cpus) = (work.clone(), queues.clone(), cpus.clone());
            std::thread::spawn(move || {
                (0..3000)
                    .filter(|turn| {
                        let queue = &queues[(turn + thread) % queues.len()];
                        work.queue_on(cpus[turn % cpus.len()], queue)
                    })
                    .count()
            })
        })
        .collect();
    let queued: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    for queue in &queues {
        queue.flush().await;
    }
    assert_eq!(value(&overlaps), 0);
    assert_eq!(value(&count), queued, "one execution for each true");
    assert!(!work.is_busy());
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 2)]
async fn queued_elsewhere_while_it_runs_it_goes_to_the_queue_named_last() {
    let (first, second, gate) = (queue(), queue(), Gate::new());
    let cpus = cpus(&first);
    gate.run_on(cpus[0], &first);
    assert!(gate.work.queue_on(cpus[cpus.len() - 1], &second));
    // The other queue waits for it, and its own execution is not there yet.
    let mut flush = std::pin::pin!(second.flush());
    assert!(futures::poll!(flush.as_mut()).is_pending());
    assert!(gate.entered.recv_timeout(Duration::from_millis(20)).is_err());
    gate.end();
    gate.entered.recv().unwrap();
    first.flush().await;
    gate.end();
    flush.await;
    assert_eq!(gate.runs(), 2);
}

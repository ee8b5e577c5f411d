//! Work of a bound queue stays on its CPU, also while its core changes hands.

use cmwq::Workqueue;
use cmwq_tests::case::cores;
use cmwq_tests::{NEVER, confine, every_case, finish};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Per core; enough that some are popped by a worker that loses its core at that moment.
const ITEMS: usize = 400;

every_case! {
    /// Each item blocks, so the core is taken over all the time, and the other core has time to steal.
    fn blocking_items_are_not_stolen(case) {
        // A hog is not bound.
        let runtime = case.start_with(cores().min(2), |builder| {
            builder.cpu_intensive_threshold(NEVER);
        });
        let metrics = runtime.handle().metrics();
        let pinned = metrics.is_pinned();
        let cpus: Vec<usize> = match pinned {
            true => confine::allowed().expect("an affinity"),
            false => (0..metrics.num_workers()).collect(),
        };
        let cpus = &cpus[..metrics.num_workers()];
        let queue = Workqueue::builder().name("bound").build_on(runtime.handle()).expect("a queue");
        let (strays, ran) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        for item in 0..ITEMS as u64 {
            for &cpu in cpus {
                let (strays, ran) = (strays.clone(), ran.clone());
                queue.spawn_on(cpu, async move {
                    let before = rustix::thread::sched_getcpu();
                    std::thread::sleep(Duration::from_micros(50 * (item % 4)));
                    let after = rustix::thread::sched_getcpu();
                    if pinned && (before, after) != (cpu, cpu) {
                        strays.fetch_add(1, Ordering::Relaxed);
                    }
                    ran.fetch_add(1, Ordering::Relaxed);
                });
            }
        }
        finish(queue.flush());
        assert_eq!(ran.load(Ordering::Relaxed), ITEMS * cpus.len());
        assert_eq!(strays.load(Ordering::Relaxed), 0, "items ran on another CPU");
    }
}

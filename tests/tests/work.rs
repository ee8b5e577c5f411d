//! Work items: what the kernel promises of `work_struct`, and what is promised beyond it.

use cmwq::runtime::Builder;
use cmwq::{Work, Workqueue};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::time::Duration;

const SOON: Duration = Duration::from_millis(2);
const HOUR: Duration = Duration::from_secs(3600);

fn queue() -> Workqueue {
    Workqueue::builder().build().unwrap()
}

/// A work item that counts its executions.
fn counted() -> (Work, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let runs = count.clone();
    let work = Work::new(move || {
        runs.fetch_add(1, Ordering::SeqCst);
    });
    (work, count)
}

/// A work item whose execution lasts until it is told to end.
struct Gate {
    work: Work,
    entered: mpsc::Receiver<()>,
    leave: mpsc::Sender<()>,
    runs: Arc<AtomicUsize>,
}

impl Gate {
    fn new() -> Self {
        let (enter, entered) = mpsc::channel();
        let (leave, left) = mpsc::channel();
        let runs = Arc::new(AtomicUsize::new(0));
        let count = runs.clone();
        let work = Work::new(move || {
            let _ = enter.send(());
            let _ = left.recv();
            count.fetch_add(1, Ordering::SeqCst);
        });
        Self { work, entered, leave, runs }
    }

    /// Queues it and waits until it runs.
    fn run(&self, queue: &Workqueue) {
        assert!(self.work.queue(queue));
        self.entered.recv().unwrap();
    }

    /// As [`run`](Self::run), on a CPU.
    fn run_on(&self, cpu: usize, queue: &Workqueue) {
        assert!(self.work.queue_on(cpu, queue));
        self.entered.recv().unwrap();
    }

    fn end(&self) {
        self.leave.send(()).unwrap();
    }

    fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }
}

/// CPUs that work can be queued on.
fn cpus(queue: &Workqueue) -> Vec<usize> {
    let probe = Work::new(|| ());
    let known = |cpu: &usize| {
        let is_known = probe.queue_on(*cpu, queue);
        probe.flush_blocking();
        is_known
    };
    (0..4096).filter(known).take(2).collect()
}

fn value(count: &AtomicUsize) -> usize {
    count.load(Ordering::SeqCst)
}

// queue_work.

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn queue_says_whether_it_queued() {
    let (queue, gate) = (queue(), Gate::new());
    gate.run(&queue);
    assert!(!gate.work.is_pending() && gate.work.is_running(), "pending no more once it runs");
    assert!(gate.work.queue(&queue), "once more while it runs");
    assert!(!gate.work.queue(&queue), "pending already");
    assert!(gate.work.is_pending() && gate.work.is_busy());
    gate.end();
    gate.end();
    gate.work.flush().await;
    assert_eq!(gate.runs(), 2);
    assert!(!gate.work.is_busy());
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_stored_before_a_queueing_is_seen_by_an_execution() {
    // Also where queue() says that it is pending already.
    let queue = queue();
    let stored = Arc::new(AtomicUsize::new(0));
    let seen = Arc::new(AtomicUsize::new(0));
    let (read, last) = (stored.clone(), seen.clone());
    let work = Work::new(move || last.store(read.load(Ordering::Relaxed), Ordering::Relaxed));
    for value in 1..10_000 {
        stored.store(value, Ordering::Relaxed);
        work.queue(&queue);
        if value % 1000 == 0 {
            work.flush().await;
            assert_eq!(seen.load(Ordering::Relaxed), value);
        }
    }
    work.flush().await;
    assert_eq!(seen.load(Ordering::Relaxed), 9_999);
}

#[test]
fn it_is_queued_from_any_thread_outside_of_the_runtime() {
    let runtime = Builder::new_multi_thread().build().unwrap();
    let queue = Workqueue::builder().build_on(runtime.handle()).unwrap();
    let (work, count) = counted();
    std::thread::spawn(move || {
        assert!(work.queue(&queue));
        work.flush_blocking();
        assert_eq!(value(&count), 1);
        assert!(work.queue_delayed(&queue, SOON));
        while value(&count) < 2 {
            std::thread::yield_now();
        }
    })
    .join()
    .unwrap();
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn executions_on_one_cpu_start_in_the_order_of_their_queueing() {
    let queue = Workqueue::builder().max_active(1).build().unwrap();
    let (cpu, gate) = (cpus(&queue)[0], Gate::new());
    gate.run_on(cpu, &queue);
    let order = Arc::new(Mutex::new(Vec::new()));
    let works: Vec<_> = (0..10)
        .map(|number| {
            let order = order.clone();
            Work::new(move || order.lock().unwrap().push(number))
        })
        .collect();
    works.iter().for_each(|work| assert!(work.queue_on(cpu, &queue)));
    // One that is queued again keeps its place; one that is cancelled first does not.
    assert!(!works[0].queue_on(cpu, &queue));
    assert!(works[1].cancel() && works[1].queue_on(cpu, &queue));
    gate.end();
    queue.flush().await;
    assert_eq!(*order.lock().unwrap(), [0, 2, 3, 4, 5, 6, 7, 8, 9, 1]);
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn max_active_counts_executions() {
    let queue = Workqueue::builder().max_active(2).build().unwrap();
    let cpu = cpus(&queue)[0];
    let gates: Vec<_> = (0..3).map(|_| Gate::new()).collect();
    gates[0].run_on(cpu, &queue);
    gates[1].run_on(cpu, &queue);
    assert!(gates[2].work.queue_on(cpu, &queue));
    let waits = gates[2].entered.recv_timeout(Duration::from_millis(20));
    assert!(waits.is_err(), "a third one began");
    assert!(gates[2].work.is_pending());
    gates[0].end();
    gates[2].entered.recv().unwrap();
    gates[1].end();
    gates[2].end();
    queue.flush().await;
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_blocking_work_item_does_not_hold_the_others_of_its_cpu_back() {
    let queue = queue();
    let (cpu, gate) = (cpus(&queue)[0], Gate::new());
    gate.run_on(cpu, &queue);
    let (other, count) = counted();
    assert!(other.queue_on(cpu, &queue));
    other.flush().await;
    assert_eq!((value(&count), gate.runs()), (1, 0));
    gate.end();
    gate.work.flush().await;
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_pending_work_runs_although_its_handles_are_gone() {
    let queue = Workqueue::builder().max_active(1).build().unwrap();
    let (cpu, gate) = (cpus(&queue)[0], Gate::new());
    gate.run_on(cpu, &queue);
    let (work, count) = counted();
    work.queue_on(cpu, &queue);
    drop(work);
    gate.end();
    queue.flush().await;
    assert_eq!(value(&count), 1);
    // The worker lets go of it last.
    while Arc::strong_count(&count) > 1 {
        cmwq::task::yield_now().await;
    }
}

// CPU choice.

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

// Delayed work.

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_delay_of_zero_is_none_and_others_are_waited_for() {
    let (queue, (work, count)) = (queue(), counted());
    assert!(work.queue_delayed(&queue, Duration::ZERO));
    queue.flush().await;
    assert_eq!(value(&count), 1);
    let begin = cmwq::time::Instant::now();
    assert!(work.queue_delayed(&queue, Duration::from_millis(20)));
    assert!(work.is_pending() && !work.queue(&queue));
    while work.is_busy() {
        cmwq::time::sleep(SOON).await;
    }
    assert!(begin.elapsed() >= Duration::from_millis(20));
    assert_eq!(value(&count), 2);
}

#[cmwq::test(start_paused = true)]
async fn delays_follow_a_paused_clock() {
    let (queue, (work, count)) = (queue(), counted());
    assert!(work.queue_delayed(&queue, HOUR));
    cmwq::time::advance(HOUR / 2).await;
    assert!(work.is_pending());
    cmwq::time::advance(HOUR).await;
    while work.is_busy() {
        cmwq::task::yield_now().await;
    }
    assert_eq!(value(&count), 1);
    // It advances by itself up to the delay.
    assert!(work.queue_delayed(&queue, HOUR));
    cmwq::time::sleep(HOUR * 2).await;
    assert_eq!(value(&count), 2);
}

#[cmwq::test(start_paused = true)]
async fn mod_delayed_says_whether_it_was_pending() {
    let (queue, (work, count)) = (queue(), counted());
    assert!(!work.mod_delayed(&queue, HOUR));
    for _ in 0..5 {
        cmwq::time::advance(HOUR / 2).await;
        assert!(work.mod_delayed(&queue, HOUR), "put off before it was due");
    }
    assert_eq!(value(&count), 0);
    cmwq::time::sleep(HOUR * 2).await;
    assert_eq!(value(&count), 1);
    assert!(!work.mod_delayed(&queue, Duration::ZERO));
    queue.flush().await;
    assert_eq!(value(&count), 2);
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_delay_does_not_hold_the_queue_flush_back() {
    let (queue, (work, count)) = (queue(), counted());
    work.queue_delayed(&queue, HOUR);
    queue.flush().await;
    assert!(work.is_pending());
    assert!(work.flush().await, "but a flush of the work cuts it short");
    assert_eq!(value(&count), 1);
}

// flush_work, linked work.

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn flush_waits_for_the_last_queueing_only() {
    let (queue, gate) = (queue(), Gate::new());
    assert!(!gate.work.flush().await, "idle");
    gate.run(&queue);
    let mut flush = std::pin::pin!(gate.work.flush());
    assert!(futures::poll!(flush.as_mut()).is_pending());
    assert!(gate.work.queue(&queue));
    gate.end();
    assert!(flush.await, "the execution under way is over");
    gate.entered.recv().unwrap();
    gate.end();
    gate.work.flush().await;
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_flush_needs_no_slot() {
    // Everything that max_active allows is in use, and flushes come through all the same.
    let queue = Workqueue::builder().max_active(1).build().unwrap();
    let (cpu, first, second) = (cpus(&queue)[0], Gate::new(), Gate::new());
    first.run_on(cpu, &queue);
    second.work.queue_on(cpu, &queue);
    let flushes: Vec<_> = (0..20)
        .map(|_| {
            let work = first.work.clone();
            cmwq::spawn(async move { work.flush().await })
        })
        .collect();
    cmwq::time::sleep(SOON).await;
    first.end();
    for flush in flushes {
        flush.await.unwrap();
    }
    second.entered.recv().unwrap();
    second.end();
    queue.flush().await;
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn flush_blocking_hands_the_core_over() {
    // The work that is waited for stands behind the task that waits, on the same core.
    let queue = queue();
    let cpu = cpus(&queue)[0];
    let (work, count) = counted();
    let list = queue.clone();
    let waiter = queue.spawn_on(cpu, async move {
        assert!(work.queue_on(cpu, &list));
        work.flush_blocking();
    });
    waiter.await.unwrap();
    assert_eq!(value(&count), 1);
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn inside_of_its_own_closure_nothing_waits_for_itself() {
    let queue = queue();
    let (report, results) = mpsc::channel();
    let target = queue.clone();
    let work = Work::new_cyclic(|own| {
        move || {
            let own = own.upgrade().unwrap();
            assert!(!own.flush_blocking());
            assert!(!own.cancel_sync_blocking(), "it is not pending");
            own.queue(&target);
            let _ = report.send(own.cancel_sync_blocking());
        }
    });
    work.queue(&queue);
    work.flush().await;
    assert_eq!(results.recv(), Ok(true));
    assert!(!work.is_pending() && !work.is_disabled());
}

// cancel, cancel_sync.

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn cancel_takes_what_is_pending_and_leaves_what_runs() {
    let queue = Workqueue::builder().max_active(1).build().unwrap();
    let (cpu, gate) = (cpus(&queue)[0], Gate::new());
    let (work, count) = counted();
    assert!(!work.cancel());
    gate.run_on(cpu, &queue);
    work.queue_on(cpu, &queue);
    assert!(work.cancel(), "from the inactive list");
    assert!(!gate.work.cancel(), "running");
    assert!(gate.work.queue_on(cpu, &queue) && gate.work.cancel());
    work.queue_delayed(&queue, HOUR);
    assert!(work.cancel(), "from the timer");
    gate.end();
    queue.flush().await;
    assert_eq!((value(&count), gate.runs()), (0, 1));
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_cancelled_work_gives_its_slot_to_the_next() {
    // Frozen by a gate on the other core: `first` is active in the pool, `second` is not.
    let queue = Workqueue::builder().max_active(2).build().unwrap();
    let (cpu, gate) = (cpus(&queue)[0], Gate::new());
    gate.run_on(cpu, &queue);
    let other = Gate::new();
    other.run_on(cpu, &queue);
    let ((first, _), (second, count)) = (counted(), counted());
    first.queue_on(cpu, &queue);
    second.queue_on(cpu, &queue);
    assert!(first.cancel());
    gate.end();
    second.flush().await;
    assert_eq!(value(&count), 1);
    other.end();
    queue.flush().await;
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn cancel_sync_waits_for_the_execution_and_keeps_others_from_queueing() {
    let (queue, gate) = (queue(), Gate::new());
    gate.run(&queue);
    assert!(gate.work.queue(&queue));
    let mut cancel = std::pin::pin!(gate.work.cancel_sync());
    assert!(futures::poll!(cancel.as_mut()).is_pending());
    assert!(!gate.work.is_pending() && gate.work.is_disabled());
    assert!(!gate.work.queue(&queue));
    gate.end();
    assert!(cancel.await, "it was pending");
    assert!(!gate.work.is_running());
    assert_eq!(gate.runs(), 1);
    assert!(gate.work.queue(&queue));
    gate.end();
    gate.work.flush().await;
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_dropped_cancel_sync_lets_it_be_queued_again() {
    let (queue, gate) = (queue(), Gate::new());
    gate.run(&queue);
    {
        let mut cancel = std::pin::pin!(gate.work.cancel_sync());
        assert!(futures::poll!(cancel.as_mut()).is_pending());
    }
    assert!(gate.work.queue(&queue));
    gate.end();
    gate.end();
    gate.work.flush().await;
    assert_eq!(gate.runs(), 2);
}

#[cmwq::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancel_sync_stops_a_work_that_queues_itself() {
    let queue = queue();
    let count = Arc::new(AtomicUsize::new(0));
    let (runs, target) = (count.clone(), queue.clone());
    let work = Work::new_cyclic(|own| {
        move || {
            runs.fetch_add(1, Ordering::SeqCst);
            if let Some(own) = own.upgrade() {
                own.queue(&target);
            }
        }
    });
    work.queue(&queue);
    while value(&count) < 100 {
        cmwq::task::yield_now().await;
    }
    work.cancel_sync().await;
    assert!(!work.is_busy());
    let after = value(&count);
    cmwq::time::sleep(SOON).await;
    assert_eq!(value(&count), after);
}

// disable, enable.

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn disabling_counts() {
    let (queue, (work, count)) = (queue(), counted());
    work.queue_delayed(&queue, HOUR);
    assert!(work.disable(), "it was pending");
    assert!(!work.disable());
    assert!(!work.queue(&queue) && !work.queue_delayed(&queue, HOUR));
    assert!(!work.mod_delayed(&queue, HOUR) && !work.is_pending());
    assert!(!work.enable());
    assert!(work.enable_and_queue(&queue), "the second one enables it");
    work.flush().await;
    assert_eq!(value(&count), 1);
    assert!(!work.is_disabled());
}

// Panics and the end of the runtime.

#[cmwq::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_panic_is_counted_and_the_work_stays_usable() {
    let queue = queue();
    let count = Arc::new(AtomicUsize::new(0));
    let runs = count.clone();
    let work = Work::new(move || {
        assert!(runs.fetch_add(1, Ordering::SeqCst) > 0, "the first time, on purpose");
    });
    for panics in [1, 1] {
        assert!(work.queue(&queue));
        work.flush().await;
        assert_eq!(work.panics(), panics);
    }
    assert_eq!(value(&count), 2);
}

#[test]
fn after_the_end_of_the_runtime_nothing_is_queued_and_another_one_takes_it() {
    let runtime = Builder::new_multi_thread().build().unwrap();
    let queue = Workqueue::builder().max_active(1).build_on(runtime.handle()).unwrap();
    let ((pending, first), (delayed, second)) = (counted(), counted());
    let gate = Gate::new();
    let cpu = cpus(&queue)[0];
    gate.run_on(cpu, &queue);
    assert!(pending.queue_on(cpu, &queue));
    assert!(delayed.queue_delayed(&queue, HOUR));
    let ending = std::thread::spawn(move || drop(runtime));
    std::thread::sleep(Duration::from_millis(20));
    gate.end();
    ending.join().unwrap();
    assert!(!pending.is_busy() && !delayed.is_busy(), "{pending:?} {delayed:?}");
    assert_eq!((value(&first), value(&second), gate.runs()), (0, 0, 1));
    assert!(!pending.queue(&queue) && !delayed.queue_delayed(&queue, SOON));
    assert!(!pending.flush_blocking());

    let runtime = Builder::new_multi_thread().build().unwrap();
    let queue = Workqueue::builder().build_on(runtime.handle()).unwrap();
    assert!(pending.queue(&queue) && delayed.queue_delayed(&queue, SOON));
    pending.flush_blocking();
    while delayed.is_busy() {
        std::thread::yield_now();
    }
    assert_eq!((value(&first), value(&second)), (1, 1));
}

#[cmwq::test(flavor = "current_thread")]
async fn it_works_on_one_core() {
    let (queue, gate) = (queue(), Gate::new());
    gate.end();
    gate.work.queue(&queue);
    assert!(gate.work.flush().await, "nobody else runs it before this task waits");
    assert_eq!(gate.runs(), 1);
}

// Everything at once.

#[test]
fn a_crowd_of_threads_loses_no_execution() {
    let runtime = Builder::new_multi_thread().build().unwrap();
    let queues: Vec<_> = (1..4)
        .map(|most| Workqueue::builder().max_active(most).build_on(runtime.handle()).unwrap())
        .collect();
    let works: Vec<_> = (0..4).map(|_| counted()).collect();
    let begin = Barrier::new(4);
    let expected: Vec<AtomicUsize> = works.iter().map(|_| AtomicUsize::new(0)).collect();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (works, queues, begin, expected) = (&works, &queues, &begin, &expected);
            scope.spawn(move || {
                begin.wait();
                for turn in 0..2000 {
                    let index = (turn * 7 + thread) % works.len();
                    let (work, expected) = (&works[index].0, &expected[index]);
                    let queue = &queues[(turn / 3 + thread) % queues.len()];
                    match turn % 8 {
                        0..4 => expected.fetch_add(work.queue(queue).into(), Ordering::SeqCst),
                        4 => expected.fetch_sub(work.cancel().into(), Ordering::SeqCst),
                        5 => {
                            let delay = Duration::from_micros(turn as u64 % 50);
                            let queued = work.queue_delayed(queue, delay);
                            expected.fetch_add(queued.into(), Ordering::SeqCst)
                        }
                        6 => {
                            let was_pending = work.mod_delayed(queue, Duration::from_micros(10));
                            expected.fetch_add((!was_pending).into(), Ordering::SeqCst)
                        }
                        _ => {
                            work.flush_blocking();
                            0
                        }
                    };
                }
            });
        }
    });
    for (work, _) in &works {
        work.flush_blocking();
    }
    queues.iter().for_each(|queue| runtime.block_on(queue.flush()));
    for ((work, count), expected) in works.iter().zip(&expected) {
        assert!(!work.is_busy());
        assert_eq!(value(count), value(expected));
    }
}

//! On which workers the items of a queue run: high priority, unbound, CPU intensive, and after a
//! change of attributes.

use cmwq::net::{TcpListener, TcpStream};
use cmwq::runtime::{Builder, Detector, Runtime};
use cmwq::workqueue::{Attrs, Scope};
use cmwq::{Work, Workqueue};
use cmwq_tests::case::one_core_without_hogs;
use cmwq_tests::confine::nice;
use cmwq_tests::crowd::Crowd;
use cmwq_tests::{Block, confine, finish, run, skip, until};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn one_core() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).build().unwrap()
}

fn thread_name() -> String {
    std::thread::current().name().unwrap_or_default().to_owned()
}

/// Where an item runs: thread, allowed CPUs, nice value.
fn place() -> (String, Vec<usize>, i32) {
    (thread_name(), confine::allowed().unwrap(), nice())
}

/// The part of a worker's name that names its pool.
fn pool(thread: &str) -> &str {
    thread.split(':').next().unwrap_or(thread)
}

/// Uses the CPU until the flag is set.
fn spin_until(flag: &AtomicBool) {
    let start = Instant::now();
    while !flag.load(Ordering::SeqCst) {
        assert!(start.elapsed() < Duration::from_secs(30), "nobody else has run");
        std::hint::spin_loop();
    }
}

/// Threads of this process whose name begins so.
fn threads(prefix: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| name.starts_with(prefix)).count()
}

/// How many of a line of 300 are done before an item of high priority.
fn done_before_a_high_priority_item() -> usize {
    let runtime = one_core_without_hogs();
    let normal = Workqueue::builder().build_on(runtime.handle()).unwrap();
    let high = Workqueue::builder().high_priority().build_on(runtime.handle()).unwrap();
    let done = Arc::new(AtomicUsize::new(0));
    let first = finish(normal.spawn(async { place() })).unwrap();
    for _ in 0..300 {
        let done = done.clone();
        normal.spawn(async move {
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(2) {
                std::hint::spin_loop();
            }
            done.fetch_add(1, Ordering::SeqCst);
        });
    }
    let before = done.clone();
    let task = high.spawn(async move { (place(), before.load(Ordering::SeqCst)) });
    let ((name, cpus, _), before) = finish(task).unwrap();
    normal.abort_all();
    assert!(name.starts_with("cmwq/") && name.ends_with('H'), "{name}");
    assert_eq!((pool(&name), &cpus), (pool(&first.0), &first.1), "of the same CPU");
    before
}

#[test]
fn a_high_priority_item_overtakes_a_long_line_on_a_worker_of_its_own() {
    run("a_high_priority_item_overtakes_a_long_line_on_a_worker_of_its_own", || {
        // Its worker may be late, but not each time.
        let overtakes = (0..5).any(|_| done_before_a_high_priority_item() < 150);
        assert!(overtakes, "150 of 300 or more came before it, each time");
    });
}

/// The driver and the timers of the CPU's normal pool stand still behind a hog that nobody notices;
/// those of high priority do not.
#[test]
fn a_high_priority_item_has_timers_and_sockets_of_its_own() {
    run("a_high_priority_item_has_timers_and_sockets_of_its_own", || {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).detector(Detector::Off).enable_all();
        let runtime = builder.build().unwrap();
        let normal = Workqueue::builder().build_on(runtime.handle()).unwrap();
        let high = Workqueue::builder().high_priority().build_on(runtime.handle()).unwrap();
        let use_both = || async {
            cmwq::time::sleep(Duration::from_millis(5)).await;
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let serve = async { listener.accept().await.unwrap().0.write_u8(42).await.unwrap() };
            let ask = async { TcpStream::connect(address).await.unwrap().read_u8().await.unwrap() };
            assert_eq!(futures::join!(serve, ask).1, 42);
        };
        let (over, begun) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (seen, has_begun) = (over.clone(), begun.clone());
        let hog = normal.spawn(async move {
            has_begun.store(true, Ordering::SeqCst);
            spin_until(&seen);
        });
        until("the hog burns", || begun.load(Ordering::SeqCst));
        let stuck = normal.spawn(use_both());
        finish(high.spawn(use_both())).unwrap();
        assert!(!stuck.is_finished() && !hog.is_finished());
        over.store(true, Ordering::SeqCst);
        finish(hog).unwrap();
        finish(stuck).unwrap();
    });
}

#[test]
fn work_items_of_a_high_priority_queue_run_on_its_workers_too() {
    run("work_items_of_a_high_priority_queue_run_on_its_workers_too", || {
        let runtime = one_core();
        let high = Workqueue::builder().high_priority().build_on(runtime.handle()).unwrap();
        let (send, names) = mpsc::channel();
        let work = Work::new(move || send.send(thread_name()).unwrap());
        assert!(work.queue(&high));
        let name = names.recv_timeout(Duration::from_secs(30)).unwrap();
        assert!(name.ends_with('H'), "{name}");
    });
}

#[test]
fn an_unbound_queue_runs_on_workers_with_its_cpus_and_nice_value() {
    run("an_unbound_queue_runs_on_workers_with_its_cpus_and_nice_value", || {
        let runtime = one_core();
        let cpu = *confine::allowed().unwrap().last().unwrap();
        let builder = Workqueue::builder().unbound().cpus([cpu]).nice(3);
        let queue = builder.build_on(runtime.handle()).unwrap();
        let (name, cpus, own) = finish(queue.spawn(async { place() })).unwrap();
        assert!(name.starts_with("cmwq/u"), "{name}");
        assert_eq!(cpus, [cpu]);
        assert_eq!(own, (nice() + 3).min(19), "3 above that of the process");
    });
}

/// Two CPUs, or `None`, said aloud, where there is only one.
fn two_cpus(test: &str) -> Option<[usize; 2]> {
    match confine::allowed().unwrap()[..] {
        [first, second, ..] => Some([first, second]),
        _ => {
            skip(test, "needs two CPUs");
            None
        }
    }
}

#[test]
fn workers_of_a_strict_queue_are_confined_and_others_may_be_moved() {
    let test = "workers_of_a_strict_queue_are_confined_and_others_may_be_moved";
    run(test, || {
        let Some(both) = two_cpus(test) else { return };
        let runtime = one_core();
        let queue = |strict, scope| {
            let builder = Workqueue::builder().unbound().cpus(both).scope(scope).strict(strict);
            builder.build_on(runtime.handle()).unwrap()
        };
        let (strict, other) = (queue(true, Scope::Cpu), queue(false, Scope::Cpu));
        for cpu in both {
            let on = |queue: &Workqueue| finish(queue.spawn_on(cpu, async { place() })).unwrap();
            let (confined, (name, cpus, _)) = (on(&strict), on(&other));
            assert_eq!(confined.1, [cpu]);
            assert_eq!(cpus, both, "all CPUs of the queue, though its group is {cpu}");
            assert_ne!(pool(&confined.0), pool(&name));
        }
        // A group of all CPUs has nowhere to be moved to.
        let [one, other] = [true, false]
            .map(|strict| finish(queue(strict, Scope::System).spawn(async { place() })).unwrap());
        assert_eq!((pool(&one.0), &one.1), (pool(&other.0), &other.1));
    });
}

#[test]
fn a_worker_that_wakes_up_elsewhere_is_put_back() {
    let test = "a_worker_that_wakes_up_elsewhere_is_put_back";
    run(test, || {
        let Some([own, other]) = two_cpus(test) else { return };
        let runtime = one_core();
        let builder = Workqueue::builder().unbound().cpus([own, other]).scope(Scope::Cpu);
        let queue = builder.build_on(runtime.handle()).unwrap();
        let away = finish(queue.spawn_on(own, async move {
            // As if the scheduler had moved it, and more: it cannot go back by itself.
            confine::affinity(None, &[other]).unwrap();
            place()
        }));
        let (thread, cpus, _) = away.unwrap();
        assert_eq!(cpus, [other]);
        until("the worker is put back", || {
            let (name, cpus, _) = finish(queue.spawn_on(own, async { place() })).unwrap();
            name == thread && cpus == [own, other]
        });
        assert!(queue.stats().repatriated >= 1);
    });
}

#[test]
fn cpus_that_the_process_may_not_use_are_as_good_as_none() {
    run("cpus_that_the_process_may_not_use_are_as_good_as_none", || {
        let runtime = one_core();
        let builder = Workqueue::builder().unbound().scope(Scope::System).cpus([4000]);
        let queue = builder.build_on(runtime.handle()).unwrap();
        let (_, cpus, _) = finish(queue.spawn(async { place() })).unwrap();
        assert_eq!(cpus, confine::allowed().unwrap(), "all that it may use");
    });
}

/// One item blocks; the next one on the same core runs, and only then the first goes on.
fn takes_over(queue: &Workqueue) {
    let Block { enter, release } = Block::pipe();
    let (entered, has_entered) = mpsc::channel();
    let blocked = queue.spawn(async move {
        entered.send(()).unwrap();
        enter();
        thread_name()
    });
    has_entered.recv_timeout(Duration::from_secs(30)).unwrap();
    let beside = finish(queue.spawn(async { thread_name() })).unwrap();
    assert!(!blocked.is_finished());
    release();
    let blocked = finish(blocked).unwrap();
    assert_eq!(pool(&beside), pool(&blocked));
    assert_ne!(beside, blocked, "another worker of the pool");
}

#[test]
fn a_blocked_high_priority_item_is_taken_over() {
    run("a_blocked_high_priority_item_is_taken_over", || {
        let runtime = one_core();
        takes_over(&Workqueue::builder().high_priority().build_on(runtime.handle()).unwrap());
    });
}

#[test]
fn a_blocked_item_of_an_unbound_pool_of_one_cpu_is_taken_over() {
    run("a_blocked_item_of_an_unbound_pool_of_one_cpu_is_taken_over", || {
        let runtime = one_core();
        let cpu = confine::allowed().unwrap()[0];
        let builder = Workqueue::builder().unbound().cpus([cpu]);
        takes_over(&builder.build_on(runtime.handle()).unwrap());
    });
}

/// How many are at work, and how many were at most.
#[derive(Default)]
struct AtWork {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl AtWork {
    /// Works until `crowd` others are at it too, and then for a moment more.
    fn work(&self, crowd: usize) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let start = Instant::now();
        while self.most.load(Ordering::SeqCst) < crowd {
            assert!(start.elapsed() < Duration::from_secs(30), "less than {crowd} are at work");
            std::hint::spin_loop();
        }
        let start = Instant::now();
        while start.elapsed() < Duration::from_micros(500) {
            std::hint::spin_loop();
        }
        self.now.fetch_sub(1, Ordering::SeqCst);
    }

    /// So many items of the queue. Returns how many of them were at work at most.
    fn most_of(queue: &Workqueue, items: usize, crowd: usize) -> usize {
        let at_work = Arc::new(AtWork::default());
        let item = |_| {
            let at_work = at_work.clone();
            queue.spawn(async move { at_work.work(crowd) })
        };
        let tasks: Vec<_> = (0..items).map(item).collect();
        tasks.into_iter().for_each(|task| finish(task).unwrap());
        at_work.most.load(Ordering::SeqCst)
    }
}

/// Beside those that block, and after they have come back.
#[test]
fn as_many_are_at_work_as_an_unbound_pool_has_cpus() {
    run("as_many_are_at_work_as_an_unbound_pool_has_cpus", || {
        let runtime = one_core_without_hogs();
        let queue = Workqueue::builder().unbound().scope(Scope::System);
        let queue = queue.build_on(runtime.handle()).unwrap();
        let cpus = confine::allowed().unwrap().len();
        let round = |_| {
            let crowd = Crowd::start_with(3 * cpus, |block| queue.spawn(async move { block() }));
            until("all of them are blocked", || crowd.entered() == 3 * cpus);
            let beside = AtWork::most_of(&queue, 30 * cpus, cpus);
            crowd.finish();
            let after = AtWork::most_of(&queue, 30 * cpus, cpus);
            assert!(beside >= cpus && after >= cpus, "{beside}, {after} of {cpus}");
            beside.max(after)
        };
        let most: Vec<_> = (0..5).map(round).collect();
        // One more for a moment is possible, where a worker slept in a page fault, and seldom two; but
        // not in each of the last rounds, where what the first ones leave behind would show too.
        let is_clean = most[2..].iter().any(|&most| most <= cpus + 1);
        assert!(is_clean, "{most:?} of {cpus}");
    });
}

#[test]
fn others_do_not_wait_for_a_cpu_intensive_future() {
    run("others_do_not_wait_for_a_cpu_intensive_future", || {
        // So that only the queue's flag helps.
        let runtime = one_core_without_hogs();
        let builder = Workqueue::builder().cpu_intensive();
        let hogs = builder.build_on(runtime.handle()).unwrap();
        let flag = Arc::new(AtomicBool::new(false));
        let seen = flag.clone();
        let hog = hogs.spawn(async move { spin_until(&seen) });
        runtime.spawn(async move { flag.store(true, Ordering::SeqCst) });
        finish(hog).unwrap();
    });
}

#[test]
fn others_do_not_wait_for_a_cpu_intensive_work_item() {
    run("others_do_not_wait_for_a_cpu_intensive_work_item", || {
        let runtime = one_core_without_hogs();
        let builder = Workqueue::builder().cpu_intensive();
        let hogs = builder.build_on(runtime.handle()).unwrap();
        let flag = Arc::new(AtomicBool::new(false));
        let seen = flag.clone();
        let hog = Work::new(move || spin_until(&seen));
        assert!(hog.queue(&hogs));
        runtime.spawn(async move { flag.store(true, Ordering::SeqCst) });
        hogs.flush_blocking();
        assert_eq!(hog.panics(), 0);
    });
}

/// Its start is regulated as that of any other: not while something runs on the core.
#[test]
fn a_cpu_intensive_item_waits_for_its_turn_to_start() {
    run("a_cpu_intensive_item_waits_for_its_turn_to_start", || {
        let runtime = one_core_without_hogs();
        let normal = Workqueue::builder().build_on(runtime.handle()).unwrap();
        let hogs = Workqueue::builder().cpu_intensive().build_on(runtime.handle()).unwrap();
        let has_started = Arc::new(AtomicBool::new(false));
        let seen = has_started.clone();
        let task = normal.spawn(async move {
            let (start, started) = (Instant::now(), seen.clone());
            let hog = hogs.spawn(async move { started.store(true, Ordering::SeqCst) });
            while start.elapsed() < Duration::from_millis(30) {
                std::hint::spin_loop();
            }
            (hog, seen.load(Ordering::SeqCst))
        });
        let (hog, started_meanwhile) = finish(task).unwrap();
        finish(hog).unwrap();
        assert!(!started_meanwhile && has_started.load(Ordering::SeqCst));
    });
}

#[test]
fn new_attributes_hold_for_later_items_and_old_pools_drain() {
    run("new_attributes_hold_for_later_items_and_old_pools_drain", || {
        let runtime = one_core();
        let cpu = confine::allowed().unwrap()[0];
        let builder = Workqueue::builder().unbound().cpus([cpu]);
        let queue = builder.build_on(runtime.handle()).unwrap();
        let (go, wait) = cmwq::sync::oneshot::channel::<()>();
        let (began, has_begun) = mpsc::channel();
        let old = queue.spawn(async move {
            began.send(place()).unwrap();
            let _ = wait.await;
            place()
        });
        let (name, _, base) = has_begun.recv_timeout(Duration::from_secs(30)).unwrap();
        queue.set_attrs(Attrs::new().cpus([cpu]).nice(4)).unwrap();
        let (new_name, _, new_nice) = finish(queue.spawn(async { place() })).unwrap();
        assert_ne!(pool(&new_name), pool(&name), "another pool");
        assert_eq!(new_nice, (base + 4).min(19));
        let prefix = format!("{}:", pool(&name));
        assert!(threads(&prefix) > 0, "the old pool has an item yet");
        go.send(()).unwrap();
        let (last_name, _, last_nice) = finish(old).unwrap();
        assert_eq!((pool(&last_name), last_nice), (pool(&name), base), "it stays where it was");
        until("the old pool ends its threads", || threads(&prefix) == 0);
    });
}

#[test]
fn queues_with_equal_attributes_share_a_pool_which_goes_with_the_last() {
    run("queues_with_equal_attributes_share_a_pool_which_goes_with_the_last", || {
        let runtime = one_core();
        let build = || {
            let builder = Workqueue::builder().unbound().scope(Scope::System).nice(2);
            builder.build_on(runtime.handle()).unwrap()
        };
        let queues = [build(), build()];
        let names = queues.each_ref().map(|queue| finish(queue.spawn(async { thread_name() })));
        let names = names.map(Result::unwrap);
        assert_eq!(pool(&names[0]), pool(&names[1]));
        let prefix = format!("{}:", pool(&names[0]));
        let [first, second] = queues;
        drop(first);
        assert!(threads(&prefix) > 0);
        drop(second);
        until("the pool ends its threads", || threads(&prefix) == 0);
    });
}

/// Handles that items of the queue have end with the items, whatever kind they are of.
#[test]
fn handles_in_its_own_items_do_not_keep_a_queue() {
    run("handles_in_its_own_items_do_not_keep_a_queue", || {
        let runtime = one_core();
        let builder = Workqueue::builder().unbound().scope(Scope::System).nice(6).max_active(1);
        let queue = builder.build_on(runtime.handle()).unwrap();
        let own = queue.clone();
        let endless = queue.spawn(async move {
            std::future::pending::<()>().await;
            drop(own);
        });
        let own = queue.clone();
        let inactive = queue.spawn(async move {
            cmwq::task::yield_now().await;
            (own.name().len(), thread_name())
        });
        let own = queue.clone();
        let work = Work::new(move || assert!(!own.name().is_empty()));
        assert!(work.queue(&queue));
        drop((work, queue));
        std::thread::sleep(Duration::from_millis(50));
        assert!(!inactive.is_finished(), "dropping the last other handle aborts nothing");

        endless.abort();
        assert!(finish(endless).unwrap_err().is_cancelled());
        let (_, thread) = finish(inactive).unwrap();
        until("the queue gives its pool back", || runtime.metrics().num_unbound_pools() == 0);
        let prefix = format!("{}:", pool(&thread));
        until("the pool ends its threads", || threads(&prefix) == 0);
    });
}

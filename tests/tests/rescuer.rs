//! Queues with a rescuer go on when no thread can be made; others wait, and go on afterwards.

use cmwq::Workqueue;
use cmwq::net::{TcpListener, TcpStream};
use cmwq::runtime::{Handle, Runtime};
use cmwq::task::JoinHandle;
use cmwq::time::sleep;
use cmwq::workqueue::{current_work, record};
use cmwq_tests::cgroup::in_group;
use cmwq_tests::child::{Prepare, in_child};
use cmwq_tests::crowd::Crowd;
use cmwq_tests::{Beside, Case, Running, confine, every_case, finish, run, skip, until};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

/// The workers that a core may have.
const CAP: usize = 2;

/// Tasks that block where no thread can be made.
const BLOCKED: usize = 20;

/// How long a queue without a rescuer is watched to stand still.
const STILL: Duration = Duration::from_millis(400);

/// A future that needs timers, sockets and wakers that are not a task's own.
async fn work(number: usize) -> usize {
    sleep(Duration::from_millis(3)).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let serve = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let byte = stream.read_u8().await.expect("a byte");
        sleep(Duration::from_millis(2)).await;
        stream.write_u8(byte + 1).await.expect("a reader");
    };
    let ask = async {
        let mut stream = TcpStream::connect(address).await.expect("a listener");
        stream.write_u8(41).await.expect("a reader");
        stream.read_u8().await.expect("an answer")
    };
    assert_eq!(futures::join!(serve, ask).1, 42);
    let mut sleeps: FuturesUnordered<_> =
        (1..4).map(|ms| sleep(Duration::from_millis(ms))).collect();
    while sleeps.next().await.is_some() {}
    number
}

/// More than one turn of a rescuer.
const ITEMS: usize = 20;

fn queue_work(queue: &Workqueue) -> Vec<JoinHandle<usize>> {
    (0..ITEMS).map(|number| queue.spawn(work(number))).collect()
}

fn all_finish(tasks: Vec<JoinHandle<usize>>) {
    for (number, task) in tasks.into_iter().enumerate() {
        assert_eq!(finish(task).expect("no panic"), number);
    }
}

/// Which pool serves a queue.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Bound,
    High,
    /// On one CPU, so that there is one core to block.
    Unbound,
    /// The same pool.
    Ordered,
}

fn cpu() -> Option<usize> {
    confine::allowed().expect("asking is allowed").first().copied()
}

fn build(runtime: &Runtime, kind: Kind, name: &str, reclaim: bool) -> Workqueue {
    let builder = Workqueue::builder().name(name);
    let builder = match kind {
        Kind::Bound => builder.bound(),
        Kind::High => builder.high_priority(),
        Kind::Unbound => builder.unbound().cpus(cpu()),
        Kind::Ordered => builder.ordered().cpus(cpu()),
    };
    let builder = if reclaim { builder.reclaim() } else { builder };
    builder.build_on(runtime.handle()).expect("there are threads yet")
}

/// Blocks every worker of the pool that serves queues of a kind, with at least so many tasks.
fn block_pool(runtime: &Running, kind: Kind, tasks: usize) -> Crowd {
    // An ordered queue would let one of them block at a time.
    let kind = if kind == Kind::Ordered { Kind::Unbound } else { kind };
    let others = build(runtime, kind, "others", false);
    let crowd = Crowd::start_with(tasks, |block| others.spawn(async move { block() }));
    until("every worker is blocked", || crowd.entered() == CAP);
    crowd
}

/// A runtime whose cores may have no more than [`CAP`] workers.
fn capped(case: Case, cores: usize) -> Running {
    case.start_with(cores, |builder| {
        builder.max_workers_per_core(CAP);
    })
}

fn goes_on_at_the_cap(case: Case, kind: Kind) {
    let runtime = capped(case, 1);
    let queue = build(&runtime, kind, "pages", true);
    for _ in 0..2 {
        let crowd = block_pool(&runtime, kind, CAP + 3);
        let before = runtime.metrics().maydays_count();
        all_finish(queue_work(&queue));
        assert!(runtime.metrics().maydays_count() > before, "somebody has called");
        assert_eq!(crowd.entered(), CAP, "all that while the workers were blocked");
        crowd.finish();
        until("the rescuer has gone back", || runtime.metrics().busy_rescuers() == 0);
        all_finish(queue_work(&queue));
    }
}

every_case! {
    fn bound(case) { goes_on_at_the_cap(case, Kind::Bound); }
    fn high_priority(case) { goes_on_at_the_cap(case, Kind::High); }
    fn unbound(case) { goes_on_at_the_cap(case, Kind::Unbound); }
    fn ordered(case) { goes_on_at_the_cap(case, Kind::Ordered); }

    /// Without a rescuer the same stands still, is reported, and goes on when a worker returns.
    fn without(case) {
        let runtime = capped(case, 1);
        let queue = build(&runtime, Kind::Bound, "pages", false);
        let crowd = block_pool(&runtime, Kind::Bound, CAP + 3);
        let tasks = queue_work(&queue);
        until("the pool calls", || runtime.metrics().maydays_count() > 0);
        thread::sleep(STILL);
        assert!(tasks.iter().all(|task| !task.is_finished()), "there is nobody to run them");
        assert_eq!(runtime.metrics().busy_rescuers(), 0);
        crowd.finish();
        all_finish(tasks);
    }

    /// The workers wait for work that sits in the queue, more of it than a turn.
    fn workers_that_wait_for_the_queue(case) {
        let runtime = capped(case, 1);
        let queue = build(&runtime, Kind::Bound, "pages", true);
        let beside = Beside::start(&runtime);
        all_finish(waiting_for(&runtime, &queue, 10 * CAP));
        beside.progress().expect("everything goes on");
    }

    /// What is queued while the rescuer is there, from another thread, is found by it at once.
    fn queued_from_outside(case) {
        let runtime = capped(case, 1);
        let queue = build(&runtime, Kind::Bound, "pages", true);
        let crowd = block_pool(&runtime, Kind::Bound, CAP + 3);
        finish(queue.spawn(async {})).expect("no panic");
        let before = runtime.metrics().maydays_count();
        let start = std::time::Instant::now();
        for _ in 0..100 {
            finish(queue.spawn(async {})).expect("no panic");
        }
        // One call each would take a hundred times as long as the time between two calls.
        let calls = start.elapsed().as_millis() as u64 / 100;
        assert!(runtime.metrics().maydays_count() - before <= calls + 1);
        crowd.finish();
    }

    /// One rescuer attends to the pools of all CPUs.
    fn on_all_cores(case) {
        if case == Case::CurrentThread {
            return;
        }
        let runtime = capped(case, 2);
        let cpus: Vec<usize> = if runtime.metrics().is_pinned() {
            confine::allowed().expect("asking is allowed")
        } else {
            vec![0, 1]
        };
        if cpus.len() < 2 {
            return skip("on_all_cores", "there is one CPU");
        }
        let queue = build(&runtime, Kind::Bound, "pages", true);
        let others = build(&runtime, Kind::Bound, "others", false);
        let crowds: Vec<Crowd> = cpus[..2].iter().map(|&cpu| {
            Crowd::start_with(CAP + 1, |block| others.spawn_on(cpu, async move { block() }))
        }).collect();
        until("every worker is blocked", || crowds.iter().all(|crowd| crowd.entered() == CAP));
        let tasks = (0..ITEMS).map(|number| queue.spawn_on(cpus[number % 2], work(number)));
        all_finish(tasks.collect());
        crowds.into_iter().for_each(Crowd::finish);
    }
}

/// Tasks that each block until a future has run which they have queued.
fn waiting_for(runtime: &Running, queue: &Workqueue, count: usize) -> Vec<JoinHandle<usize>> {
    (0..count)
        .map(|number| {
            let queue = queue.clone();
            runtime.spawn(async move {
                let (report, reported) = mpsc::channel();
                queue.spawn(async move {
                    report.send(work(number).await).expect("it is waited for");
                });
                reported.recv().expect("the future ends")
            })
        })
        .collect()
}

/// Threads of all processes of this user.
fn threads_of_user() -> u64 {
    let uid = rustix::process::geteuid().as_raw();
    let processes = procfs::process::all_processes().expect("/proc is mounted").flatten();
    processes
        .filter(|process| process.uid().is_ok_and(|owner| owner == uid))
        .filter_map(|process| process.tasks().ok())
        .map(|tasks| tasks.count() as u64)
        .sum()
}

fn limit_threads(soft: Option<u64>) {
    let maximum = getrlimit(Resource::Nproc).maximum;
    setrlimit(Resource::Nproc, Rlimit { current: soft, maximum }).expect("below the hard limit");
}

/// RLIMIT_NPROC takes all threads away while workers wait for the queue.
#[test]
fn no_more_threads() {
    let name = "no_more_threads";
    run(name, || {
        let prepare = Prepare::new().step(confine::unprivileged);
        in_child(name, prepare, || {
            let runtime = Case::Auto.start(1);
            let queue = build(&runtime, Kind::Bound, "pages", true);
            let beside = Beside::start(&runtime);
            limit_threads(Some(threads_of_user()));
            all_finish(waiting_for(&runtime, &queue, BLOCKED));
            assert!(runtime.metrics().thread_creation_failures() > 0);
            assert!(runtime.metrics().maydays_count() > 0);
            beside.progress().expect("everything goes on");
        })
        .expect("the child starts");
    });
}

/// Counts what the runtime reports: warnings, and stalls.
#[derive(Clone, Default)]
struct Reports {
    warnings: Arc<AtomicUsize>,
    stalls: Arc<AtomicUsize>,
}

impl<S: tracing::Subscriber> Layer<S> for Reports {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if metadata.target() != "cmwq" {
            return;
        }
        if *metadata.level() == tracing::Level::WARN {
            self.warnings.fetch_add(1, Ordering::SeqCst);
        }
        if metadata.fields().field("stalled_ms").is_some() {
            self.stalls.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// The same without a rescuer: it is stuck, which is reported meanwhile, and goes on when the limit is
/// lifted.
#[test]
fn no_more_threads_without() {
    let name = "no_more_threads_without";
    run(name, || {
        let prepare = Prepare::new().step(confine::unprivileged);
        in_child(name, prepare, || {
            let reports = Reports::default();
            let subscriber = Registry::default().with(reports.clone());
            tracing::subscriber::set_global_default(subscriber).expect("the only one here");
            let runtime = Case::Auto.start_with(1, |builder| {
                builder.watchdog(STILL / 2);
            });
            let queue = build(&runtime, Kind::Bound, "pages", false);
            let before = getrlimit(Resource::Nproc).current;
            limit_threads(Some(threads_of_user()));
            let tasks = waiting_for(&runtime, &queue, BLOCKED);
            until("the pool is out of workers", || {
                runtime.metrics().thread_creation_failures() > 0
            });
            until("the pool calls", || runtime.metrics().maydays_count() > 0);
            until("it is reported", || reports.stalls.load(Ordering::SeqCst) > 0);
            // Some may have been through before the last worker was blocked.
            let finished = || tasks.iter().filter(|task| task.is_finished()).count();
            let early = finished();
            assert!(early < BLOCKED, "all of them were through");
            thread::sleep(STILL);
            assert_eq!(finished(), early, "there is nobody to run them");
            limit_threads(before);
            all_finish(tasks);
            until("it is told", || reports.warnings.load(Ordering::SeqCst) > 0);
        })
        .expect("the child starts");
    });
}

/// A rescuer that cannot be made is an error of the builder.
#[test]
fn no_thread_for_a_rescuer() {
    let name = "no_thread_for_a_rescuer";
    run(name, || {
        let prepare = Prepare::new().step(confine::unprivileged);
        in_child(name, prepare, || {
            let runtime = Case::Auto.start(1);
            let before = getrlimit(Resource::Nproc).current;
            limit_threads(Some(threads_of_user()));
            let builder = Workqueue::builder().name("pages").reclaim();
            let error = builder.clone().build_on(runtime.handle()).expect_err("no thread");
            assert!(error.is_io(), "{error}");
            assert!(error.to_string().contains("rescuer"), "{error}");
            limit_threads(before);
            builder.build_on(runtime.handle()).expect("a thread");
        })
        .expect("the child starts");
    });
}

/// The control group's `pids.max` takes all threads away.
#[test]
fn control_group_without_threads() {
    let name = "control_group_without_threads";
    run(name, || {
        // The test's own threads, and few workers.
        in_group(name, "pids", &[("pids.max", "14")], || {
            // The cap would follow pids.max; here it is the kernel that refuses.
            let runtime = Case::Auto.start_with(1, |builder| {
                builder.max_workers_per_core(100);
            });
            let queue = build(&runtime, Kind::Bound, "pages", true);
            all_finish(waiting_for(&runtime, &queue, 30));
            let metrics = runtime.metrics();
            assert!(metrics.thread_creation_failures() + metrics.cap_hits() > 0);
            assert!(metrics.maydays_count() > 0);
        });
    });
}

fn rescuers() -> usize {
    let tasks = procfs::process::Process::myself().and_then(|process| process.tasks());
    let names = tasks.expect("/proc is mounted").flatten().filter_map(|task| task.stat().ok());
    names.filter(|stat| stat.comm == "cmwq/R-pages").count()
}

/// The thread is there from the start, under its name, and ends with the queue.
#[test]
fn thread_of_a_queue() {
    run("thread_of_a_queue", || {
        let runtime = Case::Auto.start(1);
        let queue = build(&runtime, Kind::Bound, "pages", true);
        until("the rescuer is there", || rescuers() == 1);
        // Kept by an item, not by handles.
        let (release, released) = tokio::sync::oneshot::channel::<()>();
        let item = queue.spawn(async move { released.await.is_err() });
        drop(queue);
        thread::sleep(Duration::from_millis(50));
        assert_eq!(rescuers(), 1);
        drop(release);
        assert!(finish(item).expect("no panic"));
        until("the rescuer has gone", || rescuers() == 0);
        build(&runtime, Kind::Bound, "pages", false);
        assert_eq!(rescuers(), 0);
    });
}

/// A shutdown ends the thread, also while it is with a pool.
#[test]
fn shutdown() {
    run("shutdown", || {
        let runtime = capped(Case::Auto, 1);
        let queue = build(&runtime, Kind::Bound, "pages", true);
        let crowd = block_pool(&runtime, Kind::Bound, CAP);
        let endless = queue.spawn(async {
            loop {
                sleep(Duration::from_millis(1)).await;
            }
        });
        until("the rescuer is there", || runtime.metrics().busy_rescuers() == 1);
        let handle: Handle = runtime.handle().clone();
        runtime.into_inner().shutdown_background();
        assert!(finish(endless).expect_err("aborted").is_cancelled());
        crowd.release();
        drop((queue, handle));
        until("the rescuer has gone", || rescuers() == 0);
    });
}

/// What two queues with rescuers count, of which one has work in a pool that starves.
#[test]
fn each_queue_counts_its_calls_and_polls() {
    run("each_queue_counts_its_calls_and_polls", || {
        let runtime = capped(Case::Auto, 1);
        let queue = build(&runtime, Kind::Bound, "pages", true);
        let idle = build(&runtime, Kind::Bound, "idle", true);
        let rescued = || (queue.stats().mayday, queue.stats().rescued);
        all_finish(queue_work(&queue));
        assert_eq!(rescued(), (0, 0), "workers do the work");

        let crowd = block_pool(&runtime, Kind::Bound, CAP + 3);
        all_finish(queue_work(&queue));
        let (mayday, polls) = rescued();
        assert!(mayday >= 1 && mayday <= runtime.metrics().maydays_count(), "{mayday}");
        assert!(polls >= ITEMS as u64, "{polls} polls of {ITEMS} futures that wait");
        assert_eq!((idle.stats().mayday, idle.stats().rescued), (0, 0), "it had no work");

        crowd.finish();
        until("the rescuer has gone back", || runtime.metrics().busy_rescuers() == 0);
        let before = rescued();
        all_finish(queue_work(&queue));
        assert_eq!(rescued(), before, "workers do the work again");
    });
}

/// What the rescuer executes has its name, and is recorded, as what workers execute.
#[test]
fn executions_of_a_rescuer_are_recorded() {
    run("executions_of_a_rescuer_are_recorded", || {
        let runtime = capped(Case::Auto, 1);
        let queue = build(&runtime, Kind::Bound, "pages", true);
        let crowd = block_pool(&runtime, Kind::Bound, CAP + 3);
        let recording = record(1000);
        let future = queue
            .spawn(async { (thread::current().name() == Some("cmwq/R-pages"), current_work()) });
        let id = future.id();
        let (is_rescuer, named) = finish(future).expect("no panic");
        let named = named.expect("it is a task");
        assert!(is_rescuer);
        assert_eq!((named.id(), named.queue()), (id, Some("pages")));
        assert!(named.location().is_some_and(|location| location.file().ends_with("rescuer.rs")));
        let called = cmwq::Work::new(|| ());
        assert!(called.queue(&queue));
        finish(called.flush());
        crowd.finish();
        let events = recording.take();
        let events: Vec<_> = events.iter().filter(|event| &*event.queue == "pages").collect();
        let kinds: Vec<_> = events.iter().map(|event| event.kind.name()).collect();
        let once = ["queue", "activate", "execute_start", "execute_end"];
        assert_eq!(kinds, [once, once].concat());
        assert!(events[..4].iter().all(|event| event.task == id));
        assert!(events.iter().all(|event| event.location.file().ends_with("rescuer.rs")));
    });
}

#[test]
fn a_dump_shows_rescuers() {
    run("a_dump_shows_rescuers", || {
        let runtime = capped(Case::Auto, 1);
        let queue = build(&runtime, Kind::Bound, "pages", true);
        let line = |begin: &str| {
            let text = runtime.handle().dump_workqueues().to_string();
            let found = text.lines().map(str::trim).find(|line| line.starts_with(begin));
            found.unwrap_or_else(|| panic!("{begin} is not in\n{text}")).to_owned()
        };
        until("it has begun", || !line("cmwq/R-pages (").contains("(thread 0,"));
        assert!(line("cmwq/R-pages (").ends_with("rescuer): idle"), "{}", line("cmwq/R-pages ("));

        let crowd = block_pool(&runtime, Kind::Bound, CAP + 3);
        let (leash, held) = mpsc::channel::<()>();
        let (tell, begun) = mpsc::channel();
        let item = queue.spawn(async move {
            tell.send(()).expect("it is waited for");
            let _ = held.recv();
        });
        begun.recv_timeout(Duration::from_secs(30)).expect("the rescuer polls it");
        until("it is blocked", || line("cmwq/R-pages (").contains("blocked in futex"));
        let look = line("cmwq/R-pages (");
        assert!(look.contains("with cmwq/"), "{look}");
        assert!(look.contains(&format!("task {} spawned at", item.id())), "{look}");
        assert!(look.contains("tests/rescuer.rs:") && look.contains(", for "), "{look}");
        let text = runtime.handle().dump_workqueues().to_string();
        assert!(text.contains(" calls for the rescuer, 1 polls by it"), "{text}");
        drop(leash);
        finish(item).expect("no panic");
        crowd.finish();
    });
}

/// Is it in turns that one rescuer serves two pools, and is it as urgent as the kernel's?
#[test]
fn turns_of_sixteen_and_a_nice_value_of_minus_twenty() {
    let name = "turns_of_sixteen_and_a_nice_value_of_minus_twenty";
    run(name, || {
        const EACH: usize = 300;
        let runtime = Case::Unpinned.start_with(2, |builder| {
            builder.max_workers_per_core(CAP);
        });
        let queue = build(&runtime, Kind::Bound, "pages", true);
        let others = build(&runtime, Kind::Bound, "others", false);
        let crowds = [0, 1].map(|core| {
            Crowd::start_with(CAP, |block| others.spawn_on(core, async move { block() }))
        });
        until("every worker is blocked", || crowds.iter().all(|crowd| crowd.entered() == CAP));
        let order = Arc::new(Mutex::new(Vec::new()));
        let item = |core: usize| {
            let order = order.clone();
            queue.spawn_on(core, async move {
                // Longer in all than it takes until both pools have called.
                thread::sleep(Duration::from_millis(1));
                // SAFETY: reads one number of the calling thread.
                let nice = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
                order.lock().expect("no panic").push((core, nice));
            })
        };
        let tasks: Vec<_> = (0..2 * EACH).map(|number| item(number % 2)).collect();
        tasks.into_iter().for_each(|task| finish(task).expect("no panic"));
        crowds.into_iter().for_each(Crowd::finish);

        let order = order.lock().expect("no panic");
        // From where both are attended to until one has nothing left.
        let first =
            |core| order.iter().position(|&(other, _)| other == core).expect("it has items");
        let last = |core| order.iter().rposition(|&(other, _)| other == core).expect("the same");
        let both = &order[first(0).max(first(1))..last(0).min(last(1))];
        let turns: Vec<usize> = both.chunk_by(|a, b| a.0 == b.0).map(<[_]>::len).collect();
        // The last is cut where the other has its last item.
        assert!(turns.len() > 10 && turns[..turns.len() - 1].iter().all(|&n| n == 16), "{turns:?}");

        // SAFETY: takes no pointers; changes the thread that it is called on, which then ends.
        let lower = || unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -20) } == 0;
        if !thread::spawn(lower).join().expect("no panic") {
            return skip(name, "the nice value: the process may not lower it");
        }
        assert!(order.iter().all(|&(_, nice)| nice == -20));
    });
}

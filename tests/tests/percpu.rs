//! Threads for each CPU. Those of CPUs that go offline are in `placement`, for the virtual machine.

use cmwq::percpu::{Builder, Registration, park_current};
use cmwq_tests::child::{Prepare, in_child};
use cmwq_tests::confine::{allowed, move_everybody};
use cmwq_tests::nodes::{place, threads};
use cmwq_tests::{Case, finish, run, skip, until};
use rustix::thread::gettid;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};

/// What was called, for which CPU, by which thread, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Entry>>>);

#[derive(Clone, Debug)]
struct Entry {
    what: &'static str,
    cpu: usize,
    tid: i32,
    place: (usize, Vec<usize>),
}

impl Log {
    fn note(&self, what: &'static str) -> impl Fn(usize) + Send + Sync + 'static {
        let log = self.0.clone();
        move |cpu| {
            let tid = gettid().as_raw_nonzero().get();
            log.lock().expect("no panic").push(Entry { what, cpu, tid, place: place() });
        }
    }

    /// Of each CPU.
    fn by_cpu(&self) -> BTreeMap<usize, Vec<Entry>> {
        let mut by_cpu = BTreeMap::<_, Vec<_>>::new();
        for entry in &*self.0.lock().expect("no panic") {
            by_cpu.entry(entry.cpu).or_default().push(entry.clone());
        }
        by_cpu
    }

    fn of(&self, cpu: usize) -> Vec<&'static str> {
        self.by_cpu().get(&cpu).into_iter().flatten().map(|entry| entry.what).collect()
    }

    /// With all callbacks but `should_run` and the one that runs.
    fn builder(&self, name: &str) -> Builder {
        let cleanup = [self.note("cleanup offline"), self.note("cleanup")];
        Builder::new(name)
            .create(self.note("create"))
            .setup(self.note("setup"))
            .park(self.note("park"))
            .unpark(self.note("unpark"))
            .cleanup(move |cpu, is_online| cleanup[usize::from(is_online)](cpu))
    }
}

/// A thread that has ended is in the list for a moment more.
fn gone(prefix: &str) {
    until("the threads have ended", || threads(prefix).is_empty());
}

#[test]
fn callbacks_come_in_order_and_on_their_cpu() {
    run("callbacks_come_in_order_and_on_their_cpu", || {
        let log = Log::default();
        let threads = log.builder("order").register(log.note("run")).expect("threads");
        let all = allowed().expect("an affinity");
        assert_eq!(threads.cpus(), all);
        for &cpu in &all {
            assert_eq!(log.of(cpu), ["create", "setup"], "nobody has woken it");
            assert!(threads.wake(cpu));
            until("it runs", || log.of(cpu).len() == 3);
        }
        assert!(!threads.wake(all[all.len() - 1] + 1), "no such CPU");
        threads.unregister();
        for (cpu, entries) in log.by_cpu() {
            let order: Vec<_> = entries.iter().map(|entry| entry.what).collect();
            assert_eq!(order, ["create", "setup", "run", "cleanup"]);
            let (create, own) = entries.split_first().expect("four");
            assert_eq!(create.tid, gettid().as_raw_nonzero().get(), "by who registers");
            assert!(own.iter().all(|entry| entry.tid == own[0].tid && entry.tid != create.tid));
            assert!(own.iter().all(|entry| entry.place == (cpu, vec![cpu])), "{own:?}");
        }
    });
}

#[test]
fn threads_are_named_by_their_cpu_and_end() {
    run("threads_are_named_by_their_cpu_and_end", || {
        let all = allowed().expect("an affinity");
        let registration = Builder::new("a-rather-long-name").register(|_| ()).expect("threads");
        for &cpu in &all {
            let end = format!("/{cpu}");
            let name = format!("{}{end}", &"a-rather-long-name"[..15 - end.len()]);
            assert_eq!(threads(&name).into_values().collect::<Vec<_>>(), [[cpu]], "{name}");
        }
        drop(registration);
        gone("a-rather");
        gone("cmwq/percpu");
    });
}

#[test]
fn it_runs_while_there_is_something_to_do() {
    run("it_runs_while_there_is_something_to_do", || {
        let left: Arc<Vec<AtomicUsize>> =
            Arc::new((0..1024).map(|_| AtomicUsize::new(5)).collect());
        let (asked, taken) = (left.clone(), left.clone());
        let threads = Builder::new("work")
            .should_run(move |cpu| asked[cpu].load(Ordering::SeqCst) > 0)
            .register(move |cpu| {
                taken[cpu].fetch_sub(1, Ordering::SeqCst);
            })
            .expect("threads");
        let is_done = || threads.cpus().iter().all(|&cpu| left[cpu].load(Ordering::SeqCst) == 0);
        until("there is nothing left; nobody has woken them", is_done);
        for cpu in threads.cpus() {
            left[cpu].store(3, Ordering::SeqCst);
        }
        threads.wake_all();
        until("there is nothing left", is_done);
    });
}

/// A wake during a run is a further run, and several are one.
#[test]
fn no_wake_is_lost() {
    run("no_wake_is_lost", || {
        let (enter, entered) = mpsc::channel();
        let (leave, left) = mpsc::channel::<()>();
        let left = Mutex::new(left);
        let runs = Arc::new(AtomicUsize::new(0));
        let count = runs.clone();
        let threads = Builder::new("wake")
            .register(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
                enter.send(()).expect("the test waits");
                let _ = left.lock().expect("no panic").recv();
            })
            .expect("threads");
        let cpu = threads.cpus()[0];
        threads.wake(cpu);
        entered.recv().expect("it runs");
        threads.wake(cpu);
        threads.wake(cpu);
        leave.send(()).expect("it waits");
        entered.recv().expect("it runs again");
        leave.send(()).expect("it waits");
        // Asks once more whether it was woken, and falls asleep.
        until("it sleeps", || {
            let of = |path: String| std::fs::read_to_string(path).unwrap_or_default();
            let tids = cmwq_tests::nodes::threads(&format!("wake/{cpu}")).into_keys();
            tids.map(|tid| of(format!("/proc/self/task/{tid}/syscall")))
                .all(|call| call.starts_with(&format!("{} ", libc::SYS_futex)))
        });
        assert_eq!(runs.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn a_panic_ends_in_its_callback() {
    run("a_panic_ends_in_its_callback", || {
        let log = Log::default();
        let threads = log
            .builder("panic")
            .setup(|_| panic!("setup"))
            .register({
                let note = log.note("run");
                move |cpu| {
                    note(cpu);
                    panic!("run");
                }
            })
            .expect("threads");
        let cpu = threads.cpus()[0];
        for runs in 1..3 {
            threads.wake(cpu);
            until("it runs", || log.of(cpu).len() == 1 + runs);
        }
        threads.unregister();
        assert_eq!(log.of(cpu), ["create", "run", "run", "cleanup"]);
    });
}

#[test]
fn self_parking_threads_are_parked_by_their_owner() {
    run("self_parking_threads_are_parked_by_their_owner", || {
        let log = Log::default();
        let parks = Arc::new(AtomicBool::new(false));
        let (note, parks_itself) = (log.note("run"), parks.clone());
        let run = move |cpu| {
            note(cpu);
            if parks_itself.load(Ordering::SeqCst) {
                assert!(park_current());
            }
        };
        let threads = log.builder("self").self_parking().register(run).expect("threads");
        let (first, last) = (threads.cpus()[0], *threads.cpus().last().expect("a CPU"));
        assert_eq!(threads.is_parked(first), Some(true));
        threads.wake(first);
        threads.unpark(first).expect("it parks itself");
        until("the wake was kept", || log.of(first).len() == 3);
        threads.park(first).expect("it parks itself");
        threads.unpark(first).expect("it parks itself");
        parks.store(true, Ordering::SeqCst);
        threads.wake(first);
        until("it parks itself", || log.of(first).len() == 7);
        assert_eq!(threads.is_parked(first), Some(true));
        assert!(threads.unpark(last + 1).expect_err("no such CPU").is_unknown_cpu());
        threads.unregister();
        let expected = ["create", "setup", "run", "park", "unpark", "run", "park", "cleanup"];
        assert_eq!(log.of(first), expected, "no unpark before the cleanup");
        if last != first {
            assert_eq!(log.of(last), ["create"], "it never was active");
        }
    });
}

#[test]
fn errors_say_what_was_asked() {
    run("errors_say_what_was_asked", || {
        for name in ["", "a\0b"] {
            let error = Builder::new(name).register(|_| ()).expect_err("no name for a thread");
            assert!(error.is_invalid_name() && error.to_string().contains("name"), "{error}");
        }
        let threads = Builder::new("plain").register(|_| ()).expect("threads");
        let error = threads.park(threads.cpus()[0]).expect_err("not by hand");
        assert!(error.is_not_self_parking() && error.to_string().contains("plain"), "{error}");
        let huge = Builder::new("huge").stack_size(1 << 60).register(|_| ());
        let error = huge.expect_err("no memory for that");
        assert!(error.is_io() && error.to_string().contains("huge"), "{error}");
        assert!(!park_current(), "this is no such thread");
    });
}

/// Also from a thread of the registration itself, which cannot wait for its own end.
#[test]
fn callbacks_register_and_unregister() {
    run("callbacks_register_and_unregister", || {
        let inner: Arc<Mutex<Option<Registration>>> = Arc::default();
        let own: Arc<OnceLock<Mutex<Option<Registration>>>> = Arc::default();
        let log = Log::default();
        let (to_fill, to_drop, first) = (inner.clone(), own.clone(), allowed().expect("some")[0]);
        let outer = log
            .builder("outer")
            .setup(move |cpu| {
                if cpu == first {
                    let nested = Builder::new("inner").register(|_| ()).expect("threads");
                    *to_fill.lock().expect("no panic") = Some(nested);
                }
            })
            .register(move |_| {
                let registration = to_drop.get().and_then(|r| r.lock().expect("no panic").take());
                drop(registration);
            })
            .expect("threads");
        assert!(inner.lock().expect("no panic").is_some());
        own.get_or_init(|| Mutex::new(None)).lock().expect("no panic").replace(outer);
        let wake =
            own.get().and_then(|r| r.lock().expect("no panic").as_ref().map(|r| r.wake(first)));
        assert_eq!(wake, Some(true));
        gone("outer/");
        assert_eq!(log.of(first).last(), Some(&"cleanup"));
        drop(inner.lock().expect("no panic").take());
        gone("inner/");
    });
}

/// A worker is pinned; what it registers is not.
#[test]
fn a_task_registers_threads_on_all_cpus() {
    run("a_task_registers_threads_on_all_cpus", || {
        let all = allowed().expect("an affinity");
        let runtime = Case::Auto.start(all.len());
        let log = Log::default();
        let (builder, note) = (log.builder("task"), log.note("run"));
        let task = runtime.spawn(async move { (builder.register(note), place().1) });
        let (threads, own) = finish(task).expect("no panic");
        let threads = threads.expect("threads");
        if runtime.metrics().is_pinned() {
            assert_eq!(own.len(), 1, "the worker is pinned as before");
        }
        assert_eq!(threads.cpus(), all);
        drop(runtime);
        threads.wake_all();
        until("they go on without the runtime", || all.iter().all(|&cpu| log.of(cpu).len() == 3));
    });
}

/// A CPU is taken from the process and given back: parked in the reverse order of registration,
/// unparked in that order; stopped while parked.
#[test]
fn threads_park_while_their_cpu_is_away() {
    let name = "threads_park_while_their_cpu_is_away";
    let all = allowed().expect("an affinity");
    if all.len() < 2 {
        return skip(name, "needs two CPUs");
    }
    in_child(name, Prepare::new(), || {
        let (lost, rest) = all.split_last().expect("two CPUs");
        let lost = *lost;
        let log = Log::default();
        let register = |name: &'static str, park, unpark| {
            let builder = log.builder(name).park(log.note(park)).unpark(log.note(unpark));
            builder.register(|_| ()).expect("threads")
        };
        let first = register("first", "park first", "unpark first");
        let second = register("second", "park second", "unpark second");
        let since = log.of(lost).len();
        // Each has called `park`: to say that they are to be parked is not enough.
        let lose = || {
            let before = log.of(lost).len();
            move_everybody(rest);
            until("both are parked", || {
                // A thread finds itself on another CPU.
                first.wake(lost);
                log.of(lost).len() == before + 2
            });
            assert_eq!(first.is_parked(lost), Some(true));
        };
        for _ in 0..2 {
            lose();
            move_everybody(&all);
            until("both are unparked", || log.of(lost).len() % 4 == 0);
            until("both have their CPU", || {
                let own = ["first", "second"].map(|name| threads(&format!("{name}/{lost}")));
                own.iter().flat_map(|own| own.values()).all(|affinity| *affinity == [lost])
            });
        }
        lose();
        drop((first, second));
        let round = ["park second", "park first", "unpark first", "unpark second"];
        let end = ["park second", "park first", "cleanup offline", "cleanup offline"];
        assert_eq!(log.of(lost)[since..], [&round[..], &round[..], &end[..]].concat());
        let kept = log.of(rest[0]);
        assert_eq!(kept[since..], ["cleanup", "cleanup"], "the others have stayed active");
        let on_their_cpu = |entry: &&Entry| entry.what.starts_with("unpark");
        let entries = log.by_cpu().remove(&lost).expect("it was called");
        assert!(entries.iter().filter(on_their_cpu).all(|entry| entry.place.0 == lost));
    })
    .expect("the child starts");
}

//! What is seen of rescuers: threads, counts, recordings and dumps.

use cmwq::workqueue::{current_work, record};
use cmwq_tests::starving::{
    CAP, ITEMS, Kind, all_finish, block_pool, build, capped, queue_work, rescuers,
};
use cmwq_tests::{Case, finish, run, until};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

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

/// What two queues with rescuers count, of which one has work in a pool that starves.
#[test]
fn each_queue_counts_its_calls_and_polls() {
    run("each_queue_counts_its_calls_and_polls", || {
        let runtime = capped(Case::Auto, 1);
        let queue = build(&runtime, Kind::Bound, "pages", true);
        let idle = build(&runtime, Kind::Bound, "idle", true);
        let rescued = || (queue.stats().mayday, queue.stats().rescued);
        // A machine that stands still for 10 ms makes one call too, so not in every round.
        let workers_do_the_work = || {
            let round = || {
                let before = rescued();
                all_finish(queue_work(&queue));
                rescued() == before
            };
            assert!((0..20).any(|_| round()), "the rescuer is called in each round");
        };
        workers_do_the_work();

        let before = rescued();
        let crowd = block_pool(&runtime, Kind::Bound, CAP + 3);
        all_finish(queue_work(&queue));
        let (mayday, polls) = rescued();
        assert!(mayday > before.0 && mayday <= runtime.metrics().maydays_count(), "{mayday}");
        let polls = polls - before.1;
        assert!(polls >= ITEMS as u64, "{polls} polls of {ITEMS} futures that wait");
        assert_eq!((idle.stats().mayday, idle.stats().rescued), (0, 0), "it had no work");

        crowd.finish();
        until("the rescuer has gone back", || runtime.metrics().busy_rescuers() == 0);
        workers_do_the_work();
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
        assert!(
            named.location().is_some_and(|location| location.file().ends_with("rescuer_shown.rs"))
        );
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
        assert!(events.iter().all(|event| event.location.file().ends_with("rescuer_shown.rs")));
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
        until("it has begun", || !line("cmwq/R-pages (").ends_with("has not begun yet"));
        let look = line("cmwq/R-pages (");
        assert!(look.contains(", rescuer") && look.ends_with("): idle"), "{look}");

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
        assert!(look.contains("tests/rescuer_shown.rs:") && look.contains(", for "), "{look}");
        let text = runtime.handle().dump_workqueues().to_string();
        assert!(text.contains(" calls for the rescuer, 1 polls by it"), "{text}");
        drop(leash);
        finish(item).expect("no panic");
        crowd.finish();
    });
}

//! Priority inheritance of what runs already: its thread gets the nice value of high priority, where
//! the process may give it, and loses it at the end of the poll.

use cmwq::Workqueue;
use cmwq::task::JoinHandle;
use cmwq_tests::case::one_core_without_hogs;
use cmwq_tests::confine::nice;
use cmwq_tests::inherit::Queue;
use cmwq_tests::{finish, run, skip, until};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// May the process lower nice values?
fn is_permitted() -> bool {
    // SAFETY: takes no pointers; changes the thread that it is called on, which then ends.
    let lower = || unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -20) } == 0;
    std::thread::spawn(lower).join().expect("no panic")
}

/// The nice value of an item's thread at its start and at its end, and the thread's id.
type Seen = (i32, i32, i32);

/// Runs until its thread is more urgent than at the start, or for long. This returns when it runs.
fn runs_until_raised(queue: &impl Queue) -> JoinHandle<Seen> {
    let (tell, begun) = mpsc::channel();
    let item = queue.spawn(async move {
        let (start, before) = (Instant::now(), nice());
        tell.send(()).unwrap();
        while nice() >= before && start.elapsed() < Duration::from_secs(20) {
            std::hint::spin_loop();
        }
        (before, nice(), rustix::thread::gettid().as_raw_nonzero().get())
    });
    begun.recv_timeout(Duration::from_secs(30)).unwrap();
    item
}

/// Raises a running task, of the queue or of the default one, by `raise`, and looks at its thread then
/// and afterwards.
fn raised(
    test: &str,
    is_of_queue: bool,
    raise: fn(&Workqueue, &Workqueue, JoinHandle<Seen>) -> Seen,
) {
    run(test, || {
        if !is_permitted() {
            return skip(test, "the process may not lower nice values");
        }
        let runtime = one_core_without_hogs();
        let normal = Workqueue::builder().build_on(runtime.handle()).unwrap();
        let high = Workqueue::builder().high_priority().build_on(runtime.handle()).unwrap();
        let task = match is_of_queue {
            true => runs_until_raised(&normal),
            false => runs_until_raised(&runtime),
        };
        let (before, during, thread) = raise(&normal, &high, task);
        assert_eq!(before, nice(), "a worker of normal priority");
        assert_eq!(during, -20);
        until("the thread runs another item, as before", || {
            let own = || (rustix::thread::gettid().as_raw_nonzero().get(), nice());
            let (other, nice) = finish(normal.spawn(async move { own() })).unwrap();
            assert_eq!(nice, before, "of thread {other}");
            other == thread
        });
    });
}

#[test]
fn the_thread_of_an_awaited_item_is_more_urgent_until_it_ends() {
    let test = "the_thread_of_an_awaited_item_is_more_urgent_until_it_ends";
    raised(test, true, |_, high, item| finish(high.spawn(item)).unwrap().unwrap());
}

#[test]
fn the_thread_of_an_awaited_task_of_the_default_queue_is_too() {
    let test = "the_thread_of_an_awaited_task_of_the_default_queue_is_too";
    raised(test, false, |_, high, task| finish(high.spawn(task)).unwrap().unwrap());
}

#[test]
fn the_thread_of_an_item_of_a_flushed_queue_is_too() {
    let test = "the_thread_of_an_item_of_a_flushed_queue_is_too";
    raised(test, true, |normal, high, item| {
        finish(high.spawn(normal.flush())).unwrap();
        finish(item).unwrap()
    });
}

/// A handle that is dropped lowers it again while the task runs.
fn given_back(test: &str, is_of_queue: bool) {
    run(test, || {
        if !is_permitted() {
            return skip(test, "the process may not lower nice values");
        }
        let runtime = one_core_without_hogs();
        let normal = Workqueue::builder().build_on(runtime.handle()).unwrap();
        let high = Workqueue::builder().high_priority().build_on(runtime.handle()).unwrap();
        let (tell, news) = mpsc::channel();
        let body = async move {
            let (start, before) = (Instant::now(), nice());
            tell.send(true).unwrap();
            let spin_while = |is: &dyn Fn(i32) -> bool| {
                while is(nice()) && start.elapsed() < Duration::from_secs(20) {
                    std::hint::spin_loop();
                }
            };
            spin_while(&|nice| nice >= before);
            tell.send(nice() < before).unwrap();
            spin_while(&|nice| nice < before);
            tell.send(nice() == before).unwrap();
        };
        let task = if is_of_queue { normal.spawn(body) } else { runtime.spawn(body) };
        let wait = || news.recv_timeout(Duration::from_secs(30)).unwrap();
        assert!(wait(), "it runs");
        let waiter = high.spawn(task);
        assert!(wait(), "raised while it is awaited");
        waiter.abort();
        assert!(finish(waiter).unwrap_err().is_cancelled());
        assert!(wait(), "lowered, although it still runs");
    });
}

#[test]
fn a_dropped_handle_gives_the_thread_back() {
    given_back("a_dropped_handle_gives_the_thread_back", true);
}

#[test]
fn a_dropped_handle_of_a_task_of_the_default_queue_does_too() {
    given_back("a_dropped_handle_of_a_task_of_the_default_queue_does_too", false);
}

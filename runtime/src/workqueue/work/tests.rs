//! One work item on plain lists, step by step.

use super::mock::{Item, MockQueue};
use crate::task::mock::WakeCount;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// An item that counts its executions.
fn counted() -> (Item, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let count = runs.clone();
    let item = Item::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
    });
    (item, runs)
}

fn runs(count: &AtomicUsize) -> usize {
    count.load(Ordering::Relaxed)
}

/// What a test puts in for another thread to take.
type Shelf<T> = Arc<Mutex<Option<T>>>;

type Hook = Shelf<Box<dyn FnOnce() + Send>>;

/// An item whose closure calls what `during` holds, once.
fn interrupted() -> (Item, Hook, Arc<AtomicUsize>) {
    let hook = Hook::default();
    let count = Arc::new(AtomicUsize::new(0));
    let (during, runs) = (hook.clone(), count.clone());
    let item = Item::new(move || {
        runs.fetch_add(1, Ordering::Relaxed);
        let hook = during.lock().unwrap().take();
        hook.into_iter().for_each(|hook| hook());
    });
    (item, hook, count)
}

#[test]
fn it_runs_once_per_queueing_and_can_be_queued_again() {
    let (queue, (item, count)) = (MockQueue::new(), counted());
    assert!(item.queue(&queue));
    assert!(!item.queue(&queue), "it is pending");
    assert!(item.control.is_pending());
    queue.run();
    assert_eq!(runs(&count), 1);
    assert!(!item.control.is_busy());
    assert!(item.queue(&queue));
    queue.run();
    assert_eq!(runs(&count), 2);
    queue.assert_idle();
}

#[test]
fn a_pending_item_runs_although_no_handle_is_left() {
    let (queue, (item, count)) = (MockQueue::new(), counted());
    item.queue(&queue);
    drop(item);
    queue.run();
    assert_eq!(runs(&count), 1);
    assert_eq!(Arc::strong_count(&count), 1, "the closure is gone");
}

#[test]
fn the_last_handle_drops_the_closure() {
    let (item, count) = counted();
    let other = item.clone();
    drop(item);
    assert_eq!(Arc::strong_count(&count), 2);
    drop(other);
    assert_eq!(Arc::strong_count(&count), 1);
}

#[test]
fn queued_while_it_runs_it_takes_its_place_at_once_and_runs_once_more() {
    let queue = MockQueue::new();
    let ((item, hook, count), (other, _)) = (interrupted(), counted());
    let (own, second, list) = (item.clone(), other.clone(), queue.clone());
    *hook.lock().unwrap() = Some(Box::new(move || {
        assert!(own.control.is_running() && !own.control.is_pending());
        assert!(own.queue(&list));
        assert!(!own.queue(&list));
        assert!(second.queue(&list));
        assert_eq!(list.queued(), 2);
    }));
    item.queue(&queue);
    assert!(queue.run_one());
    assert_eq!(runs(&count), 1);
    assert!(queue.run_one(), "before the one that was queued later");
    assert_eq!(runs(&count), 2);
    queue.run();
    queue.assert_idle();
}

#[test]
fn it_never_runs_twice_at_once() {
    let (first, second) = (MockQueue::new(), MockQueue::new());
    let (item, hook, count) = interrupted();
    let (own, elsewhere, seen) = (item.clone(), second.clone(), count.clone());
    *hook.lock().unwrap() = Some(Box::new(move || {
        assert!(own.queue(&elsewhere));
        // A worker of the other queue comes across it.
        assert!(elsewhere.run_one());
        assert_eq!(runs(&seen), 1);
        assert!(own.control.is_pending());
        assert_eq!(elsewhere.queued(), 0);
    }));
    item.queue(&first);
    first.run();
    assert_eq!((runs(&count), second.queued()), (1, 1), "back where it was queued last");
    second.run();
    assert_eq!(runs(&count), 2);
    first.assert_idle();
    second.assert_idle();
}

#[test]
fn what_was_met_while_running_can_be_cancelled_and_queued_elsewhere() {
    let queues = [MockQueue::new(), MockQueue::new(), MockQueue::new()];
    let (item, hook, count) = interrupted();
    let (own, [_, second, third]) = (item.clone(), queues.clone());
    *hook.lock().unwrap() = Some(Box::new(move || {
        own.queue(&second);
        second.run_one();
        assert!(own.cancel());
        second.assert_idle();
        assert!(!own.cancel(), "it runs, but is not pending");
        assert!(own.queue(&third));
    }));
    item.queue(&queues[0]);
    queues[0].run();
    queues[2].run();
    assert_eq!(runs(&count), 2);
    queues.iter().for_each(MockQueue::assert_idle);
}

#[test]
fn cancel_takes_it_from_the_list() {
    let (queue, (item, count)) = (MockQueue::new(), counted());
    assert!(!item.cancel());
    item.queue(&queue);
    assert!(item.cancel());
    assert!(!item.control.is_pending());
    queue.assert_idle();
    assert!(item.queue(&queue));
    queue.run();
    assert_eq!(runs(&count), 1);
}

#[test]
fn a_refused_item_is_idle_again() {
    let (queue, (item, count)) = (MockQueue::new(), counted());
    queue.refuse();
    assert!(!item.queue(&queue));
    assert!(!item.queue_delayed(&queue, Duration::ZERO));
    assert!(!item.control.is_busy());
    drop(item);
    assert_eq!(Arc::strong_count(&count), 1);
}

#[test]
fn disable_counts() {
    let (queue, (item, count)) = (MockQueue::new(), counted());
    item.queue(&queue);
    assert!(item.control.disable(&item.task), "it was pending");
    assert!(!item.control.disable(&item.task));
    assert!(!item.queue(&queue) && !item.queue_delayed(&queue, HOUR));
    assert!(!item.mod_delayed(&queue, HOUR) && !item.control.is_pending());
    assert!(!item.control.enable());
    assert!(!item.queue(&queue));
    assert!(item.control.enable());
    assert!(item.control.enable(), "once too often does nothing");
    assert!(item.queue(&queue));
    queue.run();
    assert_eq!(runs(&count), 1);
}

#[test]
fn a_delay_is_waited_for_and_none_is_none() {
    let (queue, (item, count)) = (MockQueue::new(), counted());
    assert!(item.queue_delayed(&queue, Duration::ZERO));
    assert_eq!(queue.queued(), 1);
    queue.run();
    assert!(item.queue_delayed(&queue, HOUR));
    assert!(!item.queue(&queue), "pending while the timer runs");
    queue.fire(HOUR / 2);
    assert_eq!(queue.queued(), 0);
    assert!(item.control.is_pending());
    queue.fire(HOUR * 2);
    assert_eq!(queue.queued(), 1);
    queue.run();
    assert_eq!(runs(&count), 2);
    queue.assert_idle();
}

#[test]
fn cancel_takes_it_from_the_timer() {
    let (queue, (item, count)) = (MockQueue::new(), counted());
    item.queue_delayed(&queue, HOUR);
    assert!(item.cancel());
    queue.fire(HOUR * 2);
    assert_eq!((queue.queued(), runs(&count)), (0, 0));
    assert!(item.queue(&queue), "it can be queued again");
    queue.run();
}

#[test]
fn mod_delayed_moves_the_time_and_the_queue() {
    let (first, second) = (MockQueue::new(), MockQueue::new());
    let (item, count) = counted();
    assert!(!item.mod_delayed(&first, HOUR), "it was idle");
    assert!(item.mod_delayed(&first, HOUR * 3));
    first.fire(HOUR * 2);
    assert_eq!(first.queued(), 0);
    assert!(item.mod_delayed(&first, Duration::ZERO));
    assert_eq!(first.queued(), 1);
    assert!(item.mod_delayed(&second, HOUR), "also out of a list");
    assert_eq!(first.queued(), 0);
    second.fire(HOUR * 2);
    second.run();
    assert_eq!(runs(&count), 1);
    first.assert_idle();
}

#[test]
fn a_delayed_item_runs_although_no_handle_is_left() {
    let (queue, (item, count)) = (MockQueue::new(), counted());
    item.queue_delayed(&queue, HOUR);
    drop(item);
    queue.fire(HOUR * 2);
    queue.run();
    assert_eq!((runs(&count), Arc::strong_count(&count)), (1, 1));
}

#[test]
fn closed_timers_end_a_delay() {
    let (queue, (item, count)) = (MockQueue::new(), counted());
    item.queue_delayed(&queue, HOUR);
    queue.refuse();
    queue.close_timers();
    assert!(!item.control.is_pending());
    assert!(!item.queue_delayed(&queue, HOUR));
    let other = MockQueue::new();
    assert!(item.queue_delayed(&other, HOUR), "another runtime's timers still work");
    other.fire(HOUR * 2);
    other.run();
    assert_eq!(runs(&count), 1);
}

#[test]
fn a_runtime_that_shuts_down_executes_nothing() {
    let (queue, (item, count)) = (MockQueue::new(), counted());
    item.queue(&queue);
    queue.shut_down();
    queue.run();
    assert_eq!(runs(&count), 0);
    assert!(!item.control.is_busy());
    queue.assert_idle();
}

#[test]
fn a_panic_is_counted_and_the_item_stays_usable() {
    let queue = MockQueue::new();
    let item = Item::new(|| panic!("on purpose"));
    for round in 1..3 {
        assert!(item.queue(&queue));
        queue.run();
        assert_eq!((item.control.panics(), queue.panics()), (round, round as usize));
    }
    queue.assert_idle();
}

#[test]
fn flush_waits_for_the_execution_that_is_pending() {
    let (queue, (item, _)) = (MockQueue::new(), counted());
    let (wakes, waker) = WakeCount::new();
    let mut cx = Context::from_waker(&waker);
    assert_eq!(pin!(item.flush()).poll(&mut cx), Poll::Ready(false), "nothing to wait for");
    item.queue(&queue);
    let mut flush = pin!(item.flush());
    assert!(flush.as_mut().poll(&mut cx).is_pending());
    assert!(flush.as_mut().poll(&mut cx).is_pending());
    queue.run();
    assert_eq!(wakes.get(), 1);
    // What is queued later does not matter.
    item.queue(&queue);
    assert_eq!(flush.poll(&mut cx), Poll::Ready(true));
    assert!(item.cancel());
}

#[test]
fn flush_of_a_running_item_does_not_wait_for_a_later_queueing() {
    let queue = MockQueue::new();
    let (item, hook, _) = interrupted();
    let flush: Shelf<std::pin::Pin<Box<dyn Future<Output = bool> + Send>>> = Arc::default();
    let (own, list, slot) = (item.clone(), queue.clone(), flush.clone());
    *hook.lock().unwrap() = Some(Box::new(move || {
        // Another thread flushes; this one would wait for itself.
        let flushing = own.clone();
        let begun = std::thread::spawn(move || {
            let mut flush = Box::pin(flushing.flush());
            let poll = flush.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(poll.is_pending());
            flush
        });
        *slot.lock().unwrap() = Some(begun.join().unwrap());
        assert!(own.queue(&list));
    }));
    item.queue(&queue);
    assert!(queue.run_one());
    let mut flush = flush.lock().unwrap().take().unwrap();
    let over = flush.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(over, Poll::Ready(true));
    assert!(item.control.is_pending());
    queue.run();
}

#[test]
fn flush_from_inside_its_own_closure_does_not_wait() {
    let queue = MockQueue::new();
    let (item, hook, count) = interrupted();
    let (own, list) = (item.clone(), queue.clone());
    *hook.lock().unwrap() = Some(Box::new(move || {
        own.queue(&list);
        let poll = pin!(own.flush()).poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(poll, Poll::Ready(false));
    }));
    item.queue(&queue);
    queue.run();
    assert_eq!(runs(&count), 2);
}

#[test]
fn flush_cuts_a_delay_short_and_ends_with_a_cancel() {
    let (queue, (item, count)) = (MockQueue::new(), counted());
    let (wakes, waker) = WakeCount::new();
    let mut cx = Context::from_waker(&waker);
    item.queue_delayed(&queue, HOUR);
    let mut flush = pin!(item.flush());
    assert!(flush.as_mut().poll(&mut cx).is_pending());
    assert_eq!(queue.queued(), 1);
    assert!(item.cancel());
    assert_eq!(wakes.get(), 1);
    assert_eq!(flush.poll(&mut cx), Poll::Ready(true));
    assert_eq!(runs(&count), 0);
}

#[test]
fn a_flush_that_is_dropped_is_forgotten() {
    let (queue, (item, _)) = (MockQueue::new(), counted());
    let (wakes, waker) = WakeCount::new();
    item.queue(&queue);
    {
        let mut flush = pin!(item.flush());
        assert!(flush.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    queue.run();
    assert_eq!(wakes.get(), 0);
}

#[test]
fn a_closure_may_queue_its_own_item() {
    let queue = MockQueue::new();
    let own: Arc<OnceLock<Item>> = Arc::default();
    let count = Arc::new(AtomicUsize::new(0));
    let (item, list, runs_seen) = (own.clone(), queue.clone(), count.clone());
    let made = Item::new(move || {
        if runs_seen.fetch_add(1, Ordering::Relaxed) < 9 {
            assert!(item.get().unwrap().queue(&list));
        }
    });
    assert!(own.set(made).is_ok());
    own.get().unwrap().queue(&queue);
    queue.run();
    assert_eq!(runs(&count), 10);
    queue.assert_idle();
}

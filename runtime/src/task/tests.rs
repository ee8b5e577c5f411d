//! One task and the ends that it may come to.

use super::cell::Cell;
use super::mock::{Mock, Tracked, WakeCount};
use super::{Id, JoinError, JoinHandle, Notified, RawTask, Schedule, discard};
use std::alloc::Layout;
use std::future::{Future, pending, poll_fn, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

/// Polls a handle once.
fn poll<T>(handle: &mut JoinHandle<T>, waker: &Waker) -> Poll<Result<T, JoinError>> {
    Pin::new(handle).poll(&mut Context::from_waker(waker))
}

/// The output of a completed task.
fn output<T>(mut handle: JoinHandle<T>) -> Result<T, JoinError> {
    match poll(&mut handle, Waker::noop()) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the task is not complete"),
    }
}

/// The text that a task panicked with.
fn panic_text<T>(handle: JoinHandle<T>) -> String {
    let error = output(handle).err().expect("the task panicked");
    assert!(error.is_panic() && !error.is_cancelled());
    (*error.into_panic().downcast::<&str>().expect("a literal")).to_owned()
}

struct PanicsOnDrop(Tracked);

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        self.0.touch();
        panic!("drop");
    }
}

/// Puts its waker into the returned place, and is pending for ever.
fn sleeper() -> (impl Future<Output = ()> + Send, Arc<Mutex<Option<Waker>>>) {
    let place = Arc::new(Mutex::new(None));
    let waker = place.clone();
    let future = poll_fn(move |cx| {
        *waker.lock().unwrap() = Some(cx.waker().clone());
        Poll::Pending
    });
    (future, place)
}

#[test]
fn output_reaches_the_handle() {
    let mock = Mock::new();
    let mut handle = mock.spawn(async { 42 });
    let (count, waker) = WakeCount::new();
    assert!(!handle.is_finished());
    assert!(poll(&mut handle, &waker).is_pending());
    assert_eq!(mock.run(), 1);
    assert_eq!(count.get(), 1);
    assert!(handle.is_finished());
    assert_eq!(output(handle).unwrap(), 42);
    mock.assert_all_gone();
}

#[test]
#[should_panic(expected = "JoinHandle polled after completion")]
fn handle_polled_twice() {
    let mock = Mock::new();
    let mut handle = mock.spawn(async {});
    mock.run();
    assert!(poll(&mut handle, Waker::noop()).is_ready());
    let _ = poll(&mut handle, Waker::noop());
}

#[test]
fn the_last_of_several_join_wakers_is_woken() {
    let mock = Mock::new();
    let mut handle = mock.spawn(async {});
    let (first, first_waker) = WakeCount::new();
    let (second, second_waker) = WakeCount::new();
    assert!(poll(&mut handle, &first_waker).is_pending());
    assert!(poll(&mut handle, &second_waker).is_pending());
    assert!(poll(&mut handle, &second_waker).is_pending());
    drop((first_waker, second_waker));
    mock.run();
    assert_eq!((first.get(), second.get()), (0, 1));
    drop(handle);
    assert_eq!((Arc::strong_count(&first), Arc::strong_count(&second)), (1, 1));
    mock.assert_all_gone();
}

#[test]
fn panic_in_the_drop_of_the_previous_join_waker() {
    struct Previous {
        _held: PanicsOnDrop,
    }

    impl Wake for Previous {
        fn wake(self: Arc<Self>) {
            unreachable!("another waker has replaced it");
        }
    }

    let mock = Mock::new();
    let mut handle = mock.spawn(async { 42 });
    let previous = Waker::from(Arc::new(Previous { _held: PanicsOnDrop(mock.ledger().track()) }));
    assert!(poll(&mut handle, &previous).is_pending());
    drop(previous);
    let (count, waker) = WakeCount::new();
    assert!(poll(&mut handle, &waker).is_pending(), "the drop is not its panic");
    mock.run();
    assert_eq!(count.get(), 1);
    assert_eq!(output(handle).unwrap(), 42);
    mock.assert_all_gone();
}

#[test]
fn abort_before_the_first_poll() {
    let mock = Mock::new();
    let held = mock.ledger().track();
    let handle = mock.spawn(async move {
        held.touch();
        unreachable!("an aborted task is not polled");
    });
    handle.abort();
    // It was in the queue, and its future is dropped by the poller.
    assert_eq!((mock.queued(), mock.ledger().alive()), (1, 2));
    assert_eq!(mock.run(), 1);
    assert_eq!(mock.ledger().alive(), 1);
    let error = output::<()>(handle).unwrap_err();
    assert!(error.is_cancelled() && !error.is_panic());
    mock.assert_all_gone();
}

#[test]
fn abort_of_a_sleeping_task_queues_it_once() {
    let mock = Mock::new();
    let (future, waker) = sleeper();
    let handle = mock.spawn(future);
    mock.run();
    let abort = handle.abort_handle();
    abort.clone().abort();
    abort.abort();
    waker.lock().unwrap().take().unwrap().wake();
    assert_eq!(mock.run(), 1);
    assert!(abort.is_finished());
    assert!(output(handle).unwrap_err().is_cancelled());
    drop(abort);
    mock.assert_all_gone();
}

#[test]
fn abort_after_completion_changes_nothing() {
    let mock = Mock::new();
    let handle = mock.spawn(ready(1));
    mock.run();
    handle.abort();
    assert_eq!(mock.queued(), 0);
    assert_eq!(output(handle).unwrap(), 1);
    mock.assert_all_gone();
}

#[test]
fn panic_in_poll() {
    let mock = Mock::new();
    let held = mock.ledger().track();
    let handle = mock.spawn(async move {
        held.touch();
        panic!("poll");
    });
    mock.run();
    assert_eq!(mock.panics(), 1);
    assert_eq!(panic_text::<()>(handle), "poll");
    mock.assert_all_gone();
}

#[test]
fn panic_in_the_drop_of_an_aborted_future() {
    let mock = Mock::new();
    let held = PanicsOnDrop(mock.ledger().track());
    let handle = mock.spawn(async move {
        pending::<()>().await;
        drop(held);
    });
    handle.abort();
    mock.run();
    assert_eq!(mock.panics(), 1);
    assert_eq!(panic_text(handle), "drop");
    mock.assert_all_gone();
}

#[test]
fn panic_in_the_drop_of_a_completed_future() {
    // The output is dropped: the task panicked, and cannot have given one.
    struct Completes {
        _held: PanicsOnDrop,
        output: Option<Tracked>,
    }

    impl Future for Completes {
        type Output = Tracked;

        fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Tracked> {
            Poll::Ready(self.output.take().expect("polled once"))
        }
    }

    let mock = Mock::new();
    let ledger = mock.ledger();
    let _held = PanicsOnDrop(ledger.track());
    let handle = mock.spawn(Completes { _held, output: Some(ledger.track()) });
    mock.run();
    assert_eq!(panic_text(handle), "drop");
    mock.assert_all_gone();
}

#[test]
fn panic_in_the_drop_of_an_output_that_nobody_wants() {
    let mock = Mock::new();
    let held = PanicsOnDrop(mock.ledger().track());
    drop(mock.spawn(async move { held }));
    mock.run();
    assert_eq!(mock.panics(), 0, "the task itself did not panic");
    mock.assert_all_gone();
}

#[test]
fn panic_in_the_drop_of_an_output_by_the_handle() {
    let mock = Mock::new();
    let held = PanicsOnDrop(mock.ledger().track());
    let handle = mock.spawn(async move { held });
    mock.run();
    // Ends here, as with tokio.
    drop(handle);
    assert_eq!(mock.panics(), 0, "the task itself did not panic");
    mock.assert_all_gone();
}

#[test]
fn output_is_dropped_with_the_handle() {
    let mock = Mock::new();
    let held = mock.ledger().track();
    let handle = mock.spawn(async move { held });
    mock.run();
    // The output, and what is in the cell.
    assert_eq!(mock.ledger().alive(), 2);
    drop(handle);
    mock.assert_all_gone();
}

#[test]
fn output_of_a_detached_task_is_dropped_at_once() {
    let mock = Mock::new();
    let held = mock.ledger().track();
    drop(mock.spawn(async move { held }));
    mock.run();
    mock.assert_all_gone();
}

#[test]
fn wake_during_the_poll_queues_again() {
    let mock = Mock::new();
    let mut polls = 0;
    let handle = mock.spawn(poll_fn(move |cx| {
        polls += 1;
        cx.waker().wake_by_ref();
        let same = cx.waker().clone();
        same.wake();
        if polls < 3 { Poll::Pending } else { Poll::Ready(polls) }
    }));
    assert_eq!(mock.run(), 3);
    assert_eq!(output(handle).unwrap(), 3);
    mock.assert_all_gone();
}

#[test]
fn waker_after_completion() {
    let mock = Mock::new();
    let (future, waker) = sleeper();
    let handle = mock.spawn(future);
    mock.run();
    let waker = waker.lock().unwrap().take().unwrap();
    handle.abort();
    mock.run();
    drop(handle);
    assert_eq!(mock.ledger().alive(), 1, "the waker keeps the cell");
    waker.wake_by_ref();
    assert_eq!(mock.queued(), 0);
    waker.wake();
    mock.assert_all_gone();
}

#[test]
fn discarded_task_leaves_nothing() {
    let mock = Mock::new();
    assert!(mock.owned().close(0).is_none());
    let held = mock.ledger().track();
    let (task, handle) = mock.make(async move { held });
    assert!(!mock.owned().insert(&task));
    discard(task);
    assert!(output(handle).err().expect("no output").is_cancelled());
    mock.assert_all_gone();
}

/// A scheduler as large as the runtime's.
struct Pointer {
    _shared: Arc<()>,
}

impl Schedule for Pointer {
    fn schedule(&self, _: Notified) {}
    fn requeue(&self, _: Notified) {}
    fn release(&self, _: RawTask) -> bool {
        false
    }
    fn task_panicked(&self) {}
}

#[test]
fn a_task_costs_at_most_200_bytes_beside_its_future() {
    struct Future64 {
        _state: [u64; 8],
    }

    impl Future for Future64 {
        type Output = ();

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }
    }

    let cell = Layout::new::<Cell<Future64, Pointer>>();
    // malloc keeps 8 bytes of its own and rounds up to 16.
    let allocated = (cell.pad_to_align().size() + 8).next_multiple_of(16);
    assert!(allocated - size_of::<Future64>() <= 200, "{allocated} bytes");
}

#[test]
fn join_error_texts() {
    let id = Id::next();
    let cancelled = JoinError::cancelled(id);
    assert_eq!(cancelled.to_string(), format!("task {id} was cancelled"));
    assert_eq!(format!("{cancelled:?}"), format!("JoinError::Cancelled({id:?})"));
    assert_eq!(cancelled.id(), id);
    assert!(cancelled.try_into_panic().unwrap_err().is_cancelled());

    let literal = JoinError::panic(id, Box::new("literal"));
    assert_eq!(literal.to_string(), format!("task {id} panicked with message \"literal\""));
    assert_eq!(format!("{literal:?}"), format!("JoinError::Panic({id:?}, \"literal\", ...)"));

    let formatted = JoinError::panic(id, Box::new(format!("number {}", 1)));
    assert_eq!(formatted.to_string(), format!("task {id} panicked with message \"number 1\""));

    let other = JoinError::panic(id, Box::new(7_u8));
    assert_eq!(other.to_string(), format!("task {id} panicked"));
    assert_eq!(format!("{other:?}"), format!("JoinError::Panic({id:?}, ...)"));
    assert_eq!(*other.into_panic().downcast::<u8>().unwrap(), 7);
}

#[test]
#[should_panic(expected = "the task was cancelled, no panic")]
fn into_panic_of_a_cancelled_task() {
    JoinError::cancelled(Id::next()).into_panic();
}

/// Queueing a work item takes no lock of the owned list, a spawn does.
#[test]
fn what_is_held_and_what_is_owned_are_counted_at_once() {
    let (mock, over) = (Mock::new(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                mock.owned().hold(0);
                mock.owned().unhold(0);
            }
        });
        let tasks = scope.spawn(|| {
            for _ in 0..200_000 {
                drop(mock.spawn(async {}));
                mock.run();
            }
        });
        let tasks = tasks.join();
        over.store(true, Ordering::Relaxed);
        assert!(tasks.is_ok());
    });
    mock.assert_all_gone();
}

#[test]
fn a_turn_ahead_leaves_the_entry_in_the_queue() {
    let mock = Mock::new();
    let (task, handle) = mock.spawn_with_ref(async { 42 });
    task.clone().run_ahead();
    assert_eq!(output(handle).unwrap(), 42);
    assert_eq!(mock.queued(), 1);
    task.clone().run_ahead();
    assert_eq!(mock.run(), 1, "the entry, which polls nothing");
    drop(task);
    mock.assert_all_gone();
}

#[test]
fn an_overtaken_task_that_is_woken_is_polled_by_its_entry() {
    let mock = Mock::new();
    let (future, place) = sleeper();
    let (task, handle) = mock.spawn_with_ref(future);
    task.clone().run_ahead();
    let waker = place.lock().unwrap().take().expect("polled");
    waker.wake_by_ref();
    waker.wake();
    assert_eq!(mock.queued(), 1, "no second entry");
    assert_eq!(mock.run(), 1);
    drop(place.lock().unwrap().take().expect("polled once more"));
    handle.abort();
    assert_eq!(mock.run(), 1);
    assert!(output(handle).unwrap_err().is_cancelled());
    drop(task);
    mock.assert_all_gone();
}

#[test]
fn a_raised_task_is_polled_once_more_and_hastened_at_each_wake() {
    let mock = Mock::new();
    let (future, place) = sleeper();
    let wake = || place.lock().unwrap().take().expect("polled").wake();
    let (task, handle) = mock.spawn_with_ref(future);
    assert_eq!(mock.run(), 1);
    drop(place.lock().unwrap().take());

    assert!(!task.raise(), "nobody polls it");
    assert_eq!((mock.queued(), mock.run_ahead()), (1, 1));
    for _ in 0..2 {
        wake();
        assert_eq!((mock.queued(), mock.run_ahead()), (1, 1));
    }
    assert_eq!(mock.run(), 1, "the entry of the first time, which polls nothing");
    wake();
    assert_eq!((mock.queued(), mock.run_ahead()), (1, 1));

    task.lower();
    wake();
    assert_eq!((mock.queued(), mock.run_ahead()), (1, 0));
    assert_eq!(mock.run(), 1);
    drop(place.lock().unwrap().take().expect("polled by its entry"));

    // Complete: there is nothing to hasten.
    handle.abort();
    assert_eq!(mock.run(), 1);
    assert!(output(handle).unwrap_err().is_cancelled());
    assert!(!task.raise() && !task.bond());
    assert_eq!((mock.queued(), mock.run_ahead()), (0, 0));
    drop(task);
    mock.assert_all_gone();
}

#[test]
fn a_wake_during_a_turn_ahead_waits_for_the_entry_unless_raised() {
    for is_raised in [false, true] {
        let mock = Mock::new();
        let mut polls = 0;
        let (task, handle) = mock.spawn_with_ref(poll_fn(move |cx| {
            polls += 1;
            if polls == 1 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(polls)
        }));
        if is_raised {
            task.raise();
            assert_eq!(mock.run_ahead(), 2, "hastened by the raise and by the wake");
        } else {
            task.clone().run_ahead();
            assert!(!handle.is_finished());
        }
        assert_eq!(mock.run(), 1);
        assert_eq!(output(handle).unwrap(), 2);
        drop(task);
        mock.assert_all_gone();
    }
}

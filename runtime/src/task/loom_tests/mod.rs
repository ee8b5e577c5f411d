//! Models of the state word: every interleaving of a poller with wakers, aborters and joiners.
//!
//! The tasks are real; the scheduler is a queue behind a lock. Flags that stand for a waker's data
//! are Relaxed: the word itself has to publish them.

mod abort;
mod ahead;
mod join;
mod reference;
mod wake;

use super::TaskRef;
use super::mock::{Mock, Tracked};
use crate::sync_types::atomic::{AtomicUsize, Ordering};
use loom::thread::JoinHandle as Thread;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// Ready when as many events as `wanted` have been announced.
struct Events {
    seen: Arc<AtomicUsize>,
    wanted: usize,
    /// Where the task's waker goes at the first poll.
    waker: Arc<Mutex<Option<Waker>>>,
    held: Option<Tracked>,
}

impl Future for Events {
    /// Moves from the future to the output, so that both are tracked.
    type Output = Tracked;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Tracked> {
        self.waker.lock().unwrap().get_or_insert_with(|| cx.waker().clone());
        if self.seen.load(Ordering::Relaxed) < self.wanted {
            return Poll::Pending;
        }
        Poll::Ready(self.held.take().expect("polled once after the last event"))
    }
}

/// One task that waits for events.
struct Model {
    mock: Mock,
    task: TaskRef,
    seen: Arc<AtomicUsize>,
    waker: Arc<Mutex<Option<Waker>>>,
}

impl Model {
    /// The task is in the queue, not polled yet.
    fn new(wanted: usize) -> (Self, super::JoinHandle<Tracked>) {
        let mock = Mock::new();
        let (seen, waker) = (Arc::new(AtomicUsize::new(0)), Arc::default());
        let future = Events {
            seen: Arc::clone(&seen),
            wanted,
            waker: Arc::clone(&waker),
            held: Some(mock.ledger().track()),
        };
        let (task, handle) = mock.spawn_with_ref(future);
        (Self { mock, task, seen, waker }, handle)
    }

    /// The task has been polled once: it sleeps, or is complete if it wants no event. Also returns
    /// its waker.
    fn asleep(wanted: usize) -> (Self, super::JoinHandle<Tracked>, Waker) {
        let (model, handle) = Self::new(wanted);
        assert_eq!(model.mock.run(), 1);
        let waker = model.waker.lock().unwrap().take().expect("polled once");
        (model, handle, waker)
    }

    /// The task is in the queue, and its waker out.
    fn woken(wanted: usize) -> (Self, super::JoinHandle<Tracked>, Waker) {
        let (model, handle, waker) = Self::asleep(wanted);
        waker.wake_by_ref();
        assert_eq!(model.mock.queued(), 1);
        (model, handle, waker)
    }

    fn announce(&self) -> impl FnOnce() + 'static {
        let seen = Arc::clone(&self.seen);
        move || {
            seen.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A worker: polls until it finds the queue empty.
    fn worker(&self) -> Thread<()> {
        let mock = self.mock.clone();
        loom::thread::spawn(move || {
            mock.run();
        })
    }

    /// Everything is dropped: the task has to be gone, without a panic on the way.
    fn finish(self) {
        let Self { mock, task, waker, .. } = self;
        drop((waker.lock().unwrap().take(), task));
        assert_eq!(mock.panics(), 0);
        mock.assert_all_gone();
    }
}

/// Polls a handle once, with a waker.
fn poll_handle(
    handle: &mut super::JoinHandle<Tracked>,
    waker: &Waker,
) -> Poll<Result<Tracked, super::JoinError>> {
    Pin::new(handle).poll(&mut Context::from_waker(waker))
}

/// The output of a task that has completed.
fn output(handle: &mut super::JoinHandle<Tracked>) -> Result<Tracked, super::JoinError> {
    match poll_handle(handle, Waker::noop()) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the task has not completed: a wake was lost"),
    }
}

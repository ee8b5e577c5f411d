//! Models of a work item: every interleaving of those who queue, cancel, disable, flush and delay it
//! with a worker.
//!
//! The books of the mock queue notice a ticket that is used twice or finished twice, the task's
//! state a queue's reference too many.

use super::mock::{Item, MockQueue};
use crate::sync_types::atomic::{AtomicUsize, Ordering};
use crate::sync_types::bounded_model;
use loom::thread::JoinHandle;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

struct Model {
    item: Item,
    queue: MockQueue,
    runs: Arc<AtomicUsize>,
    /// 1 while the closure is called.
    inside: Arc<AtomicUsize>,
}

impl Model {
    fn new() -> Self {
        let (runs, inside) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (count, depth) = (runs.clone(), inside.clone());
        let item = Item::new(move || {
            assert_eq!(depth.fetch_add(1, Ordering::Relaxed), 0, "it runs twice at once");
            // Relaxed: what is stored before a queue() has to be ordered by that.
            count.fetch_add(1, Ordering::Relaxed);
            depth.fetch_sub(1, Ordering::Relaxed);
        });
        Self { item, queue: MockQueue::new(), runs, inside }
    }

    fn worker(&self) -> JoinHandle<()> {
        worker(&self.queue)
    }

    fn runs(&self) -> usize {
        self.runs.load(Ordering::Relaxed)
    }

    /// What is left in the queue runs, and then all is idle.
    fn finish(self) {
        self.queue.run();
        assert!(!self.item.control.is_busy());
        assert_eq!(self.inside.load(Ordering::Relaxed), 0);
        assert_eq!((self.item.control.panics(), self.queue.panics()), (0, 0));
        self.queue.assert_idle();
        let runs = self.runs.clone();
        drop(self);
        assert_eq!(Arc::strong_count(&runs), 1, "the closure is gone");
    }
}

fn worker(queue: &MockQueue) -> JoinHandle<()> {
    let queue = queue.clone();
    loom::thread::spawn(move || queue.run())
}

#[test]
fn cancel_against_the_worker() {
    // Cancelled or executed, never both.
    loom::model(|| {
        let model = Model::new();
        assert!(model.item.queue(&model.queue));
        let worker = model.worker();
        let was_pending = model.item.cancel();
        worker.join().unwrap();
        assert_eq!(model.runs(), usize::from(!was_pending));
        model.finish();
    });
}

#[test]
fn cancel_and_queue_again_against_the_worker() {
    // After a cancel that came too late, the new queueing is one more execution.
    loom::model(|| {
        let model = Model::new();
        model.item.queue(&model.queue);
        let worker = model.worker();
        let was_pending = model.item.cancel();
        assert!(model.item.queue(&model.queue), "nobody else queues it");
        worker.join().unwrap();
        model.queue.run();
        assert_eq!(model.runs(), if was_pending { 1 } else { 2 });
        model.finish();
    });
}

#[test]
fn a_queue_against_the_end_of_the_execution() {
    // Whatever queue() says, an execution follows that sees what was stored before.
    loom::model(|| {
        let stored = Arc::new(AtomicUsize::new(0));
        let seen = Arc::new(AtomicUsize::new(0));
        let (read, last) = (stored.clone(), seen.clone());
        let item = Item::new(move || last.store(read.load(Ordering::Relaxed), Ordering::Relaxed));
        let queue = MockQueue::new();
        item.queue(&queue);
        let worker = worker(&queue);
        stored.store(1, Ordering::Relaxed);
        item.queue(&queue);
        worker.join().unwrap();
        queue.run();
        assert_eq!(seen.load(Ordering::Relaxed), 1);
        queue.assert_idle();
    });
}

#[test]
fn two_queues_and_two_workers() {
    bounded_model(|| {
        let model = Model::new();
        let elsewhere = MockQueue::new();
        model.item.queue(&model.queue);
        let (first, second) = (model.worker(), worker(&elsewhere));
        let queued = model.item.queue(&elsewhere);
        first.join().unwrap();
        second.join().unwrap();
        elsewhere.run();
        model.queue.run();
        assert_eq!(model.runs(), 1 + usize::from(queued));
        elsewhere.assert_idle();
        model.finish();
    });
}

#[test]
fn cancel_against_a_worker_that_meets_the_execution() {
    bounded_model(|| {
        let model = Model::new();
        let elsewhere = MockQueue::new();
        model.item.queue(&model.queue);
        let first = model.worker();
        let queued = model.item.queue(&elsewhere);
        let second = worker(&elsewhere);
        let cancelled = model.item.cancel();
        first.join().unwrap();
        second.join().unwrap();
        elsewhere.run();
        model.queue.run();
        assert_eq!(model.runs(), 1 + usize::from(queued) - usize::from(cancelled));
        elsewhere.assert_idle();
        model.finish();
    });
}

#[test]
fn disable_against_queue() {
    // After disable() nothing begins.
    bounded_model(|| {
        let model = Model::new();
        let (item, queue) = (model.item.clone(), model.queue.clone());
        let queueing = loom::thread::spawn(move || item.queue(&queue));
        let worker = model.worker();
        model.item.control.disable(&model.item.task);
        assert!(!model.item.control.is_pending());
        assert!(!model.item.queue(&model.queue));
        queueing.join().unwrap();
        assert!(!model.item.control.is_pending());
        worker.join().unwrap();
        assert!(model.item.control.enable());
        model.finish();
    });
}

#[test]
fn a_timer_against_cancel() {
    loom::model(|| {
        let model = Model::new();
        model.item.queue_delayed(&model.queue, HOUR);
        let queue = model.queue.clone();
        let firing = loom::thread::spawn(move || queue.fire(HOUR * 2));
        assert!(model.item.cancel(), "from the timer or from the list");
        firing.join().unwrap();
        assert_eq!(model.queue.queued(), 0);
        assert_eq!(model.runs(), 0);
        model.finish();
    });
}

#[test]
fn a_timer_against_mod_delayed() {
    loom::model(|| {
        let model = Model::new();
        model.item.queue_delayed(&model.queue, HOUR);
        let queue = model.queue.clone();
        let firing = loom::thread::spawn(move || queue.fire(HOUR * 2));
        assert!(model.item.mod_delayed(&model.queue, HOUR * 4));
        firing.join().unwrap();
        assert_eq!(model.queue.queued(), 0, "the old time has passed, the new one has not");
        model.queue.fire(HOUR * 8);
        model.queue.run();
        assert_eq!(model.runs(), 1);
        model.finish();
    });
}

#[test]
fn a_timer_against_cancel_and_the_worker() {
    bounded_model(|| {
        let model = Model::new();
        model.item.queue_delayed(&model.queue, HOUR);
        let queue = model.queue.clone();
        let firing = loom::thread::spawn(move || {
            queue.fire(HOUR * 2);
            queue.run();
        });
        let cancelled = model.item.cancel();
        firing.join().unwrap();
        assert_eq!(model.runs(), usize::from(!cancelled));
        model.finish();
    });
}

#[test]
fn flush_against_the_worker() {
    // Woken, or over already.
    loom::model(|| {
        let model = Model::new();
        model.item.queue(&model.queue);
        let worker = model.worker();
        {
            let mut flush = pin!(model.item.flush());
            let mut cx = Context::from_waker(Waker::noop());
            let first = flush.as_mut().poll(&mut cx);
            worker.join().unwrap();
            match first {
                Poll::Ready(waited) => assert!(!waited),
                Poll::Pending => assert_eq!(flush.poll(&mut cx), Poll::Ready(true)),
            }
        }
        assert_eq!(model.runs(), 1);
        model.finish();
    });
}

#[test]
fn the_last_handle_against_the_end_of_the_execution() {
    loom::model(|| {
        let model = Model::new();
        model.item.queue(&model.queue);
        let worker = model.worker();
        let (queue, runs) = (model.queue.clone(), model.runs.clone());
        drop(model);
        worker.join().unwrap();
        queue.run();
        assert_eq!(runs.load(Ordering::Relaxed), 1);
        assert_eq!(Arc::strong_count(&runs), 1, "the closure is gone");
        queue.assert_idle();
    });
}

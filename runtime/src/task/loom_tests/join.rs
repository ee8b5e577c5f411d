//! The `JoinHandle` against completion: the output is read or dropped once, and so is the waker.

use super::{Model, output, poll_handle};
use crate::task::mock::WakeCount;
use std::sync::Arc;
use std::task::Poll;

#[test]
fn join_against_completion() {
    // The output is seen, or the waker is woken.
    loom::model(|| {
        let (model, mut handle) = Model::new(0);
        let worker = model.worker();
        let (count, waker) = WakeCount::new();
        let first = poll_handle(&mut handle, &waker);
        worker.join().unwrap();
        match first {
            Poll::Ready(output) => output.unwrap().touch(),
            Poll::Pending => {
                assert_eq!(count.get(), 1, "neither seen nor woken");
                output(&mut handle).unwrap().touch();
            }
        }
        drop((handle, waker));
        assert_eq!(Arc::strong_count(&count), 1, "a waker leaked");
        model.finish();
    });
}

#[test]
fn join_with_another_waker_against_completion() {
    // The waker of the latest poll counts; changing it races with the completer's use of it.
    loom::model(|| {
        let (model, mut handle) = Model::new(0);
        let (first, first_waker) = WakeCount::new();
        let (second, second_waker) = WakeCount::new();
        assert!(poll_handle(&mut handle, &first_waker).is_pending());
        let worker = model.worker();
        let polled = poll_handle(&mut handle, &second_waker);
        worker.join().unwrap();
        match polled {
            Poll::Ready(output) => output.unwrap().touch(),
            Poll::Pending => {
                assert_eq!(second.get(), 1, "neither seen nor woken");
                output(&mut handle).unwrap().touch();
            }
        }
        drop((handle, first_waker, second_waker));
        assert_eq!((Arc::strong_count(&first), Arc::strong_count(&second)), (1, 1));
        model.finish();
    });
}

#[test]
fn drop_against_completion() {
    // Exactly one of the two drops the output.
    loom::model(|| {
        let (model, handle) = Model::new(0);
        let worker = model.worker();
        drop(handle);
        worker.join().unwrap();
        model.finish();
    });
}

#[test]
fn drop_with_waker_against_completion() {
    // The output as above; and the waker, which the completer may be using, is dropped once.
    loom::model(|| {
        let (model, mut handle) = Model::new(0);
        let (count, waker) = WakeCount::new();
        assert!(poll_handle(&mut handle, &waker).is_pending());
        drop(waker);
        let worker = model.worker();
        drop(handle);
        worker.join().unwrap();
        assert_eq!(Arc::strong_count(&count), 1, "a waker leaked");
        model.finish();
    });
}

#[test]
fn poll_then_drop_against_completion() {
    loom::model(|| {
        let (model, mut handle) = Model::new(0);
        let (count, waker) = WakeCount::new();
        let worker = model.worker();
        drop(poll_handle(&mut handle, &waker));
        drop((handle, waker));
        worker.join().unwrap();
        assert_eq!(Arc::strong_count(&count), 1, "a waker leaked");
        model.finish();
    });
}

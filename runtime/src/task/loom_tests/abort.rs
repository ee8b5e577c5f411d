//! Aborts: the future is dropped once, by a poller, and the joiner hears of it.

use super::{Model, output};
use crate::sync_types::bounded_model;

#[test]
fn abort_against_wake() {
    // Both want to queue the sleeping task: one of them does, and its poller sees the abort.
    loom::model(|| {
        let (model, mut handle, waker) = Model::asleep(1);
        let abort = handle.abort_handle();
        let aborting = loom::thread::spawn(move || abort.abort());
        model.announce()();
        waker.wake_by_ref();
        aborting.join().unwrap();
        assert_eq!(model.mock.run(), 1);
        assert!(output(&mut handle).is_err_and(|error| error.is_cancelled()));
        drop((handle, waker));
        model.finish();
    });
}

#[test]
fn abort_against_poll() {
    // The poll ends with Pending; the abort must not get lost in it.
    loom::model(|| {
        let (model, mut handle, waker) = Model::woken(1);
        let worker = model.worker();
        handle.abort();
        worker.join().unwrap();
        model.mock.run();
        assert!(output(&mut handle).is_err_and(|error| error.is_cancelled()));
        drop((handle, waker));
        model.finish();
    });
}

#[test]
fn abort_against_completion() {
    // Completed or cancelled, never both: one output or one error, and nothing left in the queue.
    loom::model(|| {
        let (model, mut handle) = Model::new(0);
        let worker = model.worker();
        let abort = handle.abort_handle();
        abort.abort();
        abort.abort();
        worker.join().unwrap();
        assert_eq!(model.mock.run(), 0);
        assert!(handle.is_finished());
        match output(&mut handle) {
            Ok(output) => output.touch(),
            Err(error) => assert!(error.is_cancelled()),
        }
        drop((handle, abort));
        model.finish();
    });
}

#[test]
fn abort_against_wake_and_poll() {
    bounded_model(|| {
        let (model, mut handle, waker) = Model::woken(1);
        let worker = model.worker();
        let abort = handle.abort_handle();
        let aborting = loom::thread::spawn(move || abort.abort());
        model.announce()();
        waker.wake();
        worker.join().unwrap();
        aborting.join().unwrap();
        model.mock.run();
        drop(output(&mut handle));
        drop(handle);
        model.finish();
    });
}

//! Wakes: none is lost, and a task is in the queue once.

use super::{Model, output};
use crate::sync_types::bounded_model;

#[test]
fn wake_by_ref_against_poll() {
    // The poll may begin before, while and after the task is woken with its event.
    loom::model(|| {
        let (model, mut handle, waker) = Model::woken(1);
        let worker = model.worker();
        model.announce()();
        waker.wake_by_ref();
        worker.join().unwrap();
        model.mock.run();
        drop(output(&mut handle));
        drop((handle, waker));
        model.finish();
    });
}

#[test]
fn wake_by_value_against_poll() {
    loom::model(|| {
        let (model, mut handle, waker) = Model::woken(1);
        let worker = model.worker();
        model.announce()();
        waker.wake();
        worker.join().unwrap();
        model.mock.run();
        drop(output(&mut handle));
        drop(handle);
        model.finish();
    });
}

#[test]
fn two_wakers_against_poll() {
    // Of two events the second must be seen too, whichever waker finds PENDING set already.
    bounded_model(|| {
        let (model, mut handle, waker) = Model::woken(2);
        let worker = model.worker();
        let (announce, other) = (model.announce(), waker.clone());
        let waking = loom::thread::spawn(move || {
            announce();
            other.wake();
        });
        model.announce()();
        waker.wake_by_ref();
        worker.join().unwrap();
        waking.join().unwrap();
        model.mock.run();
        drop(output(&mut handle));
        drop((handle, waker));
        model.finish();
    });
}

#[test]
fn two_wakers_of_a_sleeping_task() {
    // Enqueueing a task twice panics in the mock.
    loom::model(|| {
        let (model, mut handle, waker) = Model::asleep(2);
        let (announce, other) = (model.announce(), waker.clone());
        let waking = loom::thread::spawn(move || {
            announce();
            other.wake();
        });
        model.announce()();
        waker.wake_by_ref();
        waking.join().unwrap();
        assert_eq!(model.mock.run(), 1);
        drop(output(&mut handle));
        drop((handle, waker));
        model.finish();
    });
}

#[test]
fn two_workers_against_wake() {
    // A wake during the poll must not let the second worker poll at the same time: the stage is
    // a cell that loom watches, and a conflict shows as a panic of the task.
    loom::model(|| {
        let (model, mut handle, waker) = Model::woken(1);
        let workers = [model.worker(), model.worker()];
        model.announce()();
        waker.wake_by_ref();
        for worker in workers {
            worker.join().unwrap();
        }
        model.mock.run();
        drop(output(&mut handle));
        drop((handle, waker));
        model.finish();
    });
}

//! References: the last one frees the task, once, after every other use of it.

use super::Model;

#[test]
fn last_references_of_a_completed_task() {
    loom::model(|| {
        let (model, handle, waker) = Model::asleep(0);
        let other = waker.clone();
        let dropping = loom::thread::spawn(move || drop(handle));
        let waking = loom::thread::spawn(move || other.wake());
        drop(waker);
        dropping.join().unwrap();
        waking.join().unwrap();
        model.finish();
    });
}

#[test]
fn completion_against_last_references() {
    // The worker gives back the queue's and the owned list's reference at once.
    loom::model(|| {
        let (model, handle, waker) = Model::woken(1);
        model.announce()();
        let worker = model.worker();
        let abort = handle.abort_handle();
        drop(handle);
        waker.wake();
        drop(abort);
        worker.join().unwrap();
        model.mock.run();
        model.finish();
    });
}

#[test]
fn shutdown_against_completion() {
    // The owned list's reference goes with the list or with the task.
    loom::model(|| {
        let (model, handle) = Model::new(0);
        drop(handle);
        let worker = model.worker();
        while let Some(orphan) = model.mock.owned().close(0) {
            orphan.abort();
        }
        worker.join().unwrap();
        model.mock.run();
        model.finish();
    });
}

#[test]
fn shutdown_against_sleeping_and_wake() {
    // Nothing but the owned list and a waker keeps the task: the abort queues it, whatever the
    // waker does.
    loom::model(|| {
        let (model, handle, waker) = Model::asleep(1);
        drop(handle);
        let waking = loom::thread::spawn(move || waker.wake());
        while let Some(orphan) = model.mock.owned().close(0) {
            orphan.abort();
        }
        waking.join().unwrap();
        model.mock.run();
        model.finish();
    });
}

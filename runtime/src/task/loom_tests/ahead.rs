//! Polls ahead of the queue: never two at once, no wake is lost, and one entry at most.

use super::{Model, output};
use crate::sync_types::bounded_model;
use crate::task::JoinHandle;
use crate::task::mock::Tracked;
use loom::thread::JoinHandle as Thread;

impl Model {
    /// Somebody who polls the task ahead of its turn, once.
    fn stand_in(&self) -> Thread<()> {
        let task = self.task.clone();
        loom::thread::spawn(move || task.run_ahead())
    }

    /// Both kinds of turns, until there are none.
    fn settle(&self) {
        while self.mock.run() + self.mock.run_ahead() > 0 {}
    }

    /// After all turns the output is there, and nothing else is left.
    fn end(self, mut handle: JoinHandle<Tracked>) {
        self.settle();
        drop(output(&mut handle).unwrap());
        drop(handle);
        self.finish();
    }
}

#[test]
fn a_turn_ahead_against_the_turn_of_the_entry() {
    loom::model(|| {
        let (model, mut handle, waker) = Model::woken(1);
        model.announce()();
        let (stand_in, worker) = (model.stand_in(), model.worker());
        stand_in.join().unwrap();
        worker.join().unwrap();
        drop(output(&mut handle).unwrap());
        drop((handle, waker));
        model.finish();
    });
}

#[test]
fn a_wake_against_a_turn_ahead_and_the_entry() {
    // The wake finds the task queued, running, overtaken, or running by its entry.
    bounded_model(|| {
        let (model, handle, waker) = Model::woken(1);
        let (stand_in, worker) = (model.stand_in(), model.worker());
        model.announce()();
        waker.wake();
        stand_in.join().unwrap();
        worker.join().unwrap();
        model.end(handle);
    });
}

#[test]
fn a_wake_of_an_overtaken_task_against_its_entry() {
    // It sleeps again, and its entry is still there: the wake must not make another, and the entry
    // must not be dropped as stale after the wake.
    loom::model(|| {
        let (model, handle, waker) = Model::woken(1);
        model.task.clone().run_ahead();
        let worker = model.worker();
        model.announce()();
        waker.wake_by_ref();
        worker.join().unwrap();
        drop(waker);
        model.end(handle);
    });
}

#[test]
fn raising_against_a_wake() {
    // Whoever comes second hastens it; whoever comes first queues it.
    loom::model(|| {
        let (model, mut handle, waker) = Model::asleep(1);
        let task = model.task.clone();
        let raising = loom::thread::spawn(move || task.raise());
        model.announce()();
        waker.wake();
        assert!(!raising.join().unwrap(), "nobody polls it");
        assert_eq!(model.mock.queued(), 1);
        assert!(model.mock.run_ahead() > 0);
        drop(output(&mut handle).unwrap());
        drop(handle);
        assert_eq!(model.mock.run(), 1, "the entry that was overtaken");
        model.finish();
    });
}

#[test]
fn a_turn_ahead_against_queueing() {
    // Whoever was told by the wake to queue the task needs its scheduler, which the owned list keeps:
    // see the mock's queue.
    loom::model(|| {
        let (model, handle, waker) = Model::asleep(1);
        let ahead = model.stand_in();
        model.announce()();
        waker.wake();
        ahead.join().unwrap();
        model.end(handle);
    });
}

#[test]
fn raising_against_a_poll() {
    // The poll may be over, under way, or to come: in any case there is another after the raise.
    loom::model(|| {
        let (model, handle, waker) = Model::woken(1);
        let worker = model.worker();
        model.announce()();
        model.task.raise();
        worker.join().unwrap();
        drop(waker);
        model.end(handle);
    });
}

#[test]
fn lowering_against_wake_and_turns() {
    bounded_model(|| {
        let (model, handle, waker) = Model::woken(1);
        model.task.raise();
        let task = model.task.clone();
        let lowering = loom::thread::spawn(move || task.lower());
        let worker = model.worker();
        model.announce()();
        waker.wake();
        lowering.join().unwrap();
        worker.join().unwrap();
        model.end(handle);
    });
}

#[test]
fn abort_against_a_turn_ahead() {
    loom::model(|| {
        let (model, mut handle, waker) = Model::woken(1);
        let stand_in = model.stand_in();
        handle.abort();
        stand_in.join().unwrap();
        model.settle();
        assert!(output(&mut handle).is_err_and(|error| error.is_cancelled()));
        drop((handle, waker));
        model.finish();
    });
}

#[test]
fn bonding_against_completion() {
    loom::model(|| {
        let (model, handle) = Model::new(0);
        let worker = model.worker();
        let is_bonded = model.task.bond();
        worker.join().unwrap();
        assert!(!model.task.bond(), "it is complete");
        if is_bonded {
            model.task.unbond();
        }
        drop(handle);
        model.finish();
    });
}

//! A core that changes hands: former holder H pushes while new holder S takes the core over.
//!
//! At the end each task is with S, in the inject list, or was taken by H to run; nothing is left
//! in the queues of H, which nobody watches any more. `membarrier` is unknown to loom: S fences in
//! its place, and so does the compiler barrier of H.

use super::super::handoff::{give_away, has_lost, inherit};
use super::super::ring::{CAPACITY, Ring};
use super::super::slot::Slot;
use super::{assert_each_once, tasks};
use crate::pool::{Holder, Inject, NOBODY};
use crate::sync_types::atomic::{Ordering, fence};
use crate::sync_types::bounded_model;
use crate::task::mock::Mock;
use crate::task::{Id, Notified};
use std::sync::Arc;

const H: u32 = 0;
const S: u32 = 1;

#[derive(Clone)]
struct Model {
    mock: Mock,
    core: Arc<Core>,
}

struct Core {
    holder: Holder,
    inject: Inject,
    slot: Slot,
    ring: Ring,
}

impl Model {
    fn new() -> Self {
        let holder = Holder::new();
        assert!(holder.change(NOBODY, H));
        let core = Core { holder, inject: Inject::new(), slot: Slot::new(), ring: Ring::new() };
        Self { mock: Mock::new(), core: Arc::new(core) }
    }

    /// `Core::depose()`, `Shared::barrier()` and `Local::inherit()`; returns the ring of S.
    fn take_over(&self) -> loom::thread::JoinHandle<Ring> {
        let core = Arc::clone(&self.core);
        loom::thread::spawn(move || {
            let own = Ring::new();
            assert!(core.holder.change(H, S));
            fence(Ordering::SeqCst);
            // SAFETY: `own` is this thread's.
            unsafe { inherit(&core.slot, &core.ring, &own, &core.inject) };
            own
        })
    }

    /// `Local::settle()` of H.
    fn settle(&self) {
        let core = &self.core;
        if has_lost(&core.holder, H, false) {
            give_away(&core.slot, &core.ring, &core.inject);
        }
    }

    /// `Local::requeue()` of H.
    fn requeue(&self, task: Notified) {
        // SAFETY: only H calls this.
        if let Err(task) = unsafe { self.core.ring.push(task) } {
            self.core.inject.push(task);
        }
        self.settle();
    }

    /// `Local::schedule()` of H.
    fn schedule(&self, task: Notified) {
        match self.core.slot.replace(task) {
            Some(displaced) => self.requeue(displaced),
            None => self.settle(),
        }
    }

    /// Before H looks at the holder the next time, everything has to be where somebody sees it.
    fn finish(self, own: Ring, mut taken: Vec<Notified>, ids: &[Id]) {
        let core = &self.core;
        assert!(core.slot.is_empty() && core.ring.is_empty(), "stranded with the former holder");
        taken.extend(std::iter::from_fn(|| own.pop()));
        core.inject.pop_many(usize::MAX, |task| taken.push(task));
        assert_each_once(&self.mock, taken, ids);
    }
}

#[test]
fn wake_against_takeover() {
    // The first wake of a poll goes to the slot.
    loom::model(|| {
        let model = Model::new();
        let (rest, ids) = tasks(&model.mock, 1);
        let taking = model.take_over();
        rest.into_iter().for_each(|task| model.schedule(task));
        let own = taking.join().unwrap();
        model.finish(own, Vec::new(), &ids);
    });
}

#[test]
fn wakes_against_takeover() {
    // The second displaces the first from the slot, which S may have emptied meanwhile.
    bounded_model(|| {
        let model = Model::new();
        let (rest, ids) = tasks(&model.mock, 2);
        let taking = model.take_over();
        rest.into_iter().for_each(|task| model.schedule(task));
        let own = taking.join().unwrap();
        model.finish(own, Vec::new(), &ids);
    });
}

#[test]
fn requeue_against_takeover() {
    loom::model(|| {
        let model = Model::new();
        let (mut rest, ids) = tasks(&model.mock, 2);
        model.requeue(rest.remove(0));
        let taking = model.take_over();
        rest.into_iter().for_each(|task| model.requeue(task));
        let own = taking.join().unwrap();
        model.finish(own, Vec::new(), &ids);
    });
}

#[test]
fn push_and_thief_against_takeover() {
    // A thief of another core at work in H's ring must not make it look empty to S.
    bounded_model(|| {
        let model = Model::new();
        let (mut rest, ids) = tasks(&model.mock, 3);
        model.requeue(rest.remove(0));
        model.requeue(rest.remove(0));
        let taking = model.take_over();
        let thief = loom::thread::spawn({
            let core = Arc::clone(&model.core);
            move || {
                let own = Ring::new();
                // SAFETY: `own` is this thread's.
                unsafe { core.ring.steal_into(&own, 2) };
                own
            }
        });
        rest.into_iter().for_each(|task| model.requeue(task));
        let stolen = thief.join().unwrap();
        let own = taking.join().unwrap();
        model.finish(own, std::iter::from_fn(|| stolen.pop()).collect(), &ids);
    });
}

#[test]
fn batch_from_inject_against_takeover() {
    // H was accused in a poll that has just ended, believes itself the holder, and takes a batch:
    // `Local::take_injected()`. It will poll the first task, and that may block.
    loom::model(|| {
        let model = Model::new();
        let (rest, ids) = tasks(&model.mock, 2);
        rest.into_iter().for_each(|task| model.core.inject.push(task));
        let taking = model.take_over();
        let mut first = None;
        if model.core.holder.get() == H {
            model.core.inject.pop_many(CAPACITY / 2, |task| {
                if first.is_none() {
                    first = Some(task);
                } else {
                    // SAFETY: only H pushes.
                    assert!(unsafe { model.core.ring.push(task) }.is_ok());
                }
            });
            model.settle();
        }
        let own = taking.join().unwrap();
        model.finish(own, first.into_iter().collect(), &ids);
    });
}

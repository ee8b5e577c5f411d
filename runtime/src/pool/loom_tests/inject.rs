//! The inject list: pushers, a consumer and a thief; and when it may look empty.

use super::super::inject::{Chain, Inject};
use crate::sync_types::bounded_model;
use crate::task::mock::Mock;
use crate::task::{Id, Notified};
use std::sync::Arc;

struct Model {
    mock: Mock,
    inject: Arc<Inject>,
}

impl Model {
    fn new() -> Self {
        Self { mock: Mock::new(), inject: Arc::new(Inject::new()) }
    }

    fn task(&self) -> Notified {
        self.mock.task(async {}).0
    }

    fn pusher(&self, tasks: Vec<Notified>) -> loom::thread::JoinHandle<()> {
        let inject = Arc::clone(&self.inject);
        loom::thread::spawn(move || tasks.into_iter().for_each(|task| inject.push(task)))
    }

    fn thief(&self, max: usize) -> loom::thread::JoinHandle<Vec<Notified>> {
        let inject = Arc::clone(&self.inject);
        loom::thread::spawn(move || {
            let mut taken = Vec::new();
            inject.steal_many(max, |task| taken.push(task));
            taken
        })
    }

    fn finish(self, mut taken: Vec<Notified>, mut ids: Vec<Id>) {
        self.inject.pop_many(usize::MAX, |task| taken.push(task));
        assert!(self.inject.is_empty());
        let mut found: Vec<_> = taken.iter().map(Notified::id).collect();
        found.sort_unstable();
        ids.sort_unstable();
        assert_eq!(found, ids, "a task was lost or taken twice");
        taken.into_iter().for_each(Notified::run);
        self.mock.assert_all_gone();
    }
}

#[test]
fn pushers_against_consumer_and_thief() {
    bounded_model(|| {
        let model = Model::new();
        let (a, b, c) = (model.task(), model.task(), model.task());
        let ids = vec![a.id(), b.id(), c.id()];
        model.inject.push(a);
        let pushers = [model.pusher(vec![b]), model.pusher(vec![c])];
        let thief = model.thief(1);
        let mut taken = Vec::new();
        model.inject.pop_many(1, |task| taken.push(task));
        pushers.into_iter().for_each(|pusher| pusher.join().unwrap());
        taken.extend(thief.join().unwrap());
        model.finish(taken, ids);
    });
}

#[test]
fn order_of_arrival() {
    // A consumer that takes everything it sees gets one pusher's tasks in order.
    loom::model(|| {
        let model = Model::new();
        let (a, b) = (model.task(), model.task());
        let ids = vec![a.id(), b.id()];
        let pusher = model.pusher(vec![a, b]);
        let mut taken = Vec::new();
        model.inject.pop_many(usize::MAX, |task| taken.push(task));
        pusher.join().unwrap();
        model.inject.pop_many(usize::MAX, |task| taken.push(task));
        assert_eq!(taken.iter().map(Notified::id).collect::<Vec<_>>(), ids);
        model.finish(taken, ids);
    });
}

#[test]
fn never_looks_empty_while_a_task_is_in_it() {
    // Two tasks, one thief that takes one at most: whoever pushed them must not fall asleep. The
    // moment that matters is when the thief moves the stack to the backlog.
    loom::model(|| {
        let model = Model::new();
        let (a, b) = (model.task(), model.task());
        let ids = vec![a.id(), b.id()];
        model.inject.push(a);
        let thief = model.thief(1);
        model.inject.push(b);
        assert!(!model.inject.is_empty(), "a task is invisible");
        let taken = thief.join().unwrap();
        model.finish(taken, ids);
    });
}

#[test]
fn never_looks_empty_to_others() {
    // As above, for somebody who has not pushed but knows of the push.
    loom::model(|| {
        let model = Model::new();
        let (a, b) = (model.task(), model.task());
        let ids = vec![a.id(), b.id()];
        model.inject.push(a);
        model.inject.push(b);
        let thief = model.thief(1);
        let looker = loom::thread::spawn({
            let inject = Arc::clone(&model.inject);
            move || assert!(!inject.is_empty(), "a task is invisible")
        });
        looker.join().unwrap();
        let taken = thief.join().unwrap();
        model.finish(taken, ids);
    });
}

#[test]
fn chain_against_pusher_and_consumer() {
    bounded_model(|| {
        let model = Model::new();
        let (a, b, c, d) = (model.task(), model.task(), model.task(), model.task());
        let ids = vec![a.id(), b.id(), c.id(), d.id()];
        let order = [a.id(), b.id(), c.id()];
        let pusher = model.pusher(vec![d]);
        let chain = loom::thread::spawn({
            let inject = Arc::clone(&model.inject);
            move || {
                let mut chain = Chain::of(a);
                chain.append(b);
                chain.append(c);
                inject.push_chain(chain);
            }
        });
        let mut taken = Vec::new();
        model.inject.pop_many(2, |task| taken.push(task));
        pusher.join().unwrap();
        chain.join().unwrap();
        model.inject.pop_many(usize::MAX, |task| taken.push(task));
        let seen = taken.iter().map(Notified::id).filter(|id| order.contains(id));
        assert!(seen.eq(order), "a chain came apart");
        model.finish(taken, ids);
    });
}

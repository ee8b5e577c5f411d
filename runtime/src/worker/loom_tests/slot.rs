//! The next slot: its owner replaces and takes, somebody else takes.

use super::super::slot::Slot;
use super::{assert_each_once, tasks};
use crate::task::mock::Mock;
use std::sync::Arc;

#[test]
fn owner_against_taker() {
    loom::model(|| {
        let mock = Mock::new();
        let (rest, ids) = tasks(&mock, 3);
        let slot = Arc::new(Slot::new());
        let taker = loom::thread::spawn({
            let slot = Arc::clone(&slot);
            move || [slot.take(), slot.take()]
        });
        let mut taken = Vec::new();
        for task in rest {
            taken.extend(slot.replace(task));
        }
        taken.extend(slot.take());
        taken.extend(taker.join().unwrap().into_iter().flatten());
        taken.extend(slot.take());
        assert_each_once(&mock, taken, &ids);
    });
}

#[test]
fn two_takers() {
    loom::model(|| {
        let mock = Mock::new();
        let (rest, ids) = tasks(&mock, 1);
        let slot = Arc::new(Slot::new());
        rest.into_iter().for_each(|task| assert!(slot.replace(task).is_none()));
        let taker = loom::thread::spawn({
            let slot = Arc::clone(&slot);
            move || slot.take()
        });
        let here = slot.take();
        assert_each_once(&mock, taker.join().unwrap().into_iter().chain(here), &ids);
    });
}

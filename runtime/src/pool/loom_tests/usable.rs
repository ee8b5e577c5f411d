//! A CPU goes away, or comes back, while a worker starts: its thread ends up with the CPUs that are
//! right then, whoever gives them to it.
//!
//! The set and the loop are the real ones. The kernel's part, the affinity of the thread, is a number
//! that both write.

use super::super::usable::Usable;
use crate::sync_types::atomic::{AtomicU32, Ordering};
use crate::sync_types::bounded_model;
use crate::sys::affinity::CpuSet;
use std::sync::Arc;

struct Machine {
    usable: Usable,
    /// Of the worker: 0 while it is not known.
    tid: AtomicU32,
    /// 1: pinned, 2: may run anywhere.
    affinity: AtomicU32,
}

impl Machine {
    fn place(&self) {
        let pinned = if self.usable.contains(0) { 1 } else { 2 };
        self.affinity.store(pinned, Ordering::SeqCst);
    }

    /// As the thread that watches does it.
    fn set(&self, is_usable: bool) {
        self.usable.change(0, is_usable);
        self.usable.count_change();
        if self.tid.load(Ordering::SeqCst) != 0 {
            self.place();
        }
    }
}

fn model(changes: &'static [bool]) {
    bounded_model(move || {
        let machine = Arc::new(Machine {
            usable: Usable::new(&CpuSet::single(0)),
            tid: AtomicU32::new(0),
            affinity: AtomicU32::new(0),
        });
        let worker = machine.clone();
        let worker = loom::thread::spawn(move || {
            worker.tid.store(7, Ordering::SeqCst);
            worker.usable.settle(|| worker.place());
        });
        changes.iter().for_each(|&is_usable| machine.set(is_usable));
        worker.join().unwrap();
        let expected = if *changes.last().unwrap() { 1 } else { 2 };
        assert_eq!(machine.affinity.load(Ordering::SeqCst), expected);
    });
}

#[test]
fn a_cpu_goes_away_while_a_worker_starts() {
    model(&[false]);
}

#[test]
fn a_cpu_comes_back_while_a_worker_starts() {
    model(&[false, true]);
}

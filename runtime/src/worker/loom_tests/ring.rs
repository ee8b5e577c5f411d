//! The ring: one owner, thieves, each task exactly once. It holds four tasks here.

use super::super::ring::{CAPACITY, Ring};
use super::{assert_each_once, tasks};
use crate::sync_types::bounded_model;
use crate::task::Notified;
use crate::task::mock::Mock;
use std::sync::Arc;

fn drain(ring: &Ring) -> Vec<Notified> {
    std::iter::from_fn(|| ring.pop()).collect()
}

/// A thief that steals once; it owns the ring that it returns.
fn thief(victim: &Arc<Ring>, divisor: u64) -> loom::thread::JoinHandle<Ring> {
    let victim = Arc::clone(victim);
    loom::thread::spawn(move || {
        let own = Ring::new();
        // SAFETY: the ring is this thread's.
        let moved = unsafe { victim.steal_into(&own, divisor) };
        assert_eq!(own.len(), moved);
        own
    })
}

/// A ring of which some places have been used before, with the rest of the tasks for later.
fn prepared(tasks: &mut Vec<Notified>, used: usize, queued: usize) -> (Arc<Ring>, Vec<Notified>) {
    let ring = Ring::new();
    let mut taken = Vec::new();
    for task in tasks.drain(..used + queued) {
        // SAFETY: the ring is this thread's.
        assert!(unsafe { ring.push(task) }.is_ok());
        if taken.len() < used {
            taken.extend(ring.pop());
        }
    }
    (Arc::new(ring), taken)
}

/// The owner pushes (and keeps what finds no room) and pops while thieves steal.
fn owner_against_thieves(divisors: &[u64], queued: usize, pushes: usize, pops: usize) {
    let mock = Mock::new();
    // Two places have been used before, so the tail passes the end of the ring.
    let (mut rest, ids) = tasks(&mock, 2 + queued + pushes);
    let (ring, mut taken) = prepared(&mut rest, 2, queued);
    let thieves: Vec<_> = divisors.iter().map(|&divisor| thief(&ring, divisor)).collect();
    for task in rest {
        // SAFETY: this thread is the owner.
        taken.extend(unsafe { ring.push(task) }.err());
    }
    taken.extend((0..pops).filter_map(|_| ring.pop()));
    for thief in thieves {
        taken.extend(drain(&thief.join().unwrap()));
    }
    taken.extend(drain(&ring));
    assert_each_once(&mock, taken, &ids);
}

#[test]
fn owner_against_thief_of_half() {
    loom::model(|| owner_against_thieves(&[2], 2, 1, 1));
}

#[test]
fn owner_against_thief_of_all() {
    loom::model(|| owner_against_thieves(&[1], 2, 1, 1));
}

#[test]
fn owner_pushes_into_a_full_ring_against_thief() {
    // A place that the thief has read but not claimed must not be written again.
    loom::model(|| owner_against_thieves(&[1], CAPACITY, 2, 0));
}

#[test]
fn owner_refills_a_ring_against_slow_thief() {
    // The thief may read places, sleep while the owner pops and pushes anew, and then try to claim.
    loom::model(|| {
        let mock = Mock::new();
        let (mut rest, ids) = tasks(&mock, CAPACITY + 2);
        let (ring, mut taken) = prepared(&mut rest, 0, CAPACITY);
        let thief = thief(&ring, 2);
        for task in rest {
            taken.extend(ring.pop());
            // SAFETY: this thread is the owner.
            taken.extend(unsafe { ring.push(task) }.err());
        }
        taken.extend(drain(&thief.join().unwrap()));
        taken.extend(drain(&ring));
        assert_each_once(&mock, taken, &ids);
    });
}

#[test]
fn owner_against_two_thieves() {
    bounded_model(|| owner_against_thieves(&[2, 1], 2, 1, 1));
}

#[test]
fn owner_that_makes_room_against_a_thief() {
    bounded_model(|| {
        let mock = Mock::new();
        let (mut rest, ids) = tasks(&mock, 2 + CAPACITY);
        let (ring, mut taken) = prepared(&mut rest, 2, CAPACITY);
        let thief = thief(&ring, 2);
        let mut older = Vec::new();
        ring.take_half(|task| older.push(task));
        assert!(older.len() <= CAPACITY / 2);
        assert!(older.is_sorted_by_key(Notified::id), "not in order");
        taken.extend(older);
        taken.extend(drain(&thief.join().unwrap()));
        taken.extend(drain(&ring));
        assert_each_once(&mock, taken, &ids);
    });
}

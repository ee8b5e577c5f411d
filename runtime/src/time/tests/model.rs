//! The wheel against a sorted set, over random histories.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Log, Random, Timer, base, fire, timers};

const GRANULARITY: u64 = 16_384;

/// What the wheel should hold.
struct Model {
    log: Log,
    armed: BTreeMap<usize, Timer>,
    due: BTreeSet<(u64, usize)>,
    deadline: BTreeMap<usize, u64>,
}

impl Model {
    fn set(&mut self, id: usize, when: u64) {
        if let Some(old) = self.deadline.insert(id, when) {
            self.due.remove(&(old, id));
        }
        self.due.insert((when, id));
    }

    fn forget(&mut self, id: usize) -> Option<Timer> {
        let when = self.deadline.remove(&id)?;
        self.due.remove(&(when, id));
        self.armed.remove(&id)
    }

    fn random(&self, random: &mut Random) -> Option<usize> {
        let index = random.below(self.armed.len().max(1) as u64) as usize;
        self.armed.keys().nth(index).copied()
    }
}

fn history(seed: u64, granularity: u64, steps: usize) {
    let random = &mut Random::new(seed);
    let (timers, _) = timers(Duration::from_nanos(granularity));
    let mut now = base();
    fire(&timers, now);
    let mut model = Model {
        log: Log::default(),
        armed: BTreeMap::new(),
        due: BTreeSet::new(),
        deadline: BTreeMap::new(),
    };
    for step in 0..steps {
        match random.below(10) {
            0..4 => {
                let when = now + 1 + random.magnitude(48);
                let timer = Timer::armed(&timers, when, model.log.waker(step));
                model.armed.insert(step, timer);
                model.set(step, when);
            }
            4 => {
                if let Some(id) = model.random(random) {
                    drop(model.forget(id));
                }
            }
            5 => {
                if let Some(id) = model.random(random) {
                    let to = model.deadline[&id] + random.magnitude(40);
                    model.armed.get_mut(&id).unwrap().put_off(to);
                    model.set(id, to);
                }
            }
            6 => {
                if let Some(id) = model.random(random) {
                    let to = now + 1 + random.below(model.deadline[&id] - now);
                    assert!(model.armed.get_mut(&id).unwrap().bring_forward(to, true));
                    model.set(id, to);
                }
            }
            _ => {
                now = match random.below(3) {
                    0 => timers.next_deadline().min(now + (1 << 40)).max(now),
                    _ => now + random.magnitude(36),
                };
                let expected: Vec<_> = model.due.range(..=(now, usize::MAX)).copied().collect();
                assert_eq!(fire(&timers, now), expected.len(), "seed {seed}, step {step}");
                let fired = model.log.take();
                let ticks: Vec<_> = fired.iter().map(|id| model.deadline[id] >> 10).collect();
                assert!(ticks.is_sorted(), "seed {seed}, step {step}: order {ticks:?}");
                let mut fired: Vec<_> = fired.iter().map(|id| (model.deadline[id], *id)).collect();
                fired.sort_unstable();
                assert_eq!(fired, expected, "seed {seed}, step {step}");
                fired.iter().for_each(|(_, id)| drop(model.forget(*id)));
            }
        }
        let next = timers.next_deadline();
        match model.due.first() {
            Some((earliest, _)) => assert!(next <= earliest + granularity, "seed {seed}, {step}"),
            None => assert_eq!(next, u64::MAX, "seed {seed}, {step}"),
        }
        assert!(model.log.take().is_empty(), "nothing fires outside of fire()");
    }
}

#[test]
fn agrees_with_a_sorted_set() {
    for seed in 0..60 {
        history(seed, 0, 1_500);
    }
}

#[test]
fn agrees_with_a_sorted_set_when_coalescing() {
    for seed in 100..140 {
        history(seed, GRANULARITY, 1_500);
    }
}

//! The wheel against a sorted set, over random histories.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;

use super::{Log, Timer, base, fire, timers};

const GRANULARITY: u64 = 16_384;

/// A step of a history. What names a timer picks one of those that are armed.
#[derive(Clone, Copy, Debug)]
enum Step {
    Arm {
        after: u64,
    },
    Cancel(Index),
    PutOff(Index, u64),
    /// To a point of the way from now to the deadline.
    BringForward(Index, Index),
    /// Time passes.
    Pass(u64),
    /// Until the wheel has something to do.
    PassToNext,
}

/// Below 2^`bits`, each magnitude as likely as any other.
fn magnitude(bits: u32) -> impl Strategy<Value = u64> {
    (0..=bits, any::<u64>()).prop_map(|(bits, random)| random & ((1 << bits) - 1))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => magnitude(48).prop_map(|after| Step::Arm { after }),
        1 => any::<Index>().prop_map(Step::Cancel),
        1 => (any::<Index>(), magnitude(40)).prop_map(|(id, by)| Step::PutOff(id, by)),
        1 => any::<(Index, Index)>().prop_map(|(id, to)| Step::BringForward(id, to)),
        2 => magnitude(36).prop_map(Step::Pass),
        1 => Just(Step::PassToNext),
    ]
}

/// What the wheel should hold.
#[derive(Default)]
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

    fn pick(&self, index: Index) -> Option<usize> {
        let armed = self.armed.len();
        (armed > 0).then(|| self.armed.keys().nth(index.index(armed)).copied()).flatten()
    }

    fn timer(&mut self, id: usize) -> &mut Timer {
        self.armed.get_mut(&id).expect("picked from these")
    }

    /// What has fired must be what is due, in order of the wheel's ticks.
    fn check_fired(&mut self, count: usize, now: u64) {
        let expected: Vec<_> = self.due.range(..=(now, usize::MAX)).copied().collect();
        assert_eq!(count, expected.len());
        let fired = self.log.take();
        let ticks: Vec<_> = fired.iter().map(|id| self.deadline[id] >> 10).collect();
        assert!(ticks.is_sorted(), "order {ticks:?}");
        let mut fired: Vec<_> = fired.iter().map(|id| (self.deadline[id], *id)).collect();
        fired.sort_unstable();
        assert_eq!(fired, expected);
        fired.iter().for_each(|(_, id)| drop(self.forget(*id)));
    }
}

fn history(steps: &[Step], granularity: u64) {
    let (timers, _) = timers(Duration::from_nanos(granularity));
    let mut now = base();
    fire(&timers, now);
    let mut model = Model::default();
    for (id, &step) in steps.iter().enumerate() {
        let before = now;
        match step {
            Step::Arm { after } => {
                let when = now + 1 + after;
                let timer = Timer::armed(&timers, when, model.log.waker(id));
                model.armed.insert(id, timer);
                model.set(id, when);
            }
            Step::Cancel(index) => {
                if let Some(id) = model.pick(index) {
                    drop(model.forget(id));
                }
            }
            Step::PutOff(index, by) => {
                if let Some(id) = model.pick(index) {
                    let to = model.deadline[&id] + by;
                    model.timer(id).put_off(to);
                    model.set(id, to);
                }
            }
            Step::BringForward(index, to) => {
                if let Some(id) = model.pick(index) {
                    let to = now + 1 + to.index((model.deadline[&id] - now) as usize) as u64;
                    assert!(model.timer(id).bring_forward(to, true));
                    model.set(id, to);
                }
            }
            Step::Pass(by) => now += by,
            Step::PassToNext => now = timers.next_deadline().min(now + (1 << 40)).max(now),
        }
        if now > before || matches!(step, Step::Pass(_) | Step::PassToNext) {
            let count = fire(&timers, now);
            model.check_fired(count, now);
        }
        let next = timers.next_deadline();
        match model.due.first() {
            Some((earliest, _)) => assert!(next <= earliest + granularity),
            None => assert_eq!(next, u64::MAX),
        }
        assert!(model.log.take().is_empty(), "nothing fires outside of fire()");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_a_sorted_set(steps in prop::collection::vec(step(), 0..600)) {
        history(&steps, 0);
    }

    #[test]
    fn agrees_with_a_sorted_set_when_coalescing(steps in prop::collection::vec(step(), 0..600)) {
        history(&steps, GRANULARITY);
    }
}

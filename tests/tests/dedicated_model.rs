//! Random programs of dedicated works against a reference model.
//!
//! Two workers without a thread, so that nothing runs unless the program says so and every answer is
//! determined. Then this thread serves one worker after the other, and the order of the executions has
//! to be the model's.

use cmwq::dedicated::{DedicatedWork, DedicatedWorker, WeakDedicatedWork};
use cmwq_tests::dedicated::{is_ready, without_thread};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const WORKS: usize = 4;
const WORKERS: usize = 2;
const HOUR: Duration = Duration::from_secs(3600);

#[derive(Clone, Copy, Debug)]
enum Step {
    Queue {
        work: usize,
        worker: usize,
    },
    QueueDelayed {
        work: usize,
        worker: usize,
        now: bool,
    },
    ModDelayed {
        work: usize,
        worker: usize,
        now: bool,
    },
    Cancel(usize),
    CancelSync(usize),
    Reinit(usize),
    /// Begins a flush of the work, and looks whether it has to wait.
    Flush(usize),
    /// The same of a worker.
    FlushWorker(usize),
    /// The next executions queue their own work again, so often.
    Again {
        work: usize,
        times: usize,
    },
    /// The worker is served until nothing is left.
    Serve(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (work, worker) = (0..WORKS, 0..WORKERS);
    let place = (work.clone(), worker.clone());
    let delay = (work.clone(), worker.clone(), any::<bool>());
    prop_oneof![
        6 => place.prop_map(|(work, worker)| Step::Queue { work, worker }),
        2 => delay.clone()
            .prop_map(|(work, worker, now)| Step::QueueDelayed { work, worker, now }),
        3 => delay.prop_map(|(work, worker, now)| Step::ModDelayed { work, worker, now }),
        2 => work.clone().prop_map(Step::Cancel),
        1 => work.clone().prop_map(Step::CancelSync),
        3 => work.clone().prop_map(Step::Reinit),
        2 => work.clone().prop_map(Step::Flush),
        1 => worker.clone().prop_map(Step::FlushWorker),
        1 => (work, 1..3usize).prop_map(|(work, times)| Step::Again { work, times }),
        3 => worker.prop_map(Step::Serve),
    ]
}

/// What the documentation says, in the simplest way.
#[derive(Default)]
struct Model {
    lists: [VecDeque<usize>; WORKERS],
    home: [Option<usize>; WORKS],
    is_delayed: [bool; WORKS],
    again: [usize; WORKS],
    log: Vec<usize>,
}

impl Model {
    fn is_pending(&self, work: usize) -> bool {
        self.is_delayed[work] || self.lists.iter().any(|list| list.contains(&work))
    }

    fn queue(&mut self, work: usize, worker: usize, now: bool) -> bool {
        let is_home = *self.home[work].get_or_insert(worker) == worker;
        let queues = is_home && !self.is_pending(work);
        if queues && now {
            self.lists[worker].push_back(work);
        } else if queues {
            self.is_delayed[work] = true;
        }
        queues
    }

    fn cancel(&mut self, work: usize) -> bool {
        let was_pending = self.is_pending(work);
        self.is_delayed[work] = false;
        self.lists.iter_mut().for_each(|list| list.retain(|other| *other != work));
        was_pending
    }

    fn serve(&mut self, worker: usize) {
        while let Some(work) = self.lists[worker].pop_front() {
            self.log.push(work);
            if self.again[work] > 0 {
                self.again[work] -= 1;
                self.queue(work, worker, true);
            }
        }
    }

    /// The answer of a step, where it has one.
    fn step(&mut self, step: Step) -> Option<bool> {
        Some(match step {
            Step::Queue { work, worker } => self.queue(work, worker, true),
            Step::QueueDelayed { work, worker, now } => self.queue(work, worker, now),
            Step::ModDelayed { work, worker, now } => {
                let is_home = self.home[work].is_none_or(|home| home == worker);
                let was_pending = is_home && self.cancel(work);
                self.queue(work, worker, now);
                was_pending
            }
            Step::Cancel(work) | Step::CancelSync(work) => self.cancel(work),
            Step::Reinit(work) => {
                let is_idle = !self.is_pending(work);
                if is_idle {
                    self.home[work] = None;
                }
                is_idle
            }
            Step::Flush(work) => {
                if let Some(home) = self.home[work].filter(|_| self.is_delayed[work]) {
                    self.is_delayed[work] = false;
                    self.lists[home].push_back(work);
                }
                self.is_pending(work)
            }
            Step::FlushWorker(worker) => !self.lists[worker].is_empty(),
            Step::Again { work, times } => {
                self.again[work] = times;
                return None;
            }
            Step::Serve(worker) => {
                self.serve(worker);
                return None;
            }
        })
    }
}

/// The real thing.
struct Real {
    workers: [DedicatedWorker; WORKERS],
    works: Vec<DedicatedWork>,
    again: Arc<Mutex<[usize; WORKS]>>,
    log: Arc<Mutex<Vec<usize>>>,
}

impl Real {
    fn new() -> Self {
        let workers = std::array::from_fn(|_| without_thread());
        let (again, log) = (Arc::new(Mutex::new([0; WORKS])), Arc::new(Mutex::new(Vec::new())));
        let works = (0..WORKS)
            .map(|work| {
                let (again, log, workers) = (again.clone(), log.clone(), workers.clone());
                DedicatedWork::new_cyclic(|own| move || execute(work, &own, &again, &log, &workers))
            })
            .collect();
        Self { workers, works, again, log }
    }

    fn step(&self, step: Step) -> Option<bool> {
        let delay = |now: bool| if now { Duration::ZERO } else { HOUR };
        Some(match step {
            Step::Queue { work, worker } => self.works[work].queue(&self.workers[worker]),
            Step::QueueDelayed { work, worker, now } => {
                self.works[work].queue_delayed(&self.workers[worker], delay(now))
            }
            Step::ModDelayed { work, worker, now } => {
                self.works[work].mod_delayed(&self.workers[worker], delay(now))
            }
            Step::Cancel(work) => self.works[work].cancel(),
            Step::CancelSync(work) => self.works[work].cancel_sync_blocking(),
            Step::Reinit(work) => self.works[work].reinit(),
            Step::Flush(work) => !is_ready(pin!(self.works[work].flush())),
            Step::FlushWorker(worker) => !is_ready(pin!(self.workers[worker].flush())),
            Step::Again { work, times } => {
                self.again.lock().unwrap()[work] = times;
                return None;
            }
            Step::Serve(worker) => {
                self.serve(&self.workers[worker]);
                return None;
            }
        })
    }

    fn serve(&self, worker: &DedicatedWorker) {
        while !is_ready(pin!(worker.flush())) {
            let own = worker.clone();
            let last = DedicatedWork::new(move || drop(own.stop()));
            assert!(last.queue(worker));
            worker.run().expect("nobody else serves");
        }
    }
}

fn execute(
    work: usize,
    own: &WeakDedicatedWork,
    again: &Mutex<[usize; WORKS]>,
    log: &Mutex<Vec<usize>>,
    workers: &[DedicatedWorker],
) {
    log.lock().unwrap().push(work);
    let times = &mut again.lock().unwrap()[work];
    if *times > 0 {
        *times -= 1;
        let own = own.upgrade().expect("the test has a handle");
        assert!(!own.reinit(), "it runs");
        // Exactly one of them is its home.
        assert_eq!(workers.iter().filter(|worker| own.queue(worker)).count(), 1);
    }
}

fn run(steps: &[Step]) {
    let (mut model, real) = (Model::default(), Real::new());
    let end = (0..WORKERS).map(Step::Serve);
    for step in steps.iter().copied().chain(end) {
        assert_eq!(real.step(step), model.step(step), "{step:?}");
        for work in 0..WORKS {
            assert_eq!(real.works[work].is_pending(), model.is_pending(work), "{step:?}");
        }
        assert_eq!(*real.log.lock().unwrap(), model.log, "{step:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn a_random_program_does_what_the_model_does(steps in prop::collection::vec(step(), 0..60)) {
        run(&steps);
    }
}

//! Random programs of work items against a reference model.
//!
//! Two queues with one slot each on one core. A gate holds the slot of each while a program queues,
//! cancels, delays and disables, so that nothing runs and every answer is determined. Then the gates
//! open, one queue after the other, and the order of the executions has to be the model's.

use cmwq::workqueue::WeakWork;
use cmwq::{Work, Workqueue};
use proptest::prelude::*;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Waker};
use std::time::Duration;

const WORKS: usize = 4;
const QUEUES: usize = 2;
const HOUR: Duration = Duration::from_secs(3600);

#[derive(Clone, Copy, Debug)]
enum Step {
    Queue {
        work: usize,
        queue: usize,
    },
    QueueDelayed {
        work: usize,
        queue: usize,
        now: bool,
    },
    ModDelayed {
        work: usize,
        queue: usize,
        now: bool,
    },
    Cancel(usize),
    CancelSync(usize),
    Disable(usize),
    Enable(usize),
    EnableAndQueue {
        work: usize,
        queue: usize,
    },
    /// Begins a flush of the work, and looks whether it has to wait.
    Flush(usize),
    /// The next execution queues its own work again, so often, each time on this queue.
    Again {
        work: usize,
        queue: usize,
        times: usize,
    },
    /// The gates open until everything is done.
    Open,
}

fn step() -> impl Strategy<Value = Step> {
    let (work, queue) = (0..WORKS, 0..QUEUES);
    let place = (work.clone(), queue.clone());
    let delay = (work.clone(), queue.clone(), any::<bool>());
    prop_oneof![
        6 => place.clone().prop_map(|(work, queue)| Step::Queue { work, queue }),
        2 => delay.clone()
            .prop_map(|(work, queue, now)| Step::QueueDelayed { work, queue, now }),
        2 => delay.prop_map(|(work, queue, now)| Step::ModDelayed { work, queue, now }),
        2 => work.clone().prop_map(Step::Cancel),
        1 => work.clone().prop_map(Step::CancelSync),
        1 => work.clone().prop_map(Step::Disable),
        2 => work.clone().prop_map(Step::Enable),
        1 => place.clone().prop_map(|(work, queue)| Step::EnableAndQueue { work, queue }),
        1 => work.prop_map(Step::Flush),
        1 => (place, 1..3usize)
            .prop_map(|((work, queue), times)| Step::Again { work, queue, times }),
        2 => Just(Step::Open),
    ]
}

/// What the documentation says, in the simplest way.
#[derive(Default)]
struct Model {
    queues: [VecDeque<usize>; QUEUES],
    /// Works that wait for their delay, and where they go then.
    delayed: [Option<usize>; WORKS],
    disabled: [usize; WORKS],
    again: [(usize, usize); WORKS],
    log: Vec<usize>,
}

impl Model {
    fn is_pending(&self, work: usize) -> bool {
        self.delayed[work].is_some() || self.queues.iter().any(|queue| queue.contains(&work))
    }

    fn queue(&mut self, work: usize, queue: usize) -> bool {
        let queues = !self.is_pending(work) && self.disabled[work] == 0;
        if queues {
            self.queues[queue].push_back(work);
        }
        queues
    }

    fn queue_delayed(&mut self, work: usize, queue: usize, now: bool) -> bool {
        if now {
            return self.queue(work, queue);
        }
        let queues = !self.is_pending(work) && self.disabled[work] == 0;
        if queues {
            self.delayed[work] = Some(queue);
        }
        queues
    }

    fn cancel(&mut self, work: usize) -> bool {
        let was_pending = self.is_pending(work);
        self.delayed[work] = None;
        self.queues.iter_mut().for_each(|queue| queue.retain(|other| *other != work));
        was_pending
    }

    fn enable(&mut self, work: usize) -> bool {
        self.disabled[work] = self.disabled[work].saturating_sub(1);
        self.disabled[work] == 0
    }

    /// One queue runs until it is empty.
    fn run(&mut self, queue: usize) {
        while let Some(work) = self.queues[queue].pop_front() {
            self.log.push(work);
            let (times, target) = self.again[work];
            if times > 0 {
                self.again[work].0 -= 1;
                self.queue(work, target);
            }
        }
    }

    /// The answer of a step, where it has one.
    fn step(&mut self, step: Step) -> Option<bool> {
        Some(match step {
            Step::Queue { work, queue } => self.queue(work, queue),
            Step::QueueDelayed { work, queue, now } => self.queue_delayed(work, queue, now),
            Step::ModDelayed { work, queue, now } => {
                let was_pending = self.cancel(work);
                self.queue_delayed(work, queue, now);
                was_pending
            }
            Step::Cancel(work) | Step::CancelSync(work) => self.cancel(work),
            Step::Disable(work) => {
                self.disabled[work] += 1;
                self.cancel(work)
            }
            Step::Enable(work) => self.enable(work),
            Step::EnableAndQueue { work, queue } => {
                let is_enabled = self.enable(work);
                self.queue(work, queue);
                is_enabled
            }
            Step::Flush(work) => {
                if let Some(queue) = self.delayed[work].take() {
                    self.queues[queue].push_back(work);
                }
                self.is_pending(work)
            }
            Step::Again { work, queue, times } => {
                self.again[work] = (times, queue);
                return None;
            }
            Step::Open => return None,
        })
    }
}

/// The real thing.
struct Real {
    queues: [Workqueue; QUEUES],
    works: Vec<Work>,
    again: Arc<Mutex<[(usize, usize); WORKS]>>,
    log: Arc<Mutex<Vec<usize>>>,
    gates: Vec<Gate>,
}

/// Holds the slot of a queue.
struct Gate {
    work: Work,
    entered: mpsc::Receiver<()>,
    leave: mpsc::Sender<()>,
}

impl Gate {
    fn new() -> Self {
        let ((enter, entered), (leave, left)) = (mpsc::channel(), mpsc::channel());
        let work = Work::new(move || {
            enter.send(()).expect("the test waits for it");
            left.recv().expect("the test ends it");
        });
        Self { work, entered, leave }
    }

    fn shut(&self, queue: &Workqueue) {
        assert!(self.work.queue(queue));
        self.entered.recv().expect("it runs");
    }
}

impl Real {
    fn new() -> Self {
        let queues =
            std::array::from_fn(|_| Workqueue::builder().max_active(1).build().expect("a queue"));
        let (again, log) =
            (Arc::new(Mutex::new([(0, 0); WORKS])), Arc::new(Mutex::new(Vec::new())));
        let works = (0..WORKS)
            .map(|work| {
                let (again, log, queues) = (again.clone(), log.clone(), queues.clone());
                Work::new_cyclic(|own| move || execute(work, &own, &again, &log, &queues))
            })
            .collect();
        let gates: Vec<_> = queues.iter().map(|_| Gate::new()).collect();
        gates.iter().zip(&queues).for_each(|(gate, queue)| gate.shut(queue));
        Self { queues, works, again, log, gates }
    }

    fn open(&self, queue: usize) {
        self.gates[queue].leave.send(()).expect("it waits");
    }

    async fn step(&self, step: Step) -> Option<bool> {
        let delay = |now: bool| if now { Duration::ZERO } else { HOUR };
        Some(match step {
            Step::Queue { work, queue } => self.works[work].queue(&self.queues[queue]),
            Step::QueueDelayed { work, queue, now } => {
                self.works[work].queue_delayed(&self.queues[queue], delay(now))
            }
            Step::ModDelayed { work, queue, now } => {
                self.works[work].mod_delayed(&self.queues[queue], delay(now))
            }
            Step::Cancel(work) => self.works[work].cancel(),
            Step::CancelSync(work) => self.works[work].cancel_sync().await,
            Step::Disable(work) => self.works[work].disable(),
            Step::Enable(work) => self.works[work].enable(),
            Step::EnableAndQueue { work, queue } => {
                self.works[work].enable_and_queue(&self.queues[queue])
            }
            Step::Flush(work) => {
                let flush = pin!(self.works[work].flush());
                flush.poll(&mut Context::from_waker(Waker::noop())).is_pending()
            }
            Step::Again { work, queue, times } => {
                self.again.lock().unwrap()[work] = (times, queue);
                return None;
            }
            Step::Open => return None,
        })
    }
}

fn execute(
    work: usize,
    own: &WeakWork,
    again: &Mutex<[(usize, usize); WORKS]>,
    log: &Mutex<Vec<usize>>,
    queues: &[Workqueue; QUEUES],
) {
    log.lock().unwrap().push(work);
    let (times, target) = again.lock().unwrap()[work];
    if times > 0 {
        again.lock().unwrap()[work].0 -= 1;
        own.upgrade().expect("the test has it").queue(&queues[target]);
    }
}

async fn run(steps: &[Step]) {
    let (mut model, real) = (Model::default(), Real::new());
    for step in steps.iter().chain(&[Step::Open]) {
        assert_eq!(real.step(*step).await, model.step(*step), "{step:?}");
        for work in 0..WORKS {
            assert_eq!(real.works[work].is_pending(), model.is_pending(work), "{step:?}");
            assert_eq!(real.works[work].is_disabled(), model.disabled[work] > 0, "{step:?}");
        }
        if !matches!(step, Step::Open) {
            continue;
        }
        for queue in 0..QUEUES {
            model.run(queue);
            real.open(queue);
            until_quiet(&real, queue).await;
            real.gates[queue].shut(&real.queues[queue]);
        }
        assert_eq!(*real.log.lock().unwrap(), model.log);
    }
    (0..QUEUES).for_each(|queue| real.open(queue));
    for gate in &real.gates {
        gate.work.flush().await;
    }
}

/// Flushes until nothing is left: items may have queued others behind the flush.
async fn until_quiet(real: &Real, queue: usize) {
    let queue = &real.queues[queue];
    loop {
        queue.flush().await;
        if queue.stats().in_flight == 0 {
            return;
        }
        cmwq::task::yield_now().await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_random_program_does_what_the_model_does(steps in prop::collection::vec(step(), 0..40)) {
        let runtime = cmwq::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(&steps));
    }
}

//! Random programs for whole queues against a reference model: futures and work items on one CPU,
//! with limits that change, flushes, drains, freezes and aborts.
//!
//! Futures are the gates. Each keeps its slot until the program ends it, so what runs next, and what
//! waits, is determined after each step: the test waits until the log is as long as the model's, and
//! no poll is under way. What must not happen would make the log differ later.

use cmwq::sync::oneshot;
use cmwq::task::JoinHandle;
use cmwq::workqueue::Flush;
use cmwq::{Work, Workqueue};
use cmwq_tests::NEVER;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

const WORKS: usize = 3;
/// How long something that has to happen may take.
const LIMIT: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Started(usize),
    Ended(usize),
    /// Without having ended.
    Dropped(usize),
    Ran(usize),
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A future; at its end it queues a work.
    Spawn {
        then: Option<usize>,
    },
    Queue(usize),
    Cancel(usize),
    /// The next executions of a work queue another one.
    Chain {
        work: usize,
        next: usize,
        times: usize,
    },
    /// Ends one of the futures in progress.
    End(usize),
    /// Aborts one of those that are in the queue.
    Abort(usize),
    SetMax(usize),
    Flush,
    Drain,
    Freeze,
    Thaw,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::option::weighted(0.3, 0..WORKS).prop_map(|then| Step::Spawn { then }),
        6 => (0..WORKS).prop_map(Step::Queue),
        1 => (0..WORKS).prop_map(Step::Cancel),
        2 => (0..WORKS, 0..WORKS, 1..3usize)
            .prop_map(|(work, next, times)| Step::Chain { work, next, times }),
        6 => (0..8usize).prop_map(Step::End),
        2 => (0..8usize).prop_map(Step::Abort),
        2 => (1..4usize).prop_map(Step::SetMax),
        2 => Just(Step::Flush),
        1 => Just(Step::Drain),
        1 => Just(Step::Freeze),
        2 => Just(Step::Thaw),
    ]
}

/// What became of a future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Ended,
    Aborted,
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Future(usize),
    Work(usize),
}

/// What the documentation says, in the simplest way.
struct Model {
    ordered: bool,
    limit: usize,
    frozen: bool,
    drains: usize,
    /// Waits for a slot; with the number of its queueing.
    inactive: VecDeque<(u64, Item)>,
    /// Futures that have a slot.
    progress: BTreeMap<usize, u64>,
    /// Those of them that may end, in the order in which they were told.
    released: VecDeque<usize>,
    then: Vec<Option<usize>>,
    fates: BTreeMap<usize, Fate>,
    chains: [(usize, usize); WORKS],
    queued: u64,
    log: Vec<Event>,
}

impl Model {
    fn new(ordered: bool, limit: usize) -> Self {
        Self {
            ordered,
            limit,
            frozen: false,
            drains: 0,
            inactive: VecDeque::new(),
            progress: BTreeMap::new(),
            released: VecDeque::new(),
            then: Vec::new(),
            fates: BTreeMap::new(),
            chains: [(0, 0); WORKS],
            queued: 0,
            log: Vec::new(),
        }
    }

    /// Numbers of what is in the queue.
    fn in_flight(&self) -> BTreeSet<u64> {
        let inactive = self.inactive.iter().map(|(number, _)| *number);
        inactive.chain(self.progress.values().copied()).collect()
    }

    fn is_pending(&self, work: usize) -> bool {
        self.inactive.iter().any(|(_, item)| *item == Item::Work(work))
    }

    fn push(&mut self, item: Item) {
        self.queued += 1;
        self.inactive.push_back((self.queued, item));
    }

    fn queue(&mut self, work: usize, inside: bool) -> bool {
        let takes = !self.is_pending(work) && (inside || self.drains == 0);
        if takes {
            self.push(Item::Work(work));
        }
        takes
    }

    fn spawn(&mut self, then: Option<usize>) {
        let future = self.then.len();
        self.then.push(then);
        if self.drains == 0 {
            self.push(Item::Future(future));
        } else {
            self.fates.insert(future, Fate::Refused);
            self.log.push(Event::Dropped(future));
        }
    }

    /// Futures in progress that were not told to end.
    fn gates(&self) -> Vec<usize> {
        self.progress.keys().copied().filter(|future| !self.released.contains(future)).collect()
    }

    /// Futures that have not ended.
    fn alive(&self) -> Vec<usize> {
        (0..self.then.len()).filter(|future| !self.fates.contains_key(future)).collect()
    }

    fn abort(&mut self, future: usize) {
        self.inactive.retain(|(_, item)| *item != Item::Future(future));
        self.progress.remove(&future);
        self.released.retain(|other| *other != future);
        self.fates.insert(future, Fate::Aborted);
        self.log.push(Event::Dropped(future));
    }

    /// Everything happens that can.
    fn settle(&mut self) {
        while !self.frozen {
            if let Some(future) = self.released.pop_front() {
                self.progress.remove(&future);
                self.fates.insert(future, Fate::Ended);
                self.log.push(Event::Ended(future));
                self.then[future].map(|work| self.queue(work, true));
                continue;
            }
            if self.progress.len() >= self.limit {
                return;
            }
            match self.inactive.pop_front() {
                None => return,
                Some((number, Item::Future(future))) => {
                    self.progress.insert(future, number);
                    self.log.push(Event::Started(future));
                }
                Some((_, Item::Work(work))) => {
                    self.log.push(Event::Ran(work));
                    let (next, times) = self.chains[work];
                    if times > 0 {
                        self.chains[work].1 -= 1;
                        self.queue(next, true);
                    }
                }
            }
        }
    }
}

/// What the items of the real queue share.
#[derive(Default)]
struct World {
    log: Mutex<Vec<Event>>,
    chains: Mutex<[(usize, usize); WORKS]>,
    /// Polls and executions under way.
    polls: AtomicUsize,
    works: Mutex<Vec<Work>>,
}

impl World {
    fn note(&self, event: Event) {
        self.log.lock().unwrap().push(event);
    }

    fn work(&self, work: usize) -> Work {
        self.works.lock().unwrap()[work].clone()
    }

    fn execute(&self, work: usize, queue: &Workqueue) {
        self.polls.fetch_add(1, Ordering::SeqCst);
        self.note(Event::Ran(work));
        let next = {
            let (next, times) = &mut self.chains.lock().unwrap()[work];
            let is_on = *times > 0;
            *times -= usize::from(is_on);
            is_on.then_some(*next)
        };
        if let Some(next) = next {
            self.work(next).queue(queue);
        }
        self.polls.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Notes the end of a future, whichever it is.
struct Life {
    world: Arc<World>,
    future: usize,
    has_ended: bool,
}

impl Drop for Life {
    fn drop(&mut self) {
        if !self.has_ended {
            self.world.note(Event::Dropped(self.future));
        }
    }
}

async fn live(mut life: Life, gate: oneshot::Receiver<()>, then: Option<usize>, queue: Workqueue) {
    life.world.note(Event::Started(life.future));
    gate.await.expect("the test opens it");
    life.has_ended = true;
    life.world.note(Event::Ended(life.future));
    if let Some(work) = then {
        life.world.work(work).queue(&queue);
    }
}

struct Real {
    queue: Workqueue,
    world: Arc<World>,
    tasks: Vec<JoinHandle<()>>,
    gates: Vec<Option<oneshot::Sender<()>>>,
}

impl Real {
    fn new(queue: Workqueue) -> Self {
        let world = Arc::new(World::default());
        let work = |work| {
            let (world, queue) = (Arc::downgrade(&world), queue.clone());
            Work::new(move || world.upgrade().expect("the test has it").execute(work, &queue))
        };
        *world.works.lock().unwrap() = (0..WORKS).map(work).collect();
        Self { queue, world, tasks: Vec::new(), gates: Vec::new() }
    }

    fn spawn(&mut self, then: Option<usize>) {
        let (open, gate) = oneshot::channel();
        let (world, future) = (self.world.clone(), self.tasks.len());
        let life = Life { world: world.clone(), future, has_ended: false };
        let mut life = Box::pin(live(life, gate, then, self.queue.clone()));
        self.gates.push(Some(open));
        self.tasks.push(self.queue.spawn(poll_fn(move |cx| {
            world.polls.fetch_add(1, Ordering::SeqCst);
            let polled = life.as_mut().poll(cx);
            world.polls.fetch_sub(1, Ordering::SeqCst);
            polled
        })));
    }

    /// Waits until as much has happened as in the model, and compares.
    async fn settle(&self, model: &Model) {
        let start = Instant::now();
        let is_quiet = || {
            let happened = self.world.log.lock().unwrap().len();
            happened >= model.log.len() && self.world.polls.load(Ordering::SeqCst) == 0
        };
        while !is_quiet() && start.elapsed() < LIMIT {
            cmwq::task::yield_now().await;
        }
        assert_eq!(*self.world.log.lock().unwrap(), model.log);
        for work in 0..WORKS {
            assert_eq!(self.world.work(work).is_pending(), model.is_pending(work), "work {work}");
        }
    }
}

/// Waits that are under way, and what they wait for.
#[derive(Default)]
struct Waits {
    flushes: Vec<(Flush, BTreeSet<u64>)>,
    drains: Vec<Pin<Box<dyn Future<Output = ()>>>>,
}

impl Waits {
    /// Those that must be over are awaited, and the others must not be over.
    async fn check(&mut self, model: &mut Model) {
        let in_flight = model.in_flight();
        for (mut flush, items) in std::mem::take(&mut self.flushes) {
            if items.is_disjoint(&in_flight) {
                within(flush).await;
            } else {
                assert!(is_pending(&mut flush), "a flush of {items:?}, with {in_flight:?}");
                self.flushes.push((flush, items));
            }
        }
        for mut drain in std::mem::take(&mut self.drains) {
            if in_flight.is_empty() {
                within(drain).await;
                model.drains -= 1;
            } else {
                assert!(is_pending(&mut drain), "a drain with {in_flight:?}");
                self.drains.push(drain);
            }
        }
    }
}

async fn within(wait: impl Future<Output = ()>) {
    cmwq::time::timeout(LIMIT, wait).await.expect("what it waits for is done");
}

fn is_pending(wait: &mut (impl Future + Unpin)) -> bool {
    Pin::new(wait).poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

fn pick(of: &[usize], nth: usize) -> Option<usize> {
    (!of.is_empty()).then(|| of[nth % of.len()])
}

fn take(step: Step, model: &mut Model, real: &mut Real, waits: &mut Waits) {
    match step {
        Step::Spawn { then } => {
            model.spawn(then);
            real.spawn(then);
        }
        Step::Queue(work) => {
            assert_eq!(real.world.work(work).queue(&real.queue), model.queue(work, false));
        }
        Step::Cancel(work) => {
            assert_eq!(real.world.work(work).cancel(), model.is_pending(work));
            model.inactive.retain(|(_, item)| *item != Item::Work(work));
        }
        Step::Chain { work, next, times } => {
            model.chains[work] = (next, times);
            real.world.chains.lock().unwrap()[work] = (next, times);
        }
        Step::End(nth) => {
            if let Some(future) = pick(&model.gates(), nth) {
                model.released.push_back(future);
                let gate = real.gates[future].take().expect("shut");
                gate.send(()).expect("it waits");
            }
        }
        Step::Abort(nth) => {
            if let Some(future) = pick(&model.alive(), nth) {
                model.abort(future);
                real.tasks[future].abort();
            }
        }
        Step::SetMax(max) => {
            assert_eq!(real.queue.set_max_active(max).is_ok(), !model.ordered);
            model.limit = if model.ordered { 1 } else { max };
        }
        Step::Flush => waits.flushes.push((real.queue.flush(), model.in_flight())),
        Step::Drain => {
            model.drains += 1;
            waits.drains.push(Box::pin(real.queue.drain()));
        }
        Step::Freeze => {
            model.frozen = true;
            real.queue.freeze();
        }
        Step::Thaw => {
            model.frozen = false;
            real.queue.thaw();
        }
    }
}

async fn run(steps: &[Step], ordered: bool, limit: usize) {
    let builder = Workqueue::builder();
    let builder = if ordered { builder.ordered() } else { builder.max_active(limit) };
    let mut real = Real::new(builder.build().expect("a queue"));
    let mut model = Model::new(ordered, if ordered { 1 } else { limit });
    let mut waits = Waits::default();
    let mut steps = steps.iter().copied();
    loop {
        let step = match steps.next() {
            Some(step) => step,
            // In the end everything goes on until nothing is left.
            None if model.frozen => Step::Thaw,
            None if !model.progress.is_empty() => Step::End(0),
            None => break,
        };
        take(step, &mut model, &mut real, &mut waits);
        model.settle();
        real.settle(&model).await;
        waits.check(&mut model).await;
    }
    assert!(waits.flushes.is_empty() && waits.drains.is_empty(), "nothing is left to wait for");
    within(real.queue.flush()).await;
    for (future, task) in real.tasks.drain(..).enumerate() {
        let fate = match task.await {
            Ok(()) => Fate::Ended,
            Err(error) if error.is_rejected() => Fate::Refused,
            Err(error) if error.is_cancelled() => Fate::Aborted,
            Err(error) => panic!("{error}"),
        };
        assert_eq!(fate, model.fates[&future], "future {future}");
    }
    assert_eq!(*real.world.log.lock().unwrap(), model.log);
}

fn program(steps: &[Step], ordered: bool, limit: usize) {
    // Beside a hog, others would run that the model has not started yet.
    let mut builder = cmwq::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().cpu_intensive_threshold(NEVER).build().unwrap();
    runtime.block_on(run(steps, ordered, limit));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_bound_queue_does_what_the_model_does(
        steps in prop::collection::vec(step(), 0..60),
        limit in 1..4usize,
    ) {
        program(&steps, false, limit);
    }

    #[test]
    fn an_ordered_queue_does_what_the_model_does(steps in prop::collection::vec(step(), 0..60)) {
        program(&steps, true, 1);
    }
}

//! Futures and work items on every kind of queue, with aborts, cancels, delays, changed limits,
//! freezes, flushes and drains in random order, on every kind of runtime: each item ends exactly
//! once, ordered queues are in order, and in the end nothing is left.

use cmwq::runtime::Handle;
use cmwq::task::{AbortHandle, JoinError, JoinHandle};
use cmwq::{Work, Workqueue};
use cmwq_tests::ledger::Ledger;
use cmwq_tests::random::Random;
use cmwq_tests::{case, every_case, finish, until};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

const SPAWNERS: u64 = 2;
/// Steps of each of them.
const STEPS: u64 = 1500;
/// Work items of each of them.
const WORKS: usize = 6;

/// Queues that somebody drains; the others are asked for delayed work, which a drain would refuse
/// when its time comes.
const DRAINED: usize = 3;

struct World {
    ledger: Arc<Ledger>,
    ordered: Workqueue,
    /// Of them the first two have a limit that changes, and the first [`DRAINED`] are drained.
    queues: Vec<Workqueue>,
    victims: Mutex<Vec<AbortHandle>>,
    order: Mutex<Order>,
}

/// What was seen on the ordered queue.
#[derive(Default)]
struct Order {
    in_progress: bool,
    overlaps: u64,
    /// By spawner.
    begun: [Vec<u64>; SPAWNERS as usize],
}

impl World {
    fn new(handle: &Handle) -> World {
        let build = |builder: cmwq::workqueue::Builder| builder.build_on(handle).expect("a queue");
        let new = Workqueue::builder;
        let ordered = build(new().name("ordered").ordered());
        let queues = vec![
            build(new().name("limited").max_active(2)),
            build(new().name("limited_unbound").unbound().max_active(2)),
            ordered.clone(),
            build(new().name("bound")),
            build(new().name("unbound").unbound()),
            build(new().name("high").high_priority()),
        ];
        World {
            ledger: Ledger::new(),
            ordered,
            queues,
            victims: Mutex::default(),
            order: Mutex::default(),
        }
    }

    fn queue(&self, random: &mut Random) -> &Workqueue {
        &self.queues[random.below(self.queues.len() as u64) as usize]
    }

    fn undrained(&self, random: &mut Random) -> &Workqueue {
        let queues = &self.queues[DRAINED..];
        &queues[random.below(queues.len() as u64) as usize]
    }
}

every_case! {
    fn all_queues_at_once(case) {
        let runtime = case.start(case::cores());
        let world = Arc::new(World::new(runtime.handle()));
        let is_over = Arc::new(AtomicBool::new(false));
        let changer = {
            let (world, is_over) = (world.clone(), is_over.clone());
            thread::spawn(move || change(&world, &is_over))
        };
        let spawners: Vec<_> = (0..SPAWNERS)
            .map(|spawner| {
                let world = world.clone();
                thread::spawn(move || Spawner::new(world, spawner).run())
            })
            .collect();
        let mut ends = Ends::default();
        spawners.into_iter().for_each(|spawner| ends.add(&spawner.join().expect("no panic")));
        is_over.store(true, Ordering::SeqCst);
        changer.join().expect("no panic");

        world.queues.iter().for_each(Workqueue::drain_blocking);
        let ledger = &world.ledger;
        until("all futures are gone", || ledger.dropped() == ledger.opened());
        ledger.check();
        assert!(ends.completed > 0 && ends.cancelled > 0, "{ends:?}");
        assert!(ends.executed > 0, "{ends:?}");
        let order = world.order.lock().expect("no panic");
        assert_eq!(order.overlaps, 0, "one in progress on an ordered queue");
        assert!(order.begun.iter().all(|begun| begun.is_sorted()), "{:?}", order.begun);
        drop(runtime);
    }
}

/// What became of the items of a spawner.
#[derive(Debug, Default)]
struct Ends {
    completed: u64,
    cancelled: u64,
    rejected: u64,
    executed: u64,
}

impl Ends {
    fn add(&mut self, other: &Ends) {
        self.completed += other.completed;
        self.cancelled += other.cancelled;
        self.rejected += other.rejected;
        self.executed += other.executed;
    }

    fn note(&mut self, end: Result<(), JoinError>) {
        match end {
            Ok(()) => self.completed += 1,
            Err(error) if error.is_cancelled() => self.cancelled += 1,
            Err(error) if error.is_rejected() => self.rejected += 1,
            Err(error) => panic!("a future failed: {error}"),
        }
    }
}

/// A work item of one spawner, who alone queues and cancels it.
struct Item {
    work: Work,
    executions: Arc<AtomicU64>,
    overlaps: Arc<AtomicU64>,
    /// Queueings that have to lead to an execution.
    expected: u64,
}

impl Item {
    fn new(seed: u64) -> Item {
        let (executions, overlaps) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let (count, seen) = (executions.clone(), overlaps.clone());
        let (is_running, mut random) = (AtomicBool::new(false), Random::new(seed));
        let work = Work::new(move || {
            seen.fetch_add(u64::from(is_running.swap(true, Ordering::SeqCst)), Ordering::SeqCst);
            if random.below(3) == 0 {
                thread::sleep(random.pause(400));
            }
            count.fetch_add(1, Ordering::SeqCst);
            is_running.store(false, Ordering::SeqCst);
        });
        Item { work, executions, overlaps, expected: 0 }
    }

    fn step(&mut self, world: &World, random: &mut Random) {
        match random.below(10) {
            0..4 => self.expected += u64::from(self.work.queue(world.queue(random))),
            4 => {
                let (queue, delay) = (world.undrained(random), random.pause(2000));
                self.expected += u64::from(self.work.queue_delayed(queue, delay));
            }
            5 => {
                let (queue, delay) = (world.undrained(random), random.pause(2000));
                self.expected += u64::from(!self.work.mod_delayed(queue, delay));
            }
            6 => self.expected -= u64::from(self.work.cancel()),
            7 => {
                self.expected -= u64::from(self.work.cancel_sync_blocking());
                let executions = self.executions.load(Ordering::SeqCst);
                assert_eq!(executions, self.expected, "it neither runs nor is pending");
            }
            8 => {
                self.expected -= u64::from(self.work.disable());
                assert!(!self.work.queue(world.queue(random)), "it is disabled");
                assert!(self.work.enable());
            }
            _ => {
                self.work.flush_blocking();
                let executions = self.executions.load(Ordering::SeqCst);
                assert_eq!(executions, self.expected, "it was flushed");
            }
        }
    }

    /// How often it was executed.
    fn end(self) -> u64 {
        self.work.flush_blocking();
        assert!(!self.work.is_busy());
        assert_eq!(self.overlaps.load(Ordering::SeqCst), 0, "one execution at a time");
        let executions = self.executions.load(Ordering::SeqCst);
        assert_eq!(executions, self.expected, "one execution for each queueing");
        executions
    }
}

/// A thread outside of the runtime.
struct Spawner {
    world: Arc<World>,
    number: u64,
    random: Random,
    items: Vec<Item>,
    tasks: Vec<JoinHandle<()>>,
}

impl Spawner {
    fn new(world: Arc<World>, number: u64) -> Spawner {
        let items = (0..WORKS as u64).map(|item| Item::new(number * 100 + item)).collect();
        Spawner { world, number, random: Random::new(number + 1), items, tasks: Vec::new() }
    }

    fn run(mut self) -> Ends {
        for step in 0..STEPS {
            if self.random.below(2) == 0 {
                let item = self.random.below(WORKS as u64) as usize;
                self.items[item].step(&self.world, &mut self.random);
            } else {
                self.spawn(step);
            }
        }
        let mut ends = Ends::default();
        for task in self.tasks {
            ends.note(finish(task));
        }
        ends.executed = self.items.into_iter().map(Item::end).sum();
        ends
    }

    fn spawn(&mut self, step: u64) {
        let (world, random) = (self.world.clone(), Random::new(self.number << 32 | step));
        let task = if self.random.below(4) == 0 {
            let future = live_in_order(world, self.number as usize, step, random);
            self.world.ordered.spawn(self.world.ledger.count(future))
        } else {
            // The ordered one is left out: there the future above notes who is in progress.
            let nth = [0, 1, 3, 4, 5][self.random.below(5) as usize];
            let queue = &self.world.queues[nth];
            let future = live(world, queue.clone(), random);
            queue.spawn(self.world.ledger.count(future))
        };
        match self.random.below(8) {
            0 => task.abort(),
            1 => self.world.victims.lock().expect("no panic").push(task.abort_handle()),
            _ => {}
        }
        self.tasks.push(task);
    }
}

async fn live(world: Arc<World>, queue: Workqueue, mut random: Random) {
    for _ in 0..random.below(4) {
        match random.below(5) {
            0 => cmwq::task::yield_now().await,
            1 => cmwq::time::sleep(random.pause(1500)).await,
            2 => thread::sleep(random.pause(800)),
            3 => {
                // On a limited queue the child has the parent's slot.
                let pause = random.pause(500);
                let child = async move {
                    cmwq::time::sleep(pause).await;
                    thread::sleep(pause);
                };
                let child = queue.spawn(world.ledger.count(child));
                child.await.expect("an item of the queue is not refused, and nobody aborts it");
            }
            _ => {
                let victim = world.victims.lock().expect("no panic").pop();
                if let Some(victim) = victim {
                    victim.abort();
                }
            }
        }
    }
}

async fn live_in_order(world: Arc<World>, spawner: usize, step: u64, mut random: Random) {
    struct Progress(Arc<World>);
    impl Drop for Progress {
        fn drop(&mut self) {
            self.0.order.lock().expect("no panic").in_progress = false;
        }
    }
    {
        let mut order = world.order.lock().expect("no panic");
        order.overlaps += u64::from(order.in_progress);
        order.in_progress = true;
        order.begun[spawner].push(step);
    }
    let _progress = Progress(world);
    for _ in 0..random.below(3) {
        match random.below(3) {
            0 => cmwq::task::yield_now().await,
            1 => cmwq::time::sleep(random.pause(1000)).await,
            _ => thread::sleep(random.pause(500)),
        }
    }
}

/// Changes queues while they work.
fn change(world: &World, is_over: &AtomicBool) {
    let mut random = Random::new(77);
    while !is_over.load(Ordering::SeqCst) {
        let queue = world.queue(&mut random);
        match random.below(5) {
            0 => {
                let limited = &world.queues[random.below(2) as usize];
                limited.set_max_active(1 + random.below(4) as usize).expect("a limit");
            }
            1 => {
                queue.freeze();
                thread::sleep(random.pause(1000));
                queue.thaw();
            }
            2 => queue.flush_blocking(),
            3 => {
                let drained = &world.queues[random.below(DRAINED as u64) as usize];
                drained.drain_blocking();
            }
            _ => thread::sleep(random.pause(1000)),
        }
    }
}

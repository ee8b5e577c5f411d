//! Spawns, wakes from outside, aborts, timers and blocking calls in random order, on every kind
//! of runtime: each task is polled by one thread at a time, ends exactly once, and what its
//! handle says is what happened.

use cmwq::runtime::Handle;
use cmwq::sync::oneshot;
use cmwq::task::{AbortHandle, JoinHandle};
use cmwq_tests::ledger::Ledger;
use cmwq_tests::random::Random;
use cmwq_tests::{case, every_case, finish, until};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

/// Tasks that each outside thread spawns; about half of them spawn one more.
const TASKS: u64 = 2500;
const SPAWNERS: u64 = 3;

/// What all tasks share.
struct World {
    ledger: Arc<Ledger>,
    /// Senders that a thread outside the runtime serves.
    outside: mpsc::Sender<oneshot::Sender<()>>,
    /// Handles of tasks that anybody may abort.
    victims: Mutex<Vec<AbortHandle>>,
    contended: Mutex<u64>,
    shared: cmwq::sync::Mutex<u64>,
}

every_case! {
    fn everything_at_once(case) {
        let runtime = case.start(case::cores());
        let (outside, served) = mpsc::channel();
        let waker = thread::spawn(move || wake_from_outside(&served));
        let world = Arc::new(World {
            ledger: Ledger::new(),
            outside,
            victims: Mutex::new(Vec::new()),
            contended: Mutex::new(0),
            shared: cmwq::sync::Mutex::new(0),
        });
        let spawners: Vec<_> = (1..=SPAWNERS)
            .map(|seed| {
                let (world, handle) = (world.clone(), runtime.handle().clone());
                thread::spawn(move || spawn_and_join(&world, &handle, seed))
            })
            .collect();
        let (mut completed, mut canceled) = (0, 0);
        for spawner in spawners {
            let (c, x) = spawner.join().expect("no spawner panics");
            completed += c;
            canceled += x;
        }
        assert_eq!(completed + canceled, SPAWNERS * TASKS, "every handle has an answer");
        assert!(completed > 0 && canceled > 0, "{completed} completed, {canceled} canceled");
        let ledger = world.ledger.clone();
        // Those that were detached may still run.
        until("all tasks end", || ledger.dropped() == ledger.opened());
        drop(runtime);
        drop(world);
        waker.join().expect("the waking thread does not panic");
        assert_eq!(ledger.dropped(), ledger.opened());
        assert!(ledger.completed() as u64 >= completed);
        ledger.check();
    }
}

/// Wakes tasks a little later than asked, and some of them by dropping the sender.
fn wake_from_outside(served: &mpsc::Receiver<oneshot::Sender<()>>) {
    let mut random = Random::new(99);
    let mut held = Vec::new();
    while let Ok(sender) = served.recv() {
        held.push(sender);
        // All that are there by now, in reverse order.
        held.extend(served.try_iter().take(20));
        while let Some(sender) = held.pop() {
            if random.below(4) == 0 {
                drop(sender);
            } else {
                // The task may have been aborted.
                let _ = sender.send(());
            }
        }
    }
}

fn spawn_and_join(world: &Arc<World>, handle: &Handle, seed: u64) -> (u64, u64) {
    let mut random = Random::new(seed);
    let mut tasks = Vec::new();
    for n in 0..TASKS {
        let task = spawn(world, handle, seed * TASKS + n, true);
        match random.below(8) {
            0 => task.abort(),
            1 => world.victims.lock().expect("no panic").push(task.abort_handle()),
            _ => {}
        }
        tasks.push(task);
        if random.below(50) == 0 {
            thread::sleep(Duration::from_micros(500));
        }
    }
    let (mut completed, mut canceled) = (0, 0);
    for task in tasks {
        match finish(task) {
            Ok(()) => completed += 1,
            Err(e) if e.is_cancelled() => canceled += 1,
            Err(e) => panic!("a task failed: {e}"),
        }
    }
    (completed, canceled)
}

fn spawn(world: &Arc<World>, handle: &Handle, seed: u64, parent: bool) -> JoinHandle<()> {
    let future = live(world.clone(), Random::new(seed + 1_000_000), parent);
    handle.spawn(world.ledger.count(future))
}

/// The life of a task: some random steps.
async fn live(world: Arc<World>, mut random: Random, parent: bool) {
    for _ in 0..random.below(6) {
        match random.below(10) {
            0 => cmwq::task::yield_now().await,
            1 => cmwq::time::sleep(Duration::from_micros(random.below(3000))).await,
            2 => thread::sleep(Duration::from_micros(random.below(2000))),
            3 if parent => child(&world, &mut random).await,
            4 => {
                let (tx, rx) = oneshot::channel();
                world.outside.send(tx).expect("the waking thread lives");
                // An error means that it dropped the sender, which wakes too.
                let _ = rx.await;
            }
            5 => {
                let mut shared = world.shared.lock().await;
                cmwq::task::yield_now().await;
                *shared += 1;
            }
            6 => {
                let mut contended = world.contended.lock().expect("no panic");
                thread::sleep(Duration::from_micros(random.below(200)));
                *contended += 1;
            }
            7 => cmwq::task::spawn_blocking(|| ()).await.expect("not aborted"),
            8 => {
                let never = std::future::pending::<()>();
                let time = Duration::from_micros(random.below(1000));
                cmwq::time::timeout(time, never).await.expect_err("never");
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

/// A child that is awaited, aborted or let go.
async fn child(world: &Arc<World>, random: &mut Random) {
    let task = spawn(world, &Handle::current(), random.below(1 << 20), false);
    match random.below(3) {
        0 => task.await.expect("nobody aborts it"),
        1 => {
            task.abort();
            if let Err(e) = task.await {
                assert!(e.is_cancelled(), "{e}");
            }
        }
        _ => drop(task),
    }
}

//! What tokio measures its own scheduler with, and spawning and yielding as programs do it.

use std::{
    hint,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{Micro, Tally, Ticket, expect, inside};
use crate::{Result, runtimes::Runtime};

const MANY: u64 = 10_000;

/// From inside `block_on`, whose thread then blocks until all have run.
#[derive(Clone, Copy)]
pub struct SpawnManyLocal;

impl Micro for SpawnManyLocal {
    fn name(&self) -> String {
        "spawn_many_local".into()
    }

    fn batches<R: Runtime>(&self, runtime: &R, _: usize) -> impl FnMut() -> Result<u64> {
        let tally = Tally::new();
        move || {
            runtime.block_on(async {
                let ticket = tally.expect(MANY);
                for _ in 0..MANY {
                    let ticket = ticket.clone();
                    R::detach(async move { ticket.used() });
                }
                tally.wait(MANY)
            })
        }
    }
}

/// From a thread outside, into a runtime whose workers are idle or busy.
#[derive(Clone, Copy)]
pub enum SpawnManyRemote {
    Idle,
    /// Two tasks per core that burn 10 us and yield.
    BusyYielding,
    /// A task per core that burns 10 us and spawns its successor.
    BusySpawning,
}

impl Micro for SpawnManyRemote {
    fn name(&self) -> String {
        match self {
            SpawnManyRemote::Idle => "spawn_many_remote_idle",
            SpawnManyRemote::BusyYielding => "spawn_many_remote_busy1",
            SpawnManyRemote::BusySpawning => "spawn_many_remote_busy2",
        }
        .into()
    }

    fn batches<R: Runtime>(&self, runtime: &R, cores: usize) -> impl FnMut() -> Result<u64> {
        let handle = runtime.handle();
        let busy = Busy::default();
        let of = match self {
            SpawnManyRemote::Idle => MANY,
            SpawnManyRemote::BusyYielding => {
                for _ in 0..2 * cores {
                    R::spawn_on(&handle, yielding::<R>(busy.0.clone()));
                }
                MANY
            }
            SpawnManyRemote::BusySpawning => {
                for _ in 0..cores {
                    let flag = busy.0.clone();
                    R::spawn_on(&handle, async move { successors::<R>(flag) });
                }
                MANY / 10
            }
        };
        let tally = Tally::new();
        move || {
            let _busy = &busy;
            let ticket = tally.expect(of);
            for _ in 0..of {
                let ticket = ticket.clone();
                R::spawn_on(&handle, async move { ticket.used() });
            }
            tally.wait(of)
        }
    }
}

/// Keeps the workers busy while it lives.
struct Busy(Arc<AtomicBool>);

impl Default for Busy {
    fn default() -> Self {
        Busy(Arc::new(AtomicBool::new(true)))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(false, Relaxed);
    }
}

async fn yielding<R: Runtime>(busy: Arc<AtomicBool>) {
    while busy.load(Relaxed) {
        R::yield_now().await;
        burn();
    }
}

fn successors<R: Runtime>(busy: Arc<AtomicBool>) {
    if busy.load(Relaxed) {
        burn();
        R::detach(async move { successors::<R>(busy) });
    }
}

fn burn() {
    let start = Instant::now();
    while start.elapsed() < Duration::from_micros(10) {
        thread::yield_now();
    }
}

/// 200 tasks that yield 1000 times each.
#[derive(Clone, Copy)]
pub struct YieldMany;

impl Micro for YieldMany {
    fn name(&self) -> String {
        "yield_many".into()
    }

    fn batches<R: Runtime>(&self, runtime: &R, _: usize) -> impl FnMut() -> Result<u64> {
        const TASKS: u64 = 200;
        const YIELDS: u64 = 1000;
        let (handle, tally) = (runtime.handle(), Tally::new());
        move || {
            let ticket = tally.expect(TASKS);
            for _ in 0..TASKS {
                let ticket = ticket.clone();
                R::spawn_on(&handle, async move {
                    for _ in 0..YIELDS {
                        R::yield_now().await;
                    }
                    ticket.used();
                });
            }
            tally.wait(TASKS).map(|tasks| tasks * YIELDS)
        }
    }
}

/// 1000 pairs of tasks that send each other one message.
#[derive(Clone, Copy)]
pub struct PingPong;

impl Micro for PingPong {
    fn name(&self) -> String {
        "ping_pong".into()
    }

    fn batches<R: Runtime>(&self, runtime: &R, _: usize) -> impl FnMut() -> Result<u64> {
        const PAIRS: u64 = 1000;
        let (handle, tally) = (runtime.handle(), Tally::new());
        move || {
            let ticket = tally.expect(PAIRS);
            R::spawn_on(&handle, async move {
                for _ in 0..PAIRS {
                    let ticket = ticket.clone();
                    R::detach(async move {
                        let (to, there) = oneshot::channel();
                        let (back_to, back) = oneshot::channel();
                        R::detach(async move {
                            if there.await.is_ok() {
                                // The receiver waits for it.
                                let _ = back_to.send(());
                            }
                        });
                        // The other task waits for it.
                        let _ = to.send(());
                        if back.await.is_ok() {
                            ticket.used();
                        }
                    });
                }
            });
            tally.wait(PAIRS)
        }
    }
}

/// Tasks that each spawn the next.
#[derive(Clone, Copy)]
pub struct ChainedSpawn;

impl Micro for ChainedSpawn {
    fn name(&self) -> String {
        "chained_spawn".into()
    }

    fn batches<R: Runtime>(&self, runtime: &R, _: usize) -> impl FnMut() -> Result<u64> {
        const LINKS: u64 = 1000;
        let (handle, tally) = (runtime.handle(), Tally::new());
        move || {
            let ticket = tally.expect(LINKS);
            R::spawn_on(&handle, async move { link::<R>(LINKS, ticket) });
            tally.wait(LINKS)
        }
    }
}

fn link<R: Runtime>(left: u64, ticket: Ticket) {
    if left > 0 {
        R::detach(async move {
            ticket.used();
            link::<R>(left - 1, ticket);
        });
    }
}

/// From a task: spawn a number of tasks, then join them.
#[derive(Clone, Copy)]
pub struct SpawnJoin(pub usize);

impl Micro for SpawnJoin {
    fn name(&self) -> String {
        match self.0 {
            1 => "spawn, then await".into(),
            n => format!("spawn {n}, then join"),
        }
    }

    fn batches<R: Runtime>(&self, runtime: &R, _: usize) -> impl FnMut() -> Result<u64> {
        let at_once = self.0;
        move || {
            let joined = inside(runtime, async move {
                let mut handles = Vec::with_capacity(at_once);
                let mut joined = 0;
                while joined < MANY {
                    handles.extend((0..at_once).map(|_| R::spawn(async { hint::black_box(1) })));
                    for handle in handles.drain(..) {
                        joined += handle.await;
                    }
                }
                joined
            });
            expect("tasks", joined, MANY)
        }
    }
}

//! Spawning from many threads outside at once.

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
};

use super::{Micro, Tally};
use crate::{Result, runtimes::Runtime};

/// So many tasks in a batch, divided among the threads.
const TASKS: u64 = 12_800;

/// From so many outside threads.
#[derive(Clone, Copy)]
pub struct RemoteSpawn(pub usize);

impl Micro for RemoteSpawn {
    fn name(&self) -> String {
        format!("remote_spawn, {} threads", self.0)
    }

    fn batches<R: Runtime>(&self, runtime: &R, _: usize) -> impl FnMut() -> Result<u64> {
        let tally = Tally::new();
        let ticket = tally.expect(TASKS);
        let each = TASKS / self.0 as u64;
        let spawners = Spawners::start(self.0, || {
            let (handle, ticket) = (runtime.handle(), ticket.clone());
            move || {
                for _ in 0..each {
                    let ticket = ticket.clone();
                    R::spawn_on(&handle, async move { ticket.used() });
                }
            }
        });
        move || {
            tally.expect(TASKS);
            spawners.go();
            tally.wait(TASKS)
        }
    }
}

/// Threads that all do their part of a batch at each [`go`](Spawners::go), so that a batch does not
/// pay for starting them.
struct Spawners {
    /// Counts everybody and the caller.
    gate: Arc<Barrier>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Spawners {
    fn start<F: Fn() + Send + 'static>(number: usize, part: impl Fn() -> F) -> Spawners {
        let gate = Arc::new(Barrier::new(number + 1));
        let stop = Arc::new(AtomicBool::new(false));
        let threads = (0..number).map(|_| {
            let (gate, stop, part) = (gate.clone(), stop.clone(), part());
            thread::spawn(move || {
                loop {
                    gate.wait();
                    if stop.load(Relaxed) {
                        return;
                    }
                    part();
                }
            })
        });
        let threads = threads.collect();
        Spawners { gate, stop, threads }
    }

    fn go(&self) {
        self.gate.wait();
    }
}

impl Drop for Spawners {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        self.go();
        for thread in self.threads.drain(..) {
            // It does not panic.
            let _ = thread.join();
        }
    }
}

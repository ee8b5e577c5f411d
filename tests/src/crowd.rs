//! Many tasks that block at once.

use crate::blocks::Block;
use crate::running::{Running, finish};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Tasks that block, more of them than there can be workers.
pub struct Crowd {
    releases: Vec<Box<dyn FnOnce() + Send>>,
    tasks: Vec<cmwq::task::JoinHandle<()>>,
    entered: Arc<AtomicUsize>,
}

impl Crowd {
    /// Spawns them.
    pub fn start(runtime: &Running, size: usize) -> Crowd {
        Crowd::start_with(size, |block| runtime.spawn(async move { block() }))
    }

    /// Spawns them by other means.
    pub fn start_with(
        size: usize,
        spawn: impl Fn(Box<dyn FnOnce() + Send>) -> cmwq::task::JoinHandle<()>,
    ) -> Crowd {
        let mut crowd = Crowd { releases: Vec::new(), tasks: Vec::new(), entered: Arc::default() };
        for _ in 0..size {
            let Block { enter, release } = Block::pipe();
            let entered = crowd.entered.clone();
            crowd.releases.push(release);
            crowd.tasks.push(spawn(Box::new(move || {
                entered.fetch_add(1, Ordering::SeqCst);
                enter();
            })));
        }
        crowd
    }

    /// How many have started to block.
    pub fn entered(&self) -> usize {
        self.entered.load(Ordering::SeqCst)
    }

    /// All blocks end, and nobody waits for the tasks.
    pub fn release(self) {
        self.releases.into_iter().for_each(|release| release());
    }

    /// All blocks end; every task must run and end, those too that had no worker so far.
    ///
    /// # Panics
    /// When one does not.
    pub fn finish(self) {
        self.releases.into_iter().for_each(|release| release());
        for task in self.tasks {
            finish(task).expect("no panic");
        }
    }
}

//! Blocks that are so short that a takeover costs more than they do.

use std::{
    hint,
    sync::{Arc, Mutex, PoisonError},
};

use super::{Micro, expect, inside};
use crate::{Result, runtimes::Runtime};

/// A hundred nanoseconds. The same code for every runtime: inlined, the loop is faster or slower by a third, by
/// where it comes to lie.
#[inline(never)]
fn small() -> u64 {
    (0..200u64).fold(1, |sum, n| hint::black_box(sum ^ n))
}

/// Closures that do nothing, so many at once.
#[derive(Clone, Copy)]
pub struct SpawnBlocking {
    pub at_once: u64,
    /// They do a little instead.
    pub small: bool,
}

impl Micro for SpawnBlocking {
    fn name(&self) -> String {
        let what = if self.small { "small" } else { "no-ops" };
        format!("spawn_blocking {what}, {} at once", self.at_once)
    }

    fn batches<R: Runtime>(&self, runtime: &R, _: usize) -> impl FnMut() -> Result<u64> {
        const CALLS: u64 = 1000;
        let SpawnBlocking { at_once, small: is_small } = *self;
        move || {
            let returned = inside(runtime, async move {
                let mut returned = 0;
                while returned < CALLS {
                    let handles: Vec<_> = (0..at_once)
                        .map(|_| {
                            R::spawn_blocking(move || {
                                if is_small {
                                    hint::black_box(small());
                                }
                                1
                            })
                        })
                        .collect();
                    for handle in handles {
                        returned += handle.await;
                    }
                }
                returned
            });
            expect("closures returned", returned, CALLS)
        }
    }
}

/// Sections under a `std::sync::Mutex` inside tasks, each task with its own or all with one.
#[derive(Clone, Copy)]
pub enum MutexSections {
    Uncontended,
    Contended,
}

impl Micro for MutexSections {
    fn name(&self) -> String {
        match self {
            MutexSections::Uncontended => "std Mutex sections, own lock".into(),
            MutexSections::Contended => "std Mutex sections, one lock".into(),
        }
    }

    fn batches<R: Runtime>(&self, runtime: &R, _: usize) -> impl FnMut() -> Result<u64> {
        const TASKS: u64 = 16;
        const SECTIONS: u64 = 1000;
        let contended = matches!(self, MutexSections::Contended);
        move || {
            let sum = inside(runtime, async move {
                let one = Arc::new(Mutex::new(0));
                let tasks: Vec<_> = (0..TASKS)
                    .map(|_| {
                        let lock = if contended { one.clone() } else { Arc::default() };
                        R::spawn(sections::<R>(lock, SECTIONS))
                    })
                    .collect();
                let mut sum = 0;
                for task in tasks {
                    sum += task.await;
                }
                sum
            });
            expect("sections", sum, TASKS * SECTIONS)
        }
    }
}

async fn sections<R: Runtime>(lock: Arc<Mutex<u64>>, sections: u64) -> u64 {
    for section in 0..sections {
        {
            let mut inside = lock.lock().unwrap_or_else(PoisonError::into_inner);
            hint::black_box(small());
            *inside += 1;
        }
        if section % 10 == 9 {
            R::yield_now().await;
        }
    }
    sections
}

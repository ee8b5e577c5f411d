//! Many sleeps at once, and sleeps that never ring.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use super::{Micro, expect, inside};
use crate::{Result, runtimes::Runtime};

/// 100,000 tasks that each sleep 1 to 10 ms.
#[derive(Clone, Copy)]
pub struct Sleeps;

impl Micro for Sleeps {
    fn name(&self) -> String {
        "100,000 sleeps".into()
    }

    fn batches<R: Runtime>(&self, runtime: &R, _: usize) -> impl FnMut() -> Result<u64> {
        const SLEEPS: u64 = 100_000;
        move || {
            let in_time = inside(runtime, async {
                let mut handles = Vec::with_capacity(SLEEPS as usize);
                for n in 0..SLEEPS {
                    let length = Duration::from_micros(1000 + n * 7919 % 9000);
                    handles.push(R::spawn(async move {
                        let start = Instant::now();
                        R::sleep(length).await;
                        u64::from(start.elapsed() >= length)
                    }));
                }
                let mut in_time = 0;
                for handle in handles {
                    in_time += handle.await;
                }
                in_time
            });
            expect("sleeps were not too early", in_time, SLEEPS)
        }
    }
}

/// Registered at their first poll, then dropped: a timeout around something that is quick.
#[derive(Clone, Copy)]
pub struct InsertCancel;

impl Micro for InsertCancel {
    fn name(&self) -> String {
        "insert and cancel".into()
    }

    fn batches<R: Runtime>(&self, runtime: &R, _: usize) -> impl FnMut() -> Result<u64> {
        const TIMERS: u64 = 10_000;
        move || {
            let pending = inside(runtime, async {
                let mut pending = 0;
                for n in 0..TIMERS {
                    let sleep = pin!(R::sleep(Duration::from_millis(500 + n % 1000)));
                    let mut context = Context::from_waker(Waker::noop());
                    pending += u64::from(matches!(sleep.poll(&mut context), Poll::Pending));
                }
                pending
            });
            expect("timers were pending", pending, TIMERS)
        }
    }
}

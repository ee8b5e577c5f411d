//! What scheduling costs when nothing blocks, beside tokio and beside no detector.

use std::time::Instant;

use cmwq::runtime::Detector;
use tokio::sync::{mpsc, oneshot};

use crate::{
    Result,
    case::{Case, Options},
    stats::Runs,
    subject::{Runtime, Subject, on},
    table,
};

const TOKIO: usize = 0;
const OFF: usize = 1;
const AUTO: usize = 2;
const SUBJECTS: [Subject; 3] =
    [Subject::Tokio, Subject::Cmwq(Detector::Off), Subject::Cmwq(Detector::Auto)];

pub struct Spawn;

impl Case for Spawn {
    fn name(&self) -> &'static str {
        "spawn"
    }

    fn about(&self) -> &'static str {
        "spawn and join, yields, ping-pong, a chain of spawns, spawns from outside"
    }

    fn run(&self, options: &Options) -> Result<()> {
        // Some tenths of a second for each run.
        let scale = options.pick(10, 1);
        println!(
            "{} cores, {} runs: median (smallest..largest); ns per operation, ratios run by run",
            options.cores, options.runs
        );
        let mut rows = Vec::new();
        for (name, work) in WORKS {
            let mut results = SUBJECTS.map(|_| Runs::default());
            for _ in 0..options.runs {
                for (subject, results) in SUBJECTS.iter().zip(&mut results) {
                    results.push(on!(*subject, measure(options.cores, work, scale))?);
                }
            }
            rows.push([
                name.to_owned(),
                results[TOKIO].show(0),
                results[OFF].show(0),
                results[AUTO].show(0),
                results[AUTO].ratio(&results[TOKIO]).show(2),
                results[AUTO].ratio(&results[OFF]).show(2),
            ]);
        }
        table::print(["", "tokio", "cmwq off", "cmwq auto", "auto / tokio", "auto / off"], rows);
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Work {
    SpawnJoin,
    Yield,
    PingPong,
    Chain,
    Outside,
}

const WORKS: [(&str, Work); 5] = [
    ("spawn and join", Work::SpawnJoin),
    ("yield", Work::Yield),
    ("ping-pong, there and back", Work::PingPong),
    ("chain of spawns", Work::Chain),
    ("spawn from outside and join", Work::Outside),
];

/// Nanoseconds per operation, after a tenth of the work to warm up.
fn measure<R: Runtime>(subject: Subject, cores: usize, work: Work, scale: usize) -> Result<f64> {
    let runtime = R::start(subject, cores)?;
    let go = |scale: usize| {
        let start = Instant::now();
        let operations = match work {
            Work::SpawnJoin => inside(&runtime, spawn_join::<R>(scale * 1_000)),
            Work::Yield => inside(&runtime, yields::<R>(scale * 10_000)),
            Work::PingPong => inside(&runtime, ping_pong::<R>(scale * 1_000)),
            Work::Chain => inside(&runtime, chain::<R>(scale * 10_000)),
            Work::Outside => runtime.block_on(spawn_join::<R>(scale * 1_000)),
        };
        start.elapsed().as_nanos() as f64 / operations as f64
    };
    go(scale);
    let result = go(scale * 10);
    runtime.stop();
    Ok(result)
}

/// On a worker rather than in `block_on`.
fn inside<R: Runtime>(runtime: &R, work: impl Future<Output = usize> + Send + 'static) -> usize {
    runtime.block_on(async { R::spawn(work).await })
}

async fn spawn_join<R: Runtime>(n: usize) -> usize {
    const BATCH: usize = 100;
    let mut handles = Vec::with_capacity(BATCH);
    for _ in 0..n / BATCH {
        for _ in 0..BATCH {
            handles.push(R::spawn(async {}));
        }
        for handle in handles.drain(..) {
            handle.await;
        }
    }
    n / BATCH * BATCH
}

async fn yields<R: Runtime>(n: usize) -> usize {
    for _ in 0..n {
        R::yield_now().await;
    }
    n
}

async fn ping_pong<R: Runtime>(n: usize) -> usize {
    let (to, mut from) = mpsc::channel(1);
    let (back_to, mut back_from) = mpsc::channel(1);
    let other = R::spawn(async move {
        while let Some(ball) = from.recv().await {
            if back_to.send(ball).await.is_err() {
                return;
            }
        }
    });
    for ball in 0..n {
        to.send(ball).await.expect("the other side waits for the ball");
        back_from.recv().await.expect("the other side sends the ball back");
    }
    drop(to);
    other.await;
    n
}

async fn chain<R: Runtime>(n: usize) -> usize {
    let (done, end) = oneshot::channel();
    link::<R>(n, done);
    end.await.expect("the last link says that it ran");
    n
}

fn link<R: Runtime>(left: usize, done: oneshot::Sender<()>) {
    drop(R::spawn(async move {
        if left == 0 {
            // The receiver waits for it.
            let _ = done.send(());
        } else {
            link::<R>(left - 1, done);
        }
    }));
}

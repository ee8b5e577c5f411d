//! From ten to a million live tasks, and from one to sixty-four pools on this machine.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use tokio::sync::Notify;

use crate::{
    Result,
    case::{Case, Figure, Limit, PER_SECOND, Row, Sample, Settings},
    child::measured::finish,
    contender::Contender::{self, *},
    measure::{
        contention::Contention,
        counters::{Counters, Event},
        procfs,
        throughput::throughput,
    },
    micro::{
        Micro, Tally,
        scheduler::{PingPong, SpawnManyRemote, YieldMany},
    },
    on,
    runtimes::Runtime,
};

const WAKE: Figure = Figure::less("ns per wake and poll");
const BYTES: Figure = Figure::less("bytes per task");

pub struct Scale;

impl Case for Scale {
    fn name(&self) -> &'static str {
        "scale"
    }

    fn about(&self) -> &'static str {
        "10 to 1,000,000 live tasks that are all woken in turn; 1 to 64 pools on these cores"
    }

    fn rows(&self, settings: &Settings) -> Vec<Row> {
        let mut rows = Vec::new();
        let sizes = [(10, "10"), (1000, "1,000"), (100_000, "100,000"), (1_000_000, "1,000,000")];
        for &(tasks, shown) in &sizes[..settings.pick(4, 3)] {
            let row =
                Row::new(format!("{shown} tasks"), &[WAKE, BYTES], move |contender, settings| {
                    on!(contender, live(settings, tasks))
                });
            // What few tasks weigh is lost in pages.
            let row = row.ratio(WAKE, Tokio, Limit::AtMost(1.0));
            let heavy = tasks >= 100_000;
            rows.push(if heavy { row.ratio(BYTES, Tokio, Limit::AtMost(1.0)) } else { row });
        }
        for pools in settings.pick(&[1, 4, 16, 64][..], &[1, 64][..]) {
            rows.push(oversubscribed(*pools, YieldMany));
            rows.push(oversubscribed(*pools, PingPong));
            rows.push(oversubscribed(*pools, SpawnManyRemote::Idle));
        }
        rows
    }
}

/// Tasks that live at once; each round wakes all of them.
fn live<R: Runtime>(contender: Contender, settings: &Settings, tasks: u64) -> Result<Sample> {
    let runtime = R::start(contender, settings.cores)?;
    let (handle, tally) = (runtime.handle(), Tally::new());
    let round = Arc::new(AtomicU64::new(0));
    let gates: Vec<_> = (0..tasks).map(|_| Arc::new(Notify::new())).collect();
    let before = procfs::anonymous_kib(std::process::id())?;
    let ticket = tally.expect(tasks);
    for gate in &gates {
        let (gate, ticket, round) = (gate.clone(), ticket.clone(), round.clone());
        R::spawn_on(&handle, async move {
            ticket.used();
            while round.load(Relaxed) != u64::MAX {
                gate.notified().await;
                ticket.used();
            }
        });
    }
    tally.wait(tasks)?;
    let bytes = procfs::anonymous_kib(std::process::id())?.saturating_sub(before) * 1024;

    // The one that wakes is a task too: from outside it would be measured how threads are woken.
    let gates = Arc::new(gates);
    let rounds = Counters::now()?;
    let (mut wakes, start) = (0, Instant::now());
    while start.elapsed() < settings.window() || wakes == 0 {
        tally.expect(tasks);
        let gates = gates.clone();
        R::spawn_on(&handle, async move {
            for (n, gate) in gates.iter().enumerate() {
                gate.notify_one();
                if n % 128 == 127 {
                    R::yield_now().await;
                }
            }
        });
        wakes += tally.wait(tasks)?;
    }
    let elapsed = start.elapsed().as_nanos() as f64;
    let sample = Sample::default()
        .with(WAKE, elapsed / wakes as f64)
        .with(BYTES, bytes as f64 / tasks as f64);
    let sample = rounds.per(wakes, sample)?;
    round.store(u64::MAX, Relaxed);
    Ok(finish(runtime, sample))
}

/// More pools than cores. Wall time says little there; what is shared shows in switches, in calls of
/// the futex, one for each lock or park that had to wait, and, in a build that counts it, in the
/// locks and exchanges of cmwq that met others.
fn oversubscribed(pools: usize, work: impl Micro) -> Row {
    Row::new(
        format!("{pools} pools: {}", work.name()),
        &[PER_SECOND],
        move |contender, settings| on!(contender, many_pools(settings, pools, work)),
    )
    .contenders([Tokio, Cmwq, CmwqOff])
}

fn many_pools<R: Runtime>(
    contender: Contender,
    settings: &Settings,
    pools: usize,
    work: impl Micro,
) -> Result<Sample> {
    // Before the runtime's threads, which inherit it.
    let mut futex = Event::futex_calls();
    let runtime = R::start(contender, pools)?;
    let mut operations = 0;
    let mut batch = work.batches(&runtime, pools);
    let before = futex.as_mut().and_then(Event::count);
    let contention = Contention::now();
    let mut sample = throughput(settings, || {
        let made = batch()?;
        operations += made;
        Ok(made)
    })?;
    drop(batch);
    if let (Some(after), Some(before)) = (futex.as_mut().and_then(Event::count), before) {
        let calls = (after - before) as f64 / operations as f64 * 1e6;
        sample = sample.beside("futex calls per million", calls);
    }
    Ok(finish(runtime, contention.per_million(operations, sample)))
}

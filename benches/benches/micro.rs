//! The micro cases under criterion: `cargo bench -p cmwq-benches [-- NAME]`.

use std::hint::black_box;

use cmwq_benches::{
    Result,
    contender::Contender,
    micro::{
        Micro,
        channels::{Broadcast, Mpsc, RequestReply},
        scheduler::{
            ChainedSpawn, PingPong, SpawnJoin, SpawnManyLocal, SpawnManyRemote, YieldMany,
        },
        short::{MutexSections, SpawnBlocking},
        timers::InsertCancel,
    },
    on,
    runtimes::{Runtime, SMOL_THREADS},
};
use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};

const CONTENDERS: [Contender; 4] =
    [Contender::Cmwq, Contender::CmwqOff, Contender::Tokio, Contender::Smol];

fn main() -> Result<()> {
    let cores = std::thread::available_parallelism()?.get();
    // SAFETY: no other thread exists yet.
    unsafe { std::env::set_var(SMOL_THREADS, cores.to_string()) };

    let mut criterion = Criterion::default().configure_from_args();
    bench(&mut criterion, cores, SpawnManyLocal)?;
    bench(&mut criterion, cores, SpawnManyRemote::Idle)?;
    bench(&mut criterion, cores, YieldMany)?;
    bench(&mut criterion, cores, PingPong)?;
    bench(&mut criterion, cores, ChainedSpawn)?;
    bench(&mut criterion, cores, SpawnJoin(1))?;
    bench(&mut criterion, cores, SpawnJoin(100))?;
    bench(&mut criterion, cores, SpawnBlocking { at_once: 100, small: false })?;
    bench(&mut criterion, cores, MutexSections::Uncontended)?;
    bench(&mut criterion, cores, InsertCancel)?;
    bench(&mut criterion, cores, Mpsc { senders: 1, capacity: 1000 })?;
    bench(&mut criterion, cores, Mpsc { senders: 5, capacity: 1000 })?;
    bench(&mut criterion, cores, RequestReply(64))?;
    bench(&mut criterion, cores, Broadcast(6))?;
    criterion.final_summary();
    Ok(())
}

fn bench(criterion: &mut Criterion, cores: usize, work: impl Micro) -> Result<()> {
    let mut group = criterion.benchmark_group(work.name());
    for contender in CONTENDERS {
        on!(contender, one(cores, work, &mut group))?;
    }
    group.finish();
    Ok(())
}

fn one<R: Runtime>(
    contender: Contender,
    cores: usize,
    work: impl Micro,
    group: &mut BenchmarkGroup<'_, WallTime>,
) -> Result<()> {
    let runtime = R::start(contender, cores)?;
    let mut batch = work.batches(&runtime, cores);
    group.throughput(Throughput::Elements(batch()?));
    // A batch checks itself; a failed one must not be timed.
    group.bench_function(contender.name(), |bencher| {
        bencher.iter(|| black_box(batch()).expect("a batch loses nothing"));
    });
    drop(batch);
    runtime.stop();
    Ok(())
}

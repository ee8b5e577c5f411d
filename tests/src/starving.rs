//! Pools whose workers are all blocked, and queues that have work there.

use crate::confine;
use crate::crowd::Crowd;
use crate::{Case, Running, finish, until};
use cmwq::Workqueue;
use cmwq::net::{TcpListener, TcpStream};
use cmwq::runtime::Runtime;
use cmwq::task::JoinHandle;
use cmwq::time::sleep;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::sync::mpsc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The workers that a core may have.
pub const CAP: usize = 2;

/// A future that needs timers, sockets and wakers that are not a task's own.
pub async fn work(number: usize) -> usize {
    sleep(Duration::from_millis(3)).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let serve = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let byte = stream.read_u8().await.expect("a byte");
        sleep(Duration::from_millis(2)).await;
        stream.write_u8(byte + 1).await.expect("a reader");
    };
    let ask = async {
        let mut stream = TcpStream::connect(address).await.expect("a listener");
        stream.write_u8(41).await.expect("a reader");
        stream.read_u8().await.expect("an answer")
    };
    assert_eq!(futures::join!(serve, ask).1, 42);
    let mut sleeps: FuturesUnordered<_> =
        (1..4).map(|ms| sleep(Duration::from_millis(ms))).collect();
    while sleeps.next().await.is_some() {}
    number
}

/// More than one turn of a rescuer.
pub const ITEMS: usize = 20;

/// Queues [`ITEMS`] of [`work`].
pub fn queue_work(queue: &Workqueue) -> Vec<JoinHandle<usize>> {
    (0..ITEMS).map(|number| queue.spawn(work(number))).collect()
}

/// Waits for what [`queue_work`] has queued.
///
/// # Panics
/// When that takes too long, or one gives another number.
pub fn all_finish(tasks: Vec<JoinHandle<usize>>) {
    for (number, task) in tasks.into_iter().enumerate() {
        assert_eq!(finish(task).expect("no panic"), number);
    }
}

/// Which pool serves a queue.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    /// The normal one of the CPU.
    Bound,
    /// The high-priority one of the CPU.
    High,
    /// On one CPU, so that there is one core to block.
    Unbound,
    /// The same pool.
    Ordered,
}

fn cpu() -> Option<usize> {
    confine::allowed().expect("asking is allowed").first().copied()
}

/// A queue of that kind, with a rescuer if it is to `reclaim`.
///
/// # Panics
/// When it cannot be built.
pub fn build(runtime: &Runtime, kind: Kind, name: &str, reclaim: bool) -> Workqueue {
    let builder = Workqueue::builder().name(name);
    let builder = match kind {
        Kind::Bound => builder.bound(),
        Kind::High => builder.high_priority(),
        Kind::Unbound => builder.unbound().cpus(cpu()),
        Kind::Ordered => builder.ordered().cpus(cpu()),
    };
    let builder = if reclaim { builder.reclaim() } else { builder };
    builder.build_on(runtime.handle()).expect("there are threads yet")
}

/// Blocks every worker of the pool that serves queues of a kind, with at least so many tasks.
pub fn block_pool(runtime: &Running, kind: Kind, tasks: usize) -> Crowd {
    // An ordered queue would let one of them block at a time.
    let kind = if kind == Kind::Ordered { Kind::Unbound } else { kind };
    let others = build(runtime, kind, "others", false);
    let crowd = Crowd::start_with(tasks, |block| others.spawn(async move { block() }));
    until("every worker is blocked", || crowd.entered() == CAP);
    crowd
}

/// A runtime whose cores may have no more than [`CAP`] workers.
pub fn capped(case: Case, cores: usize) -> Running {
    case.start_with(cores, |builder| {
        builder.max_workers_per_core(CAP);
    })
}

/// Tasks that each block until a future has run which they have queued.
pub fn waiting_for(runtime: &Running, queue: &Workqueue, count: usize) -> Vec<JoinHandle<usize>> {
    (0..count)
        .map(|number| {
            let queue = queue.clone();
            runtime.spawn(async move {
                let (report, reported) = mpsc::channel();
                queue.spawn(async move {
                    report.send(work(number).await).expect("it is waited for");
                });
                reported.recv().expect("the future ends")
            })
        })
        .collect()
}

/// Threads of queues that are called `pages`.
pub fn rescuers() -> usize {
    let tasks = procfs::process::Process::myself().and_then(|process| process.tasks());
    let names = tasks.expect("/proc is mounted").flatten().filter_map(|task| task.stat().ok());
    names.filter(|stat| stat.comm == "cmwq/R-pages").count()
}

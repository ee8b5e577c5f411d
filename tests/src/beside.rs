//! Work that must go on while something blocks: timers, and TCP from outside the runtime.

use crate::blocks::Block;
use crate::case::Case;
use crate::running::Running;
use crate::watchdog;
use cmwq::net::TcpListener;
use cmwq::runtime::Runtime;
use std::fmt;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How much of each kind of work counts as "goes on". One tick or echo could have been under
/// way at the moment of the block; this many could not.
pub const GROWTH: u64 = 20;

/// How long progress may take before it counts as a stall. [`GROWTH`] takes 20-40 ms.
fn stall() -> Duration {
    watchdog::patience(10)
}

/// What stood still, and the threads of the process at that time.
pub struct Stalled(String);

impl fmt::Debug for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As text, since `expect` shows it so and a list of threads has many lines.
        f.write_str(&self.0)
    }
}

#[derive(Default)]
struct Counts {
    ticks: AtomicU64,
    echoes: AtomicU64,
    stop: AtomicBool,
}

/// A ticker of 1 ms and an echo server on a runtime, with a client on a thread of its own.
///
/// The client sends the next message some time after the last answer came, so its messages find
/// the runtime's queues empty and come from the network alone.
pub struct Beside {
    counts: Arc<Counts>,
    client: Option<thread::JoinHandle<()>>,
}

impl Beside {
    /// Starts everything and waits until it runs.
    pub fn start(runtime: &Runtime) -> Beside {
        let counts = Arc::new(Counts::default());
        runtime.spawn(tick(counts.clone()));
        let (tx, rx) = mpsc::channel();
        runtime.spawn(serve(tx));
        let addr = rx.recv_timeout(stall()).expect("the echo server starts");
        let client = {
            let counts = counts.clone();
            thread::spawn(move || ask(addr, &counts))
        };
        let beside = Beside { counts, client: Some(client) };
        beside.progress().expect("timers and sockets work before anything blocks");
        beside
    }

    /// Ticks so far.
    pub fn ticks(&self) -> u64 {
        self.counts.ticks.load(Ordering::Relaxed)
    }

    /// Answers so far.
    pub fn echoes(&self) -> u64 {
        self.counts.echoes.load(Ordering::Relaxed)
    }

    /// Waits until both the timers and the sockets have made progress from now on.
    ///
    /// # Errors
    /// What stood still, when that takes too long.
    pub fn progress(&self) -> Result<(), Stalled> {
        let (ticks, echoes) = (self.ticks(), self.echoes());
        let (start, stall) = (Instant::now(), stall());
        loop {
            let (more_ticks, more_echoes) = (self.ticks() - ticks, self.echoes() - echoes);
            if more_ticks >= GROWTH && more_echoes >= GROWTH {
                return Ok(());
            }
            if start.elapsed() > stall {
                return Err(Stalled(format!(
                    "{more_ticks} ticks and {more_echoes} echoes in {stall:?}\n{}",
                    watchdog::threads()
                )));
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.counts.stop.store(true, Ordering::Relaxed);
        if let Some(client) = self.client.take() {
            let joined = client.join();
            if !thread::panicking() {
                joined.expect("the echo client fails only if the server does");
            }
        }
    }
}

async fn tick(counts: Arc<Counts>) {
    while !counts.stop.load(Ordering::Relaxed) {
        cmwq::time::sleep(Duration::from_millis(1)).await;
        counts.ticks.fetch_add(1, Ordering::Relaxed);
    }
}

async fn serve(addr: mpsc::Sender<SocketAddr>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback listener");
    addr.send(listener.local_addr().expect("a bound address")).expect("the starter waits");
    let (mut stream, _) = listener.accept().await.expect("the client connects");
    let mut buf = [0; 64];
    // Ends with the client; an error means that it ended in the middle of a message.
    while let Ok(n) = stream.read(&mut buf).await {
        if n == 0 || stream.write_all(&buf[..n]).await.is_err() {
            break;
        }
    }
}

fn ask(addr: SocketAddr, counts: &Counts) {
    let mut stream = TcpStream::connect(addr).expect("the echo server listens");
    stream.set_nodelay(true).expect("TCP_NODELAY");
    // Only for the end of a failed test: a stall shows by the counts long before.
    stream.set_read_timeout(Some(2 * stall())).expect("SO_RCVTIMEO");
    let mut n = 0_u64;
    while !counts.stop.load(Ordering::Relaxed) {
        let message = n.to_le_bytes();
        stream.write_all(&message).expect("the server reads");
        let mut answer = [0; 8];
        stream.read_exact(&mut answer).expect("the server answers");
        assert_eq!(answer, message, "an echo is what was sent");
        counts.echoes.fetch_add(1, Ordering::Relaxed);
        n += 1;
        thread::sleep(Duration::from_micros(300));
    }
}

/// A task of a one-core runtime enters `block`; it is released only after the timers and the
/// sockets of that core have made progress.
///
/// # Panics
/// When they stand still, when the block did not block, or when it does not end.
pub fn beside_block(case: Case, block: Block) {
    beside_block_in(case, block, |runtime, enter| {
        runtime.spawn(async move { enter() });
    });
}

/// As [`beside_block`], but `arrange` decides where on the runtime the block is entered.
///
/// # Panics
/// As [`beside_block`].
pub fn beside_block_in(
    case: Case,
    block: Block,
    arrange: impl FnOnce(&Running, Box<dyn FnOnce() + Send>),
) {
    let runtime = case.start(1);
    let beside = Beside::start(&runtime);
    let Block { enter, release } = block;
    let (entered_tx, entered) = mpsc::channel();
    let (returned_tx, returned) = mpsc::channel();
    let enter = move || {
        entered_tx.send(()).expect("the test waits");
        enter();
        returned_tx.send(()).expect("the test waits");
    };
    arrange(&runtime, Box::new(enter));
    entered.recv_timeout(stall()).expect("the blocking code is reached");
    // Whether the block has begun by now is not known: the progress is counted twice, and the
    // second count lies in the block for certain.
    let progress = beside.progress().and_then(|()| beside.progress());
    let early = returned.try_recv().is_ok();
    release();
    progress.expect("timers and sockets go on beside a block");
    assert!(!early, "the call returned before it was released: it did not block");
    returned.recv_timeout(stall()).expect("the block ends when it is released");
    beside.progress().expect("everything goes on after the block");
}

//! The load: what a user of the service would send.
//!
//! Two threads with a runtime of their own each, so that the clients of `/ping` do not wait for the
//! clients of the queries. All of it is bounded: a fixed number of connections, one request at a
//! time on each, a pause after every request, and an end.

use std::{
    io,
    net::SocketAddr,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::{
    runtime,
    task::JoinSet,
    time::{sleep, sleep_until},
};

use crate::{
    client::Client,
    measure::Latencies,
    service::{PING, QUERIES},
};

/// Connections that ping.
pub const PINGERS: usize = 40;
/// Each sends this often. Longer than the stalls that are to be seen: a ping that waits must not
/// make the next ones late, or a queue in the client would be measured.
pub const PING_EVERY: Duration = Duration::from_millis(40);
/// A client of a query waits so long after its answer.
const THINK: Duration = Duration::from_millis(2);

/// Requests that began from `start` until `end` count.
#[derive(Clone, Copy)]
pub struct Window {
    pub start: Instant,
    pub end: Instant,
}

/// What the clients saw.
pub struct Seen {
    pub pings: Latencies,
    pub queries: Latencies,
    pub errors: u64,
    /// The first one, for the user.
    pub error: Option<String>,
}

impl Seen {
    pub fn new() -> Seen {
        Seen { pings: Latencies::new(), queries: Latencies::new(), errors: 0, error: None }
    }

    pub fn add(&mut self, other: Seen) {
        self.pings.add(&other.pings);
        self.queries.add(&other.queries);
        self.errors += other.errors;
        if self.error.is_none() {
            self.error = other.error;
        }
    }

    fn failed(&mut self, error: crate::Error) {
        self.errors += 1;
        self.error.get_or_insert_with(|| error.to_string());
    }
}

pub struct Load {
    threads: Vec<JoinHandle<io::Result<Seen>>>,
}

impl Load {
    /// Sends from now until the end of the window; `clients` for each query path.
    pub fn start(server: SocketAddr, clients: usize, window: Window) -> io::Result<Load> {
        let pings = on_thread("load-ping", move |all| {
            for i in 0..PINGERS {
                // Spread over the interval.
                let first = Instant::now() + PING_EVERY * i as u32 / PINGERS as u32;
                all.spawn(ping(Client::new(server), first, window));
            }
        })?;
        let queries = on_thread("load-query", move |all| {
            for path in QUERIES {
                for _ in 0..clients {
                    all.spawn(query(Client::new(server), path, window));
                }
            }
        })?;
        Ok(Load { threads: vec![pings, queries] })
    }

    pub fn finish(self) -> io::Result<Seen> {
        let mut seen = Seen::new();
        for thread in self.threads {
            seen.add(thread.join().expect("a load thread does not panic")?);
        }
        Ok(seen)
    }
}

/// Runs what `start` spawns to its end, on one thread.
fn on_thread(
    name: &str,
    start: impl FnOnce(&mut JoinSet<Seen>) + Send + 'static,
) -> io::Result<JoinHandle<io::Result<Seen>>> {
    thread::Builder::new().name(name.into()).spawn(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(async {
            let mut all = JoinSet::new();
            start(&mut all);
            let mut seen = Seen::new();
            while let Some(done) = all.join_next().await {
                seen.add(done.expect("a client does not panic"));
            }
            seen
        }))
    })
}

async fn ping(mut client: Client, first: Instant, window: Window) -> Seen {
    let mut seen = Seen::new();
    let mut due = first;
    while due < window.end {
        // On time: from now, the client's own timer is not the server's fault. Too late, because
        // the last answer was: from when it was due.
        let begin = if Instant::now() < due {
            sleep_until(due.into()).await;
            Instant::now()
        } else {
            due
        };
        match client.get(PING).await {
            Ok(()) if begin >= window.start => seen.pings.record(begin.elapsed()),
            Ok(()) => {}
            Err(error) => {
                seen.failed(error);
                sleep(THINK).await;
            }
        }
        due += PING_EVERY;
    }
    seen
}

async fn query(mut client: Client, path: &'static str, window: Window) -> Seen {
    let mut seen = Seen::new();
    loop {
        let begin = Instant::now();
        if begin >= window.end {
            return seen;
        }
        match client.get(path).await {
            Ok(()) if begin >= window.start => seen.queries.record(begin.elapsed()),
            Ok(()) => {}
            Err(error) => seen.failed(error),
        }
        sleep(THINK).await;
    }
}

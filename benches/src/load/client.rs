//! A closed loop: each connection sends a request, waits for the whole answer, checks it, sends the
//! next.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{Arc, Barrier},
    thread,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use rustix::event::Timespec;

use super::{epoll::Poll, protocol::Protocol};
use crate::{
    Result,
    measure::{procfs, stats::histogram},
};

/// For an answer that does not come.
const LOST: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub protocol: Protocol,
    pub connections: usize,
    /// Threads of the client.
    pub threads: usize,
    pub warm: Duration,
    pub window: Duration,
}

/// What was seen within the window.
pub struct Seen {
    pub per_second: f64,
    pub latency: Histogram<u64>,
    /// Of the server process.
    pub cpu_us_per_request: f64,
    pub switches_per_request: f64,
}

/// Loads the server at that address, which is that process.
///
/// Fails unless every connection was served at the same time: all are open before the first
/// request, and each has got an answer within the window.
pub fn run(load: Load, address: SocketAddr, server: u32) -> Result<Seen> {
    let threads = load.threads.min(load.connections);
    let start = Arc::new(Barrier::new(threads + 1));
    let handles: Vec<_> = (0..threads)
        .map(|index| {
            let connections =
                load.connections / threads + usize::from(index < load.connections % threads);
            let start = start.clone();
            thread::spawn(move || loop_over(load, connections, address, &start))
        })
        .collect();
    start.wait();
    thread::sleep(load.warm);
    let before = (procfs::cpu(server)?, procfs::switches(server)?);
    thread::sleep(load.window);
    let after = (procfs::cpu(server)?, procfs::switches(server)?);

    let mut latency = histogram();
    for handle in handles {
        let part = handle.join().map_err(|_| "a thread of the client panicked")??;
        latency.add(part).expect("all have the same bounds");
    }
    let requests = latency.len() as f64;
    Ok(Seen {
        per_second: requests / load.window.as_secs_f64(),
        cpu_us_per_request: (after.0 - before.0).as_secs_f64() * 1e6 / requests,
        switches_per_request: after.1.saturating_sub(before.1) as f64 / requests,
        latency,
    })
}

struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
    sent: Instant,
    /// Answers within the window.
    answers: u64,
}

impl Connection {
    fn send(&mut self, protocol: Protocol, n: u64) -> Result<()> {
        protocol.request(n, &mut self.request);
        self.answer.clear();
        self.sent = Instant::now();
        // A request fits into the empty buffer of the socket.
        Ok(self.stream.write_all(&self.request)?)
    }

    /// Reads what is there; true when the answer is whole.
    fn receive(&mut self, protocol: Protocol, buffer: &mut [u8]) -> Result<bool> {
        match self.stream.read(buffer) {
            Ok(0) => Err("the server closed a connection".into()),
            Ok(read) => {
                self.answer.extend_from_slice(&buffer[..read]);
                protocol.answered(&self.request, &self.answer)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn loop_over(
    load: Load,
    connections: usize,
    address: SocketAddr,
    start: &Barrier,
) -> Result<Histogram<u64>> {
    let opened = open(connections, address);
    // Also after an error: the others wait here.
    start.wait();
    let (poll, mut connections) = opened?;
    let from = Instant::now() + load.warm;
    let to = from + load.window;
    let mut latency = histogram();
    let mut buffer = vec![0; 16 << 10];
    let mut events = Vec::with_capacity(256);
    let mut n = 0;
    for connection in &mut connections {
        connection.send(load.protocol, n)?;
        n += 1;
    }
    loop {
        poll.wait(&mut events, Some(&LOST))?;
        if events.is_empty() {
            return Err("no answer within 5 s".into());
        }
        for event in &events {
            let connection = &mut connections[event.data.u64() as usize];
            if !connection.receive(load.protocol, &mut buffer)? {
                continue;
            }
            let now = Instant::now();
            if now >= to {
                return match connections.iter().filter(|it| it.answers == 0).count() {
                    0 => Ok(latency),
                    n => Err(format!("{n} of {} connections had no answer", connections.len()))?,
                };
            }
            if now >= from {
                connection.answers += 1;
                latency.saturating_record((now - connection.sent).as_nanos() as u64);
            }
            connection.send(load.protocol, n)?;
            n += 1;
        }
    }
}

fn open(connections: usize, address: SocketAddr) -> Result<(Poll, Vec<Connection>)> {
    let poll = Poll::new()?;
    let connections = (0..connections)
        .map(|key| {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            poll.add(&stream, key as u64)?;
            Ok(Connection {
                stream,
                request: Vec::new(),
                answer: Vec::new(),
                sent: Instant::now(),
                answers: 0,
            })
        })
        .collect::<Result<_>>()?;
    Ok((poll, connections))
}

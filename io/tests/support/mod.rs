//! The smallest executors that the tests need.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use cmwq_io::driver::{self, Driver, Handle, Wait};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Longer than anything a test waits for.
pub const LONG: Duration = Duration::from_secs(20);

struct Unpark(Handle);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls `future` on this thread and turns a driver of its own between the polls.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let (mut driver, handle) = Driver::new().expect("a driver");
    block_on_with(&mut driver, &handle, future)
}

pub fn block_on_with<F: Future>(driver: &mut Driver, handle: &Handle, future: F) -> F::Output {
    let outer = driver::set_current(Some(handle.clone()));
    let waker = Waker::from(Arc::new(Unpark(handle.clone())));
    let mut future = pin!(future);
    let end = Instant::now() + LONG;
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            driver::set_current(outer);
            return output;
        }
        let deadline = Wait::Until(now() + LONG.as_nanos() as u64);
        driver.turn(deadline, &mut |waker| waker.wake()).expect("a turn");
        assert!(Instant::now() < end, "the future does not become ready");
    }
}

/// A thread that turns a driver until it is dropped, for tasks that are polled elsewhere.
pub struct DriverThread {
    pub handle: Handle,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl DriverThread {
    pub fn start() -> DriverThread {
        let (mut driver, handle) = Driver::new().expect("a driver");
        let stop = Arc::new(AtomicBool::new(false));
        let seen = stop.clone();
        let thread = thread::spawn(move || {
            while !seen.load(Ordering::Acquire) {
                driver.turn(Wait::Forever, &mut |waker| waker.wake()).expect("a turn");
            }
        });
        DriverThread { handle, stop, thread: Some(thread) }
    }

    /// Polls `future` on this thread while the other one turns the driver.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let outer = driver::set_current(Some(self.handle.clone()));
        let output = futures::executor::block_on(future);
        driver::set_current(outer);
        output
    }
}

impl Drop for DriverThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.handle.unpark();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the driver's thread ends well");
        }
    }
}

/// Counts wakes.
#[derive(Default)]
pub struct Count(AtomicUsize);

impl Count {
    pub fn new() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count::default());
        (count.clone(), Waker::from(count))
    }

    pub fn get(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

/// Nanoseconds of `CLOCK_MONOTONIC`.
pub fn now() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Both ends of a loopback connection of the standard library, nonblocking.
pub fn std_pair() -> (std::net::TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    client.set_nonblocking(true).unwrap();
    server.set_nonblocking(true).unwrap();
    (client, server)
}

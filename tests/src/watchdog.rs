//! One test at a time, and none for ever.

use crate::nodes;
use procfs::process::{Process, Syscall};
use std::process;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long something may take that takes so many seconds at most elsewhere: the machine that
/// `tests/guest/run` emulates is slow.
pub fn patience(seconds: u64) -> Duration {
    let slowness = if nodes::in_guest() { 3 } else { 1 };
    Duration::from_secs(slowness * seconds)
}

static SERIAL: Mutex<()> = Mutex::new(());

/// Runs a test body alone in this process, under a [`Watchdog`].
pub fn run(name: &str, body: impl FnOnce()) {
    let _serial: MutexGuard<'_, ()> = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    let _watchdog = Watchdog::start(name);
    body();
}

/// Aborts the process when it is not dropped in time.
pub struct Watchdog {
    thread: Option<thread::JoinHandle<()>>,
    // Its drop ends the thread.
    leash: Option<mpsc::Sender<()>>,
}

impl Watchdog {
    /// For a test that does not go through [`run`].
    pub fn start(name: &str) -> Watchdog {
        let name = name.to_owned();
        let (leash, held) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("watchdog".into())
            .spawn(move || watch(&name, &held))
            .expect("a thread for the watchdog");
        Watchdog { thread: Some(thread), leash: Some(leash) }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.leash.take());
        // Waits for it, since some tests count threads. It has no reason to panic.
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

fn watch(name: &str, held: &mpsc::Receiver<()>) {
    // The slowest test needs some seconds.
    let limit = patience(60);
    if held.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
        // Straight to the descriptor: a test may hang while it holds stderr's lock.
        let text = format!("test {name} hangs for {limit:?}, aborting\n{}", threads());
        let _ = rustix::io::write(rustix::stdio::stderr(), text.as_bytes());
        process::abort();
    }
}

/// Name, state and system call of every thread of this process.
pub fn threads() -> String {
    let mut text = String::from("   tid state name            system call\n");
    let tasks = Process::myself().and_then(|process| process.tasks());
    for task in tasks.into_iter().flatten().flatten() {
        // It may have ended since.
        let Ok(stat) = task.stat() else { continue };
        let call = match task.syscall() {
            Ok(Syscall::Blocked { syscall_number, .. }) => syscall_number.to_string(),
            Ok(other) => format!("{other:?}"),
            Err(error) => error.to_string(),
        };
        text += &format!("{:>6} {:<5} {:<15} {call}\n", task.tid, stat.state, stat.comm);
    }
    text
}

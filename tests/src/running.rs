//! A runtime whose tasks run without the test's own thread.

use crate::watchdog;
use cmwq::runtime::Runtime;
use std::future::Future;
use std::ops::Deref;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How long [`finish`] and [`until`] wait.
fn limit() -> Duration {
    watchdog::patience(30)
}

/// A [`Runtime`] that is driven: one of flavor current_thread by a thread of its own that sits
/// in `block_on` until this value is dropped.
pub struct Running {
    // Dropped by `Drop` after the driving thread has given its share back.
    runtime: Option<Arc<Runtime>>,
    driver: Option<(oneshot::Sender<()>, thread::JoinHandle<()>)>,
}

impl Running {
    /// Takes the runtime over; `drive` if its tasks only run within `block_on`.
    pub fn new(runtime: Runtime, drive: bool) -> Running {
        let runtime = Arc::new(runtime);
        let driver = drive.then(|| {
            let (stop, stopped) = oneshot::channel();
            let runtime = runtime.clone();
            let thread = thread::spawn(move || {
                // An error means that the sender is gone, which says the same.
                let _ = runtime.block_on(stopped);
            });
            (stop, thread)
        });
        Running { runtime: Some(runtime), driver }
    }

    /// Ends the driving thread and gives the runtime out, for the tests of shutdown.
    pub fn into_inner(mut self) -> Runtime {
        self.halt();
        let runtime = self.runtime.take().expect("only taken here and in drop");
        Arc::into_inner(runtime).expect("the driving thread has ended")
    }

    fn halt(&mut self) {
        if let Some((stop, thread)) = self.driver.take() {
            let _ = stop.send(());
            thread.join().expect("block_on of the driving thread does not panic");
        }
    }
}

impl Deref for Running {
    type Target = Runtime;

    fn deref(&self) -> &Runtime {
        self.runtime.as_ref().expect("only taken when self is consumed")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.halt();
    }
}

/// Waits on the test's own thread for a future that needs no context, such as a `JoinHandle`.
/// Starts no thread for that: some tests run where there are none left.
///
/// # Panics
/// After half a minute.
pub fn finish<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let (start, limit) = (Instant::now(), limit());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        let waited = start.elapsed();
        assert!(waited < limit, "not finished in {limit:?}\n{}", watchdog::threads());
        thread::park_timeout(limit - waited);
    }
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for something that another thread does and that has no waker.
///
/// # Panics
/// After half a minute.
pub fn until(what: &str, condition: impl Fn() -> bool) {
    let (start, limit) = (Instant::now(), limit());
    while !condition() {
        assert!(start.elapsed() < limit, "{what}: not in {limit:?}\n{}", watchdog::threads());
        thread::sleep(Duration::from_millis(1));
    }
}

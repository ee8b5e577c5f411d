//! What the tests of priority inheritance share: tasks that tell which pool runs them.

use crate::case::one_core_without_hogs;
use cmwq::Workqueue;
use cmwq::runtime::{Builder, Runtime};
use cmwq::sync::oneshot;
use cmwq::task::JoinHandle;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// Where a test spawns.
pub trait Queue {
    /// As that of [`Workqueue`] and [`Runtime`].
    fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;
}

impl Queue for Workqueue {
    fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Workqueue::spawn(self, future)
    }
}

/// The default queue.
impl Queue for Runtime {
    fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Runtime::spawn(self, future)
    }
}

/// Does a worker of high priority run the caller?
pub fn is_urgent() -> bool {
    std::thread::current()
        .name()
        .is_some_and(|name| name.starts_with("cmwq/") && name.ends_with('H'))
}

/// A runtime with a queue of each priority.
pub struct Fixture {
    /// Where both queues are.
    pub runtime: Runtime,
    /// A bound queue.
    pub normal: Workqueue,
    /// A bound queue of high priority.
    pub high: Workqueue,
}

impl Fixture {
    /// With one core, so that "here" is the same CPU for all.
    pub fn one_core() -> Self {
        Self::on(Builder::new_multi_thread().worker_threads(1).build().unwrap())
    }

    /// As [`one_core`](Self::one_core), where no hog loses the core.
    pub fn without_hogs() -> Self {
        Self::on(one_core_without_hogs())
    }

    /// On a runtime that is made for the test.
    pub fn on(runtime: Runtime) -> Self {
        let build = |builder: cmwq::workqueue::Builder| builder.build_on(runtime.handle()).unwrap();
        let normal = build(Workqueue::builder().name("normal"));
        let high = build(Workqueue::builder().name("high").high_priority());
        Self { runtime, normal, high }
    }

    /// A further queue.
    pub fn queue(&self, builder: cmwq::workqueue::Builder) -> Workqueue {
        builder.build_on(self.runtime.handle()).unwrap()
    }
}

/// Polls a future once, which is pending then.
pub async fn poll_once(future: &mut (impl Future + Unpin)) {
    poll_fn(|cx| {
        assert!(Pin::new(&mut *future).poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

/// A task that waits for its gate, and then tells whether it is run as urgent.
pub struct Gated<T = bool> {
    /// Lets it go on.
    pub gate: oneshot::Sender<()>,
    /// Was it urgent then? Or another look.
    pub seen: oneshot::Receiver<T>,
    /// The task.
    pub handle: JoinHandle<()>,
}

/// Spawns one, which may not have run yet.
pub fn gated(queue: &impl Queue) -> Gated {
    gated_task(queue, || {}, is_urgent)
}

/// Spawns one, and waits until it waits: a worker that is about to poll it for the first time would run
/// it as it was queued.
pub async fn waiting(queue: &impl Queue) -> Gated {
    waiting_to_look(queue, is_urgent).await
}

/// The same with another look around than whether it is urgent.
pub async fn waiting_to_look<T: Send + 'static>(
    queue: &impl Queue,
    look: impl FnOnce() -> T + Send + 'static,
) -> Gated<T> {
    let (tell, begun) = oneshot::channel();
    let gated = gated_task(queue, || tell.send(()).expect("it is waited for"), look);
    begun.await.unwrap();
    gated
}

fn gated_task<T: Send + 'static>(
    queue: &impl Queue,
    begins: impl FnOnce() + Send + 'static,
    look: impl FnOnce() -> T + Send + 'static,
) -> Gated<T> {
    let ((gate, mut wait), (tell, seen)) = (oneshot::channel(), oneshot::channel());
    let mut begins = Some(begins);
    let handle = queue.spawn(async move {
        let waits = poll_fn(|cx| {
            let is_open = Pin::new(&mut wait).poll(cx).is_ready();
            if is_open {
                return Poll::Ready(());
            }
            if let Some(begins) = begins.take() {
                begins();
            }
            Poll::Pending
        });
        waits.await;
        let _ = tell.send(look());
    });
    Gated { gate, seen, handle }
}

/// A task that awaits the handle, and the news that it has begun to.
pub async fn awaiting<T: Send + 'static>(
    queue: &impl Queue,
    mut handle: JoinHandle<T>,
) -> JoinHandle<Result<T, cmwq::task::JoinError>> {
    let (tell, begun) = oneshot::channel();
    let waiter = queue.spawn(async move {
        poll_once(&mut handle).await;
        let _ = tell.send(());
        handle.await
    });
    begun.await.unwrap();
    waiter
}

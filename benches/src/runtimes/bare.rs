//! The cheapest executor that spreads tasks evenly over the cores: what the work itself costs there. To
//! channels what bare epoll is to servers, no runtime. A runtime that keeps tasks together which work for
//! each other may be ahead of it.
//!
//! A task stays with one thread for good. Threads take nothing from each other and never sleep, so a wake
//! is a push: to a plain queue from the task's own thread, to a shared one from another. Tasks and
//! shared queues are those that smol is made of.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::Future,
    hint,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use async_task::{Runnable, Task};
use concurrent_queue::ConcurrentQueue;

use super::Runtime;
use crate::{Result, contender::Contender};

/// What other threads have woken, by thread. Like smol's, one executor for the whole process.
static INBOXES: OnceLock<Vec<ConcurrentQueue<Runnable>>> = OnceLock::new();

thread_local! {
    /// Of this thread, if it is one of the executor.
    static INDEX: Cell<Option<usize>> = const { Cell::new(None) };
    static QUEUE: RefCell<VecDeque<Runnable>> = const { RefCell::new(VecDeque::new()) };
}

fn inboxes() -> &'static [ConcurrentQueue<Runnable>] {
    INBOXES.get().expect("tasks are spawned after the start")
}

/// The next task goes to the next thread.
fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Task<T> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let home = NEXT.fetch_add(1, Relaxed) % inboxes().len();
    let schedule = move |task| match INDEX.get() {
        Some(here) if here == home => QUEUE.with_borrow_mut(|queue| queue.push_back(task)),
        // Unbounded and never closed.
        _ => drop(inboxes()[home].push(task)),
    };
    let (runnable, task) = async_task::spawn(future, schedule);
    runnable.schedule();
    task
}

fn run(index: usize) {
    INDEX.set(Some(index));
    let inbox = &inboxes()[index];
    loop {
        if !inbox.is_empty() {
            QUEUE.with_borrow_mut(|queue| queue.extend(inbox.try_iter()));
        }
        match QUEUE.with_borrow_mut(VecDeque::pop_front) {
            Some(task) => _ = task.run(),
            None => hint::spin_loop(),
        }
    }
}

pub struct Bare;

impl Runtime for Bare {
    type Handle = ();

    fn start(_: Contender, cores: usize) -> Result<Self> {
        let inboxes = (0..cores).map(|_| ConcurrentQueue::unbounded()).collect();
        INBOXES.set(inboxes).map_err(|_| "a process has one bare executor")?;
        for index in 0..cores {
            thread::spawn(move || run(index));
        }
        Ok(Bare)
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        smol::block_on(future)
    }

    fn handle(&self) -> Self::Handle {}

    fn spawn_on((): &Self::Handle, future: impl Future<Output = ()> + Send + 'static) {
        spawn(future).detach();
    }

    fn spawn<F>(future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        spawn(future)
    }

    fn detach(future: impl Future<Output = ()> + Send + 'static) {
        spawn(future).detach();
    }

    fn spawn_blocking<T: Send + 'static>(
        f: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = T> + Send + 'static {
        smol::unblock(f)
    }

    async fn sleep(duration: Duration) {
        smol::Timer::after(duration).await;
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        smol::future::yield_now()
    }

    fn stop(self) {
        // Its threads spin until the process ends.
    }
}

//! The threads and their queue.

use super::closure::Closure;
use crate::runtime::Shared;
use crate::task::{self, Birth, Id, JoinHandle, Notified, RawTask, Schedule};
use std::collections::VecDeque;
use std::panic::Location;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

#[derive(Default)]
pub(crate) struct BlockingPool {
    queue: Mutex<Queue>,
    work: Condvar,
}

#[derive(Default)]
struct Queue {
    tasks: VecDeque<Notified>,
    threads: usize,
    idle: usize,
    /// A thread has been woken or is being made, and has not looked at the queue yet.
    coming: bool,
    closed: bool,
    next_name: usize,
    /// How many closures have come.
    accepted: u64,
}

/// Whom to call when there are tasks that nobody is coming for.
enum Call {
    Nobody,
    Idle,
    New { name: String },
}

impl Queue {
    /// One thread at a time is on its way, and it calls the next one when it is there. See the essay
    /// of [`super`].
    fn reinforce(&mut self, max_threads: usize) -> Call {
        if self.coming || self.tasks.is_empty() {
            return Call::Nobody;
        }
        if self.idle > 0 {
            self.coming = true;
            return Call::Idle;
        }
        if self.threads == max_threads {
            return Call::Nobody;
        }
        self.coming = true;
        self.threads += 1;
        let name = format!("cmwq/b:{}", self.next_name);
        self.next_name += 1;
        Call::New { name }
    }
}

/// The scheduler of such a task: it is polled once, so it is never woken.
struct Once;

impl Schedule for Once {
    fn schedule(&self, task: Notified) {
        // Only an abort gets here: the closure has not started, and whoever takes the task from
        // the queue sees the flag. The task cannot be idle, since its one poll completes it.
        drop(task);
    }

    fn requeue(&self, task: Notified) {
        // A closure whose waker was used during its poll; the poll completes all the same.
        drop(task);
    }

    fn release(&self, _task: RawTask) -> bool {
        // It is in no owned list; the list's reference was never given.
        true
    }

    fn task_panicked(&self) {}
}

impl BlockingPool {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn threads(&self) -> usize {
        self.lock().threads
    }

    /// If no closure runs or waits to: a number that is higher once one has come.
    #[cfg(feature = "test-util")]
    pub(crate) fn idle_stamp(&self) -> Option<u64> {
        let queue = self.lock();
        (queue.threads == queue.idle && queue.tasks.is_empty()).then_some(queue.accepted)
    }

    pub(crate) fn spawn<F, R>(
        &self,
        shared: &Arc<Shared>,
        f: F,
        location: &'static Location<'static>,
    ) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        shared.assert_not_forked();
        let birth = Birth { id: Id::next(), location, core: 0, shard: 0 };
        let (task, handle) = task::new(Closure::new(f), Once, birth);
        let mut queue = self.lock();
        if queue.closed {
            drop(queue);
            cancel(task);
            return handle;
        }
        queue.tasks.push_back(task);
        queue.accepted += 1;
        let call = queue.reinforce(shared.config.max_blocking_threads);
        drop(queue);
        self.answer(shared, call);
        handle
    }

    fn answer(&self, shared: &Arc<Shared>, call: Call) {
        match call {
            Call::Nobody => {}
            Call::Idle => self.work.notify_one(),
            Call::New { name } => self.start_thread(shared, name),
        }
    }

    #[cold]
    fn start_thread(&self, shared: &Arc<Shared>, name: String) {
        let thread = shared.clone();
        let started = shared.spawn_thread(name, shared.config.stack_size, move || serve(&thread));
        if started.is_ok() {
            return;
        }
        let mut queue = self.lock();
        queue.coming = false;
        queue.threads -= 1;
        // Without any thread nobody would ever run the closures.
        let stranded =
            if queue.threads == 0 { std::mem::take(&mut queue.tasks) } else { VecDeque::new() };
        drop(queue);
        shared.cores[0].stats.thread_failures.increment();
        stranded.into_iter().for_each(cancel);
    }

    /// Closures that have not started are cancelled.
    pub(crate) fn close(&self) {
        let mut queue = self.lock();
        queue.closed = true;
        let tasks = std::mem::take(&mut queue.tasks);
        drop(queue);
        self.work.notify_all();
        tasks.into_iter().for_each(cancel);
    }

    /// The next task, or `None` when the thread is to end. `new`: it asks for the first time.
    fn next(&self, shared: &Arc<Shared>, new: bool) -> Option<Notified> {
        let mut queue = self.lock();
        if new {
            queue.coming = false;
        }
        let mut leave = false;
        let task = loop {
            if let Some(task) = queue.tasks.pop_front() {
                break task;
            }
            if leave || queue.closed {
                queue.threads -= 1;
                return None;
            }
            queue.idle += 1;
            let (guard, timeout) = self
                .work
                .wait_timeout(queue, shared.config.keep_alive)
                .unwrap_or_else(PoisonError::into_inner);
            queue = guard;
            queue.idle -= 1;
            // This thread was called; or another one was, which then comes in vain.
            let called = std::mem::take(&mut queue.coming);
            leave = timeout.timed_out() && !called;
        };
        let call = queue.reinforce(shared.config.max_blocking_threads);
        drop(queue);
        self.answer(shared, call);
        Some(task)
    }
}

fn cancel(task: Notified) {
    // The task's second reference stands in for that of an owned list, as in release().
    task::cancel(task);
}

/// The loop of a blocking thread.
fn serve(shared: &Arc<Shared>) {
    shared.original.apply();
    let _entered = crate::context::enter(shared, shared.any_core());
    // Before the hook, which may block: nobody else is called before this thread has come.
    let mut next = shared.blocking.next(shared, true);
    crate::runtime::call_hook(shared.config.hooks.on_start.as_ref());
    while let Some(task) = next {
        crate::context::set_current_task(Some(task.id()));
        task.run();
        crate::context::set_current_task(None);
        next = shared.blocking.next(shared, false);
    }
    crate::runtime::call_hook(shared.config.hooks.on_stop.as_ref());
}

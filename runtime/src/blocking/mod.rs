//! Threads for closures that block, for those who want them: `spawn_blocking`.
//!
//! Takeover makes them unnecessary for blocking as such. What remains is work that should not run
//! on a pinned worker: long computations, code that starts threads or child processes and expects
//! the process's own affinity.
//!
//! A closure is a task of the usual kind whose future runs it in its only poll, with a scheduler of
//! its own: one queue behind a lock, threads that are made on demand up to a cap and that leave
//! after a while without work. The lock covers queue operations only.
//!
//! # Who wakes whom
//!
//! A closure may block, so as many threads as there are closures have to come; but to wake or make
//! one for each costs ten times what a short closure does, most of it in vain. So one thread at a time
//! is on its way. When it is there it takes a closure, and before it runs it, it calls the next one if
//! closures are left. Long closures have their threads after as many wakeups in a row; of short ones a
//! thread runs many while the next is on its way.
//!
//! Whenever the lock is free and a closure is in the queue, a thread is on its way, or all that may
//! exist run closures, and each looks at the queue when it is done.

mod closure;
mod pool;

pub(crate) use pool::BlockingPool;

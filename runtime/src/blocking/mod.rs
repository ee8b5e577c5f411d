//! Threads for closures that block, for those who want them: `spawn_blocking`.
//!
//! Takeover makes them unnecessary for blocking as such. What remains is work that should not run
//! on a pinned worker: long computations, code that starts threads or child processes and expects
//! the process's own affinity.
//!
//! A closure is a task of the usual kind whose future runs it in its only poll, with a scheduler of
//! its own: one queue behind a lock, threads that are made on demand up to a cap and that leave
//! after a while without work. The lock covers queue operations only.

mod closure;
mod pool;

pub(crate) use pool::BlockingPool;

//! Where the cells of tasks live.
//!
//! A task is often spawned by one thread and dropped by another. General allocators pay for that: the
//! one of glibc takes the lock of the spawner's arena for each cell that another thread frees, both
//! meet there, and wait in the kernel. So cells of up to 520 bytes are kept for the next task
//! of their size, in the way of Bonwick's magazines, as the kernel's slab allocator does with its
//! sheaves:
//!
//! ```text
//!   a thread             two magazines of each size, one of them full or empty
//!      |   ^
//!      v   |             32 cells at a time, when both are full or both are empty
//!   the depot            full magazines of each size, for the whole process
//!      |   ^
//!      v   |             what exceeds 4 MiB in all; what is missing
//!   the allocator        of the program, `#[global_allocator]`
//! ```
//!
//! A thread that only spawns and one that only drops meet once in 32 tasks, for as long as it takes
//! to change a pointer. Whoever finds the depot locked goes to the allocator instead: nobody waits.
//!
//! # Why it is sound
//!
//! Each block comes from the allocator on its own, with the layout of its size class, so that each may
//! go back to it alone, from any thread, at any time. A free block belongs to the magazine that it is
//! in; its first words are the magazine's links. A magazine belongs to one thread, or to the depot,
//! which is behind a lock. So no protocol without a lock is in here.
//!
//! A thread's magazines are given up when it ends. Tasks that other destructors of its thread-local
//! data drop after that go to the allocator.
//!
//! # What it costs
//!
//! Memory: up to 64 free cells of each size in each thread, half a MiB if it meets all sizes; 4 MiB in
//! the depot, and 256 cells of each size in any case. It is not given back while the process runs. The
//! depot does not ask from which NUMA node a cell is, as allocators of C libraries do not. Tools that watch the allocator see a task's memory freed late or not at all: a
//! build with `--cfg cmwq_sanitizer` does without all this, and so do the models of loom.
//!
//! # Rejected
//!
//! - *One list per runtime, or per core*: a task does not know at its end whether its runtime is still
//!   there, and those who spawn from outside have no core.
//! - *Smaller tasks*: glibc frees blocks of up to 128 bytes without that lock. A task has 112 beyond its
//!   future.
//! - *To recommend another allocator*: mimalloc and jemalloc have not got this weakness, but it is
//!   the program that chooses, and most do not.

mod heap;
#[cfg(not(any(cmwq_loom, cmwq_sanitizer)))]
mod magazines;

#[cfg(any(cmwq_loom, cmwq_sanitizer))]
pub(super) use heap::{allocate, release};
#[cfg(not(any(cmwq_loom, cmwq_sanitizer)))]
pub(super) use magazines::{allocate, release};

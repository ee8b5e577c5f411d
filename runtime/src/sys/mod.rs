//! What the operating system gives, as thin safe functions.
//!
//! Everything above this folder speaks of workers, cores and tasks; everything in it speaks of
//! thread ids, CPUs and file descriptors, and knows nothing of a runtime. The system calls of the
//! crate and most of its `unsafe` are here, so that a reader who looks for either has one place.
//!
//! | module | what |
//! |---|---|
//! | [`affinity`] | CPU sets of any size, the affinity of a thread |
//! | [`bpf`] | a program in the kernel that sees threads of this process go to sleep |
//! | [`clock`] | `CLOCK_MONOTONIC` in nanoseconds |
//! | [`cpu_events`] | the kernel's messages about CPUs that come and go |
//! | [`futex`] | wait and wake on an `AtomicU32` |
//! | [`limits`] | how many threads, CPUs and locked pages the process may have |
//! | [`membarrier`] | a barrier on all threads of the process, paid by the rare side |
//! | [`numa`] | moving memory to a NUMA node |
//! | [`perf`] | a ring in which the kernel records the context switches of one thread |
//! | [`proc`] | is this thread blocked, and in which system call |
//! | [`process`] | which process is this, without a system call |
//! | [`syscall`] | names of system calls |
//! | [`thread`] | ids, timer slack, policy, CPU time |
//! | [`uring_poll`] | one thread that waits on several descriptors with the least latency |
//!
//! # State
//!
//! Only three modules keep any. [`membarrier`] remembers once per process whether the kernel
//! accepted the registration. [`perf`] owns a page pair that is shared with the kernel; its essay
//! says who may write the one word in it that is ours. [`uring_poll`] owns a ring or an epoll
//! instance that belongs to the thread that made it, which the type enforces by not being `Send`.
//!
//! # Rules
//!
//! - A wrapper adds no policy: it neither retries with something weaker nor logs. Who calls it
//!   decides what a refusal means. The one exception is [`uring_poll`], whose fallback to epoll is
//!   its purpose.
//! - What runs on the takeover path ([`futex`], [`proc::SyscallFile::look`],
//!   [`perf::SwitchRing::drain`], [`membarrier::private_expedited`]) allocates nothing and takes no
//!   lock, since the thread it looks at may be blocked while it holds the allocator's.
//! - Every descriptor is close-on-exec.
//! - `rustix` is used where it has the call. `libc` serves the rest: affinity, because the set of
//!   `rustix` ends at 1024 CPUs; the CPU clock of another thread; scheduling policies, by system
//!   call number, because musl's wrapper always fails with `ENOSYS`.
//!
//! # Rejected
//!
//! - Signals instead of a look through `/proc`: they interrupt system calls of code that is not
//!   ours, and a thread in uninterruptible sleep does not answer.
//! - The CPU clock of a thread as evidence that it is blocked: it stands still under preemption as
//!   well (856 wrong answers of 2000 beside other load). It is right for the opposite question,
//!   how long a task has really run.
//! - `pthread_setaffinity_np` and friends: they need a `pthread_t` that is known to be alive, a
//!   thread id only fails.

pub mod affinity;
pub mod bpf;
pub mod clock;
pub mod cpu_events;
pub mod futex;
pub mod limits;
pub mod membarrier;
pub mod numa;
pub mod perf;
pub mod proc;
pub mod process;
pub mod syscall;
pub mod thread;
pub mod uring_poll;

mod cgroup;

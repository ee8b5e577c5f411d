//! Has the holder of a core blocked?
//!
//! Detectors know workers only as (thread id, epoch, core). All latch a
//! verdict ([`Core::accuse`](crate::pool::Core::accuse)) and wake a standby, but for those that are one.
//!
//! | detector | how | needs | latency |
//! |---|---|---|---|
//! | [`sentinel`] (`idle`) | a `SCHED_IDLE` thread on the core: it runs exactly when the core would go idle | pinned workers | 4-8 us; starves beside other load |
//! | [`watcher`] (`perf`) | context-switch records of the holder, waited for by a standby | `perf_event_open` | 3-6 us |
//! | [`watcher`] (`bpf`) | a program in the kernel that sees the holder go to sleep, and wakes a standby | CAP_BPF and CAP_PERFMON | 3-5 us |
//! | [`monitor`] | one thread that looks every period, of 50 us to 4 ms | nothing | half a period to one |
//! | `off` | nothing | nothing | never: a blocking task stalls its core, as with other runtimes, but for what idle cores do for it |
//!
//! The monitor always runs beside the others as their safety net, and is the manager too: it makes
//! worker threads. It sleeps while nothing runs.
//!
//! A worker that comes back from a block and finds that it has lost the core is a detector as well: it
//! looks at the holder, and if that one sleeps by now it takes the core itself. Where blocks are short
//! and many this saves the thread that would have been woken for it, and soon most of the looks
//! ([`Hunch`]).
//!
//! # A detector calls no user code, logs nothing, takes no lock that a task can hold
//!
//! A task blocked inside `println!` holds stdout's lock. So reports are left for a worker, foreign
//! wakers too ([`Core::leave_chore`](crate::pool::Core::leave_chore)), and every lock that a detector
//! wants it tries.
//!
//! # Act on every block
//!
//! A verdict is given for each block inside user code, whether or not work is pending: work may
//! arrive a moment later, and timers and sockets of the core need somebody in the driver even if
//! the queue is empty.

mod asleep;
mod cpu_look;
mod distress;
mod gate;
mod hunch;
mod monitor;
mod monitor_word;
mod offences;
mod patience;
mod select;
mod sentinel;
mod sentinel_word;
mod strays;
mod watcher;

#[cfg(all(test, cmwq_loom))]
mod loom_tests;

pub use select::{Detector, ParseDetectorError};

pub(crate) use asleep::asleep;
pub(crate) use gate::Gate;
pub(crate) use hunch::Hunch;
pub(crate) use monitor::{Monitor, spawn as spawn_monitor};
pub(crate) use offences::Offences;
pub(crate) use select::{Refusal, select};
pub(crate) use sentinel::spawn as spawn_sentinel;
pub(crate) use sentinel_word::Sentinel;
pub(crate) use watcher::{Watcher, watch_holder};

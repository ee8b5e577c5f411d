//! Taking measures: time, counters of the process, memory, and what the numbers of several runs say
//! together.

pub mod alloc;
pub mod contention;
pub mod counters;
pub mod procfs;
pub mod stats;
pub mod throughput;

//! The CPUs that the process may use, and their coming and going.
//!
//! [`CpuWatch`] is what a thread waits with for a change. A CPU is usable while it is online and the
//! affinity, or the cpuset, of that thread has it; the kernel answers both questions at once, since it
//! leaves offline CPUs out of an affinity. So nothing is read from sysfs, which a container may hide.

mod watch;

pub(crate) use watch::CpuWatch;

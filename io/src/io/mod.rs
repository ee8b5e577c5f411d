//! Which events are wanted, and which were seen.
//!
//! [`Interest`] is what a task asks for, [`Ready`] what the kernel has reported. They are two types,
//! since "the peer has closed its side" can be seen but not asked for, and since an empty interest
//! makes no sense while an empty readiness does. Both are as in `tokio::io`.

mod interest;
mod ready;

pub use interest::Interest;
pub use ready::Ready;

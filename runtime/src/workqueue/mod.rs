//! Workqueues.

mod accounts;
mod builder;
mod colour;
mod current;
mod error;
mod flush;
mod future;
mod handle;
mod lending;
mod nodes;
mod pwq;
mod queue;
mod slots;
mod stats;
mod ticket;
mod work;

pub use builder::Builder;
pub use error::BuildError;
pub use flush::Flush;
pub use handle::Workqueue;
pub use work::{WeakWork, Work};

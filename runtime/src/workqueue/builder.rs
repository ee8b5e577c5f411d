//! Settings of a workqueue.

use super::error::BuildError;
use super::handle::Workqueue;
use super::queue::{Flags, Queue};
use crate::runtime::Handle;

/// Settings that agree with each other.
pub(super) struct Settings {
    pub(super) name: String,
    pub(super) flags: Flags,
    pub(super) max_active: Option<usize>,
}

/// Builds a [`Workqueue`].
///
/// # Examples
///
/// ```
/// # #[cmwq::main]
/// # async fn main() -> Result<(), cmwq::workqueue::BuildError> {
/// let queue = cmwq::Workqueue::builder().name("images").max_active(2).build()?;
/// let sum = queue.spawn(async { 1 + 2 }).await.unwrap();
/// assert_eq!(sum, 3);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "nothing exists before build()"]
pub struct Builder {
    name: Option<String>,
    max_active: Option<usize>,
}

impl Builder {
    /// A name, for reports and for the threads that belong to the queue alone.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How many items may be in progress at a time: futures from their first poll to completion,
    /// work items from activation to the end of the execution.
    pub fn max_active(mut self, max: usize) -> Self {
        self.max_active = Some(max);
        self
    }

    /// Builds the queue in the runtime that this thread is in.
    ///
    /// # Errors
    ///
    /// Settings contradict each other, or the operating system refuses what the queue needs.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn build(self) -> Result<Workqueue, BuildError> {
        self.build_on(&Handle::current())
    }

    /// Builds the queue in a runtime.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_on(self, handle: &Handle) -> Result<Workqueue, BuildError> {
        let settings = Settings {
            name: self.name.unwrap_or_else(|| "unnamed".into()),
            flags: Flags::default(),
            max_active: self.max_active,
        };
        let name = settings.name.clone();
        let queue = Queue::new(&handle.shared, settings)
            .map_err(|error| BuildError::os(&name, "make its pools", error))?;
        Ok(Workqueue::new(queue))
    }
}

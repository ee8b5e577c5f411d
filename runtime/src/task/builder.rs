//! Settings of a task.

use super::JoinHandle;
use super::named::Named;
use crate::runtime::Handle;
use std::future::Future;
use std::io;

/// Spawns tasks with settings.
///
/// # Examples
///
/// ```
/// # #[cmwq::main]
/// # async fn main() -> std::io::Result<()> {
/// let task = cmwq::task::Builder::new().name("indexer").spawn(async { 1 })?;
/// assert_eq!(task.await?, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Builder<'a> {
    name: Option<&'a str>,
}

impl<'a> Builder<'a> {
    /// No settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// A name for the task: in the reports of the watchdog and the [dump](crate::workqueue::dump) while
    /// the task is being polled, and, as with tokio, in the `cmwq` event at debug level that tells of
    /// the spawn. A call of [`spawn_blocking`](Self::spawn_blocking) has it in the event only.
    pub fn name(mut self, name: &'a str) -> Self {
        self.name = Some(name);
        self
    }

    /// Spawns onto the runtime of this thread.
    ///
    /// # Errors
    ///
    /// None at present.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn_on(future, &Handle::current())
    }

    /// Spawns onto a runtime.
    ///
    /// # Errors
    ///
    /// None at present.
    #[track_caller]
    pub fn spawn_on<F>(self, future: F, handle: &Handle) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let task = match self.name {
            Some(name) => handle.spawn(Named::new(name, future)),
            None => handle.spawn(future),
        };
        self.announce(task.id());
        Ok(task)
    }

    /// Runs a closure with [`spawn_blocking`](super::spawn_blocking).
    ///
    /// # Errors
    ///
    /// None at present.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn_blocking<F, R>(self, f: F) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let task = Handle::current().spawn_blocking(f);
        self.announce(task.id());
        Ok(task)
    }

    #[track_caller]
    fn announce(&self, id: super::Id) {
        if let Some(name) = self.name {
            let location = std::panic::Location::caller();
            tracing::debug!(target: "cmwq", task = %id, name, %location, "task spawned");
        }
    }
}

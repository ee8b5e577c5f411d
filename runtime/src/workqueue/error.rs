//! Why a workqueue could not be built, or a setting not be changed.

use crate::runtime::Shared;
use std::fmt;
use std::io;

/// A workqueue could not be built, or one of its settings not be changed.
#[derive(Debug)]
pub struct BuildError {
    kind: Kind,
    message: String,
}

#[derive(Debug)]
enum Kind {
    Config,
    Shutdown,
    Os(io::Error),
}

impl BuildError {
    pub(super) fn config(message: impl Into<String>) -> Self {
        Self { kind: Kind::Config, message: message.into() }
    }

    pub(super) fn shutdown(queue: &str, what: &str) -> Self {
        let message = format!(
            "workqueue {queue:?} could not {what}: its runtime shuts down or has shut down; use a \
             runtime that lives"
        );
        Self { kind: Kind::Shutdown, message }
    }

    /// The runtime has failed to do `what`: because it shuts down, or the operating system refused.
    pub(super) fn failed(shared: &Shared, queue: &str, what: &str, error: io::Error) -> Self {
        if shared.is_closing() {
            return Self::shutdown(queue, what);
        }
        let message = format!("workqueue {queue:?} could not {what}: {error}");
        Self { kind: Kind::Os(error), message }
    }

    /// Do settings contradict each other, or is a value impossible?
    pub fn is_invalid_config(&self) -> bool {
        matches!(self.kind, Kind::Config)
    }

    /// Does the runtime shut down, or has it?
    pub fn is_shutdown(&self) -> bool {
        matches!(self.kind, Kind::Shutdown)
    }

    /// Did the operating system refuse a thread or a descriptor?
    pub fn is_io(&self) -> bool {
        matches!(self.kind, Kind::Os(_))
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            Kind::Os(error) => Some(error),
            Kind::Config | Kind::Shutdown => None,
        }
    }
}

/// So that `build()?` works in functions that return `io::Result`.
impl From<BuildError> for io::Error {
    fn from(error: BuildError) -> Self {
        let kind = match &error.kind {
            Kind::Config => io::ErrorKind::InvalidInput,
            Kind::Shutdown => io::ErrorKind::Other,
            Kind::Os(os) => os.kind(),
        };
        io::Error::new(kind, error)
    }
}

//! Why a dedicated worker could not be built or served.

use std::fmt;
use std::io;

/// A dedicated worker could not be built, or could not be given the thread that was asked for.
#[derive(Debug)]
pub struct WorkerError {
    kind: Kind,
    message: String,
}

#[derive(Debug)]
enum Kind {
    Config,
    Served,
    Destroyed,
    Os(io::Error),
}

impl WorkerError {
    pub(super) fn config(message: impl Into<String>) -> Self {
        Self { kind: Kind::Config, message: message.into() }
    }

    pub(super) fn os(worker: &str, what: &str, error: io::Error) -> Self {
        let message = format!("dedicated worker {worker:?} could not {what}: {error}");
        Self { kind: Kind::Os(error), message }
    }

    pub(super) fn served(worker: &str) -> Self {
        let message = format!(
            "dedicated worker {worker:?} is served by a thread already, and two would not keep its \
             order; stop() that one first"
        );
        Self { kind: Kind::Served, message }
    }

    pub(super) fn destroyed(worker: &str) -> Self {
        let message = format!(
            "dedicated worker {worker:?} was destroyed and executes nothing any more; build another \
             one"
        );
        Self { kind: Kind::Destroyed, message }
    }

    /// Do settings contradict each other, or is a value impossible?
    pub fn is_invalid_config(&self) -> bool {
        matches!(self.kind, Kind::Config)
    }

    /// Does a thread serve the worker already?
    pub fn is_served(&self) -> bool {
        matches!(self.kind, Kind::Served)
    }

    /// Was the worker destroyed?
    pub fn is_destroyed(&self) -> bool {
        matches!(self.kind, Kind::Destroyed)
    }

    /// Did the operating system refuse the thread, or its CPUs?
    pub fn is_io(&self) -> bool {
        matches!(self.kind, Kind::Os(_))
    }
}

impl fmt::Display for WorkerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for WorkerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            Kind::Os(error) => Some(error),
            _ => None,
        }
    }
}

/// So that `build()?` works in functions that return `io::Result`.
impl From<WorkerError> for io::Error {
    fn from(error: WorkerError) -> Self {
        let kind = match &error.kind {
            Kind::Config => io::ErrorKind::InvalidInput,
            Kind::Served => io::ErrorKind::ResourceBusy,
            Kind::Destroyed => io::ErrorKind::NotFound,
            Kind::Os(os) => os.kind(),
        };
        io::Error::new(kind, error)
    }
}

//! Why a runtime could not be built, or is not there.

use crate::detect::Refusal;
use std::fmt;
use std::io;

/// A runtime could not be built.
#[derive(Debug)]
pub struct BuildError {
    kind: Kind,
    message: String,
}

#[derive(Debug)]
enum Kind {
    Config,
    Detector,
    Os(io::Error),
}

impl BuildError {
    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self { kind: Kind::Config, message: message.into() }
    }

    pub(crate) fn detector(refusal: &Refusal, asked_by: &str) -> Self {
        let message = format!(
            "detector {:?} was asked for by {asked_by}, and this process may not use it: {}; \
             allow it, or ask for \"auto\"",
            refusal.detector.name(),
            refusal.reason
        );
        Self { kind: Kind::Detector, message }
    }

    pub(crate) fn os(what: &str, error: io::Error) -> Self {
        Self { message: format!("the runtime could not {what}: {error}"), kind: Kind::Os(error) }
    }

    /// Do settings contradict each other, or is a value impossible?
    pub fn is_invalid_config(&self) -> bool {
        matches!(self.kind, Kind::Config)
    }

    /// Was a detector asked for by name that the process may not use?
    pub fn is_detector_unavailable(&self) -> bool {
        matches!(self.kind, Kind::Detector)
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
            _ => None,
        }
    }
}

/// So that `build()?` works in functions that return `io::Result`, as with tokio.
impl From<BuildError> for io::Error {
    fn from(error: BuildError) -> Self {
        let kind = match &error.kind {
            Kind::Config => io::ErrorKind::InvalidInput,
            Kind::Detector => io::ErrorKind::PermissionDenied,
            Kind::Os(os) => os.kind(),
        };
        io::Error::new(kind, error)
    }
}

/// [`Handle::try_current`](super::Handle::try_current) found no runtime.
#[derive(Debug)]
pub struct TryCurrentError(());

impl TryCurrentError {
    pub(crate) fn new() -> Self {
        Self(())
    }

    /// Is the thread in no runtime?
    pub fn is_missing_context(&self) -> bool {
        true
    }

    /// Is the thread ending, and its thread-local storage gone? Not told apart here.
    pub fn is_thread_local_destroyed(&self) -> bool {
        false
    }
}

impl fmt::Display for TryCurrentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "there is no cmwq runtime on this thread; call this from a task, inside block_on, or \
             while a guard of Handle::enter is held",
        )
    }
}

impl std::error::Error for TryCurrentError {}

//! Why per-CPU threads could not be had.

use std::fmt;
use std::io;

/// Per-CPU threads could not be registered, or not be parked or unparked.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
}

#[derive(Debug)]
enum Kind {
    Name,
    Os(io::Error),
    UnknownCpu,
    NotSelfParking,
}

impl Error {
    pub(super) fn name(name: &str) -> Self {
        let message = format!(
            "per-CPU threads cannot be named {name:?}: the name of a thread is not empty and has no \
             NUL"
        );
        Self { kind: Kind::Name, message }
    }

    pub(super) fn os(name: &str, what: impl fmt::Display, error: io::Error) -> Self {
        let message = format!("per-CPU threads {name:?} need {what}, which was refused: {error}");
        Self { kind: Kind::Os(error), message }
    }

    pub(super) fn unknown_cpu(name: &str, cpu: usize) -> Self {
        let message = format!(
            "the threads {name:?} have none for CPU {cpu}: the process has not been able to use it \
             since they were registered"
        );
        Self { kind: Kind::UnknownCpu, message }
    }

    pub(super) fn not_self_parking(name: &str) -> Self {
        let message = format!(
            "the threads {name:?} are parked and unparked with their CPUs; to do that by hand, build \
             them with self_parking()"
        );
        Self { kind: Kind::NotSelfParking, message }
    }

    /// Is the name one that a thread cannot have?
    pub fn is_invalid_name(&self) -> bool {
        matches!(self.kind, Kind::Name)
    }

    /// Did the operating system refuse a thread or a descriptor?
    pub fn is_io(&self) -> bool {
        matches!(self.kind, Kind::Os(_))
    }

    /// Is there no thread for that CPU?
    pub fn is_unknown_cpu(&self) -> bool {
        matches!(self.kind, Kind::UnknownCpu)
    }

    /// Are the threads parked with their CPUs, and not by hand?
    pub fn is_not_self_parking(&self) -> bool {
        matches!(self.kind, Kind::NotSelfParking)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            Kind::Os(error) => Some(error),
            Kind::Name | Kind::UnknownCpu | Kind::NotSelfParking => None,
        }
    }
}

/// So that `register()?` works in functions that return `io::Result`.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error.kind {
            Kind::Os(os) => os.kind(),
            Kind::Name | Kind::UnknownCpu | Kind::NotSelfParking => io::ErrorKind::InvalidInput,
        };
        io::Error::new(kind, error)
    }
}

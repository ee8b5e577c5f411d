//! Why a function was not run on a CPU, or did not return.

use crate::sys::affinity::CpuSet;
use crate::task::JoinError;
use std::any::Any;
use std::fmt;
use std::io;

/// A function was not run on the CPU that was asked for, or it panicked there.
///
/// Of [`work_on_cpu`](super::work_on_cpu) and
/// [`schedule_on_each_cpu`](super::schedule_on_each_cpu).
#[derive(Debug)]
pub struct CpuError {
    cpu: usize,
    reason: Reason,
}

#[derive(Debug)]
enum Reason {
    /// With the CPUs that are served.
    Unknown(CpuSet),
    Task(JoinError),
}

impl CpuError {
    pub(super) fn unknown(cpu: usize, served: CpuSet) -> Self {
        Self { cpu, reason: Reason::Unknown(served) }
    }

    pub(super) fn task(cpu: usize, error: JoinError) -> Self {
        Self { cpu, reason: Reason::Task(error) }
    }

    fn has(&self, question: impl FnOnce(&JoinError) -> bool) -> bool {
        matches!(&self.reason, Reason::Task(error) if question(error))
    }

    /// The CPU.
    pub fn cpu(&self) -> usize {
        self.cpu
    }

    /// Does no worker of the runtime serve that CPU?
    pub fn is_unknown_cpu(&self) -> bool {
        matches!(self.reason, Reason::Unknown(_))
    }

    /// Did the system queue refuse the function, because somebody drains it?
    pub fn is_rejected(&self) -> bool {
        self.has(JoinError::is_rejected)
    }

    /// Did the runtime shut down before the function was run, or was everything on the system queue
    /// aborted?
    pub fn is_cancelled(&self) -> bool {
        self.has(JoinError::is_cancelled)
    }

    /// Did the function panic?
    pub fn is_panic(&self) -> bool {
        self.has(JoinError::is_panic)
    }

    /// The value that the function panicked with, for `std::panic::resume_unwind`; or the error
    /// itself.
    ///
    /// # Errors
    ///
    /// The function did not panic.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send + 'static>, Self> {
        let cpu = self.cpu;
        match self.reason {
            Reason::Task(error) => error.try_into_panic().map_err(|error| Self::task(cpu, error)),
            reason => Err(Self { cpu, reason }),
        }
    }
}

impl fmt::Display for CpuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cpu = self.cpu;
        match &self.reason {
            Reason::Unknown(served) => write!(
                f,
                "a function was to run on CPU {cpu}, which no worker of this runtime serves; they \
                 serve {served}"
            ),
            Reason::Task(error) => write!(f, "a function was to run on CPU {cpu}, and {error}"),
        }
    }
}

impl std::error::Error for CpuError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.reason {
            Reason::Task(error) => Some(error),
            Reason::Unknown(_) => None,
        }
    }
}

impl From<CpuError> for io::Error {
    fn from(error: CpuError) -> Self {
        let kind = match error.reason {
            Reason::Unknown(_) => io::ErrorKind::InvalidInput,
            Reason::Task(_) => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

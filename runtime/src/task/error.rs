//! Why a task gave no output.

use super::Id;
use std::any::Any;
use std::fmt;
use std::sync::Mutex;

/// A task did not run to completion: it was aborted, or it panicked.
pub struct JoinError {
    id: Id,
    reason: Reason,
}

enum Reason {
    Cancelled,
    // With what was to be and why it was not: the rest of the sentence.
    Rejected(Box<str>),
    Deadlock(Box<str>),
    // The mutex makes the payload Sync.
    Panic(Mutex<Box<dyn Any + Send + 'static>>),
}

impl JoinError {
    pub(crate) fn cancelled(id: Id) -> Self {
        Self { id, reason: Reason::Cancelled }
    }

    /// `why` goes on after "task 7 was rejected: ".
    pub(crate) fn rejected(id: Id, why: impl Into<Box<str>>) -> Self {
        Self { id, reason: Reason::Rejected(why.into()) }
    }

    /// `by` goes on after "task 7 was awaited by ".
    pub(crate) fn deadlock(id: Id, by: impl Into<Box<str>>) -> Self {
        Self { id, reason: Reason::Deadlock(by.into()) }
    }

    pub(crate) fn panic(id: Id, payload: Box<dyn Any + Send + 'static>) -> Self {
        Self { id, reason: Reason::Panic(Mutex::new(payload)) }
    }

    /// Was the task aborted, or its runtime shut down, before it completed?
    pub fn is_cancelled(&self) -> bool {
        matches!(self.reason, Reason::Cancelled)
    }

    /// Did a workqueue refuse the task, because it drains or was destroyed, or because it has no such
    /// CPU or node? Or did a dedicated worker that was destroyed refuse a call? The message says which.
    /// The future was dropped without a poll, or the function without a call.
    pub fn is_rejected(&self) -> bool {
        matches!(self.reason, Reason::Rejected(_))
    }

    /// Would awaiting the task have been for ever? A task of an ordered workqueue awaited one that
    /// stands behind it in the same queue, or a closure of a dedicated worker awaited a call of that
    /// worker. The awaited task is not harmed: it runs in its turn, and the handle of a workqueue's task
    /// may be awaited again, elsewhere.
    pub fn is_deadlock(&self) -> bool {
        matches!(self.reason, Reason::Deadlock(_))
    }

    /// Did the task panic?
    pub fn is_panic(&self) -> bool {
        matches!(self.reason, Reason::Panic(_))
    }

    /// The task's id.
    pub fn id(&self) -> Id {
        self.id
    }

    /// The value that the task panicked with, for `std::panic::resume_unwind`.
    ///
    /// # Panics
    ///
    /// If the task did not panic; ask [`is_panic`](Self::is_panic) first.
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn Any + Send + 'static> {
        self.try_into_panic().expect("JoinError::into_panic: the task was cancelled, no panic")
    }

    /// The value that the task panicked with, or the error itself if it did not panic.
    ///
    /// # Errors
    ///
    /// The task was cancelled.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send + 'static>, JoinError> {
        match self.reason {
            Reason::Panic(payload) => {
                Ok(payload.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
            }
            reason => Err(Self { id: self.id, reason }),
        }
    }

    fn message(&self) -> Option<String> {
        let Reason::Panic(payload) = &self.reason else { return None };
        let payload = payload.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        payload
            .downcast_ref::<&'static str>()
            .map(|s| (*s).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.reason, self.message()) {
            (Reason::Cancelled, _) => write!(f, "task {} was cancelled", self.id),
            (Reason::Rejected(why), _) => write!(f, "task {} was rejected: {why}", self.id),
            (Reason::Deadlock(by), _) => write!(f, "task {} was awaited by {by}", self.id),
            (Reason::Panic(_), Some(text)) => {
                write!(f, "task {} panicked with message {text:?}", self.id)
            }
            (Reason::Panic(_), None) => write!(f, "task {} panicked", self.id),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.reason, self.message()) {
            (Reason::Cancelled, _) => write!(f, "JoinError::Cancelled({:?})", self.id),
            (Reason::Rejected(why), _) => {
                write!(f, "JoinError::Rejected({:?}, {why:?})", self.id)
            }
            (Reason::Deadlock(by), _) => write!(f, "JoinError::Deadlock({:?}, {by:?})", self.id),
            (Reason::Panic(_), Some(text)) => {
                write!(f, "JoinError::Panic({:?}, {text:?}, ...)", self.id)
            }
            (Reason::Panic(_), None) => write!(f, "JoinError::Panic({:?}, ...)", self.id),
        }
    }
}

impl std::error::Error for JoinError {}

impl From<JoinError> for std::io::Error {
    fn from(error: JoinError) -> Self {
        std::io::Error::other(error)
    }
}

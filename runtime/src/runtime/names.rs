//! Names of worker threads that user code makes up.
//!
//! The manager makes threads and calls no user code, so each worker thread asks for the name of the
//! next one when it starts.

use super::config::Naming;
use std::sync::{Mutex, PoisonError};

#[derive(Default)]
pub(crate) struct Names(Mutex<Vec<String>>);

impl Names {
    /// Calls `thread_name_fn` once and keeps the name.
    pub(crate) fn prepare(&self, naming: &Naming) {
        if let Naming::Made(make) = naming {
            let name = make();
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(name);
        }
    }

    /// A name that was prepared; a plain one if the user's function failed.
    pub(crate) fn take(&self) -> String {
        let name = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        name.unwrap_or_else(|| "cmwq-worker".to_owned())
    }
}

//! Names of worker threads that user code makes up.
//!
//! The manager makes threads and calls no user code, so each worker thread asks for the name of the
//! next one when it starts.

use super::config::Naming;
use crate::sync_types::{Mutex, lock};

#[derive(Default)]
pub(crate) struct Names(Mutex<Vec<String>>);

impl Names {
    /// Calls `thread_name_fn` once and keeps the name, unless no thread can have it.
    pub(crate) fn prepare(&self, naming: &Naming) {
        if let Naming::Made(make) = naming {
            let name = make();
            if !name.contains('\0') {
                lock(&self.0).push(name);
            }
        }
    }

    /// A name that was prepared; a plain one if the user's function failed or gave a name with a NUL.
    pub(crate) fn take(&self) -> String {
        let name = lock(&self.0).pop();
        name.unwrap_or_else(|| "cmwq-worker".to_owned())
    }
}

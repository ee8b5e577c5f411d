//! What a piece of work costs beside time: threads, context switches and, where perf permits, cache
//! misses of the whole process.

use std::{
    fs::File,
    io::Read,
    os::fd::FromRawFd,
    process,
    sync::{Mutex, PoisonError},
};

use perf_event_open_sys::{bindings, perf_event_open};

use super::procfs;
use crate::{Result, case::Sample};

static CACHE_MISSES: Mutex<Option<File>> = Mutex::new(None);

/// Counts them from now on, if the machine can and the process may. Called before there are other
/// threads: a counter covers those that are started after it.
pub fn open_cache_misses() {
    let mut attributes = bindings::perf_event_attr {
        type_: bindings::PERF_TYPE_HARDWARE,
        size: size_of::<bindings::perf_event_attr>() as u32,
        config: bindings::PERF_COUNT_HW_CACHE_MISSES.into(),
        ..Default::default()
    };
    attributes.set_inherit(1);
    attributes.set_exclude_kernel(1);
    // SAFETY: `attributes` is alive and says its own size; the descriptor that is returned belongs
    // to nobody else.
    let file = unsafe {
        match perf_event_open(&mut attributes, 0, -1, -1, bindings::PERF_FLAG_FD_CLOEXEC.into()) {
            fd if fd < 0 => return,
            fd => File::from_raw_fd(fd),
        }
    };
    *CACHE_MISSES.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
}

fn cache_misses() -> Option<u64> {
    let mut file = CACHE_MISSES.lock().unwrap_or_else(PoisonError::into_inner);
    let mut count = [0; 8];
    file.as_mut()?.read_exact(&mut count).ok()?;
    Some(u64::from_ne_bytes(count))
}

/// Where the counters of this process stand.
pub struct Counters {
    switches: u64,
    cache_misses: Option<u64>,
}

impl Counters {
    pub fn now() -> Result<Counters> {
        Ok(Counters { switches: procfs::switches(process::id())?, cache_misses: cache_misses() })
    }

    /// Adds to the sample what was counted since, for each of so many operations.
    pub fn per(&self, operations: u64, sample: Sample) -> Result<Sample> {
        let now = Counters::now()?;
        let operations = operations as f64;
        // A thread that ended took its count along.
        let switches = now.switches.saturating_sub(self.switches) as f64 / operations;
        let sample = sample
            .beside("threads", procfs::threads(process::id())? as f64)
            .beside("switches/op", switches);
        Ok(match (now.cache_misses, self.cache_misses) {
            (Some(now), Some(before)) => {
                sample.beside("cache misses/op", (now - before) as f64 / operations)
            }
            _ => sample,
        })
    }
}

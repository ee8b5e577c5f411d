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

static CACHE_MISSES: Mutex<Option<Event>> = Mutex::new(None);

/// Counts them from now on, if the machine can and the process may. Called before there are other
/// threads.
pub fn open_cache_misses() {
    let misses = bindings::PERF_COUNT_HW_CACHE_MISSES.into();
    *CACHE_MISSES.lock().unwrap_or_else(PoisonError::into_inner) =
        Event::open(bindings::PERF_TYPE_HARDWARE, misses, false);
}

fn cache_misses() -> Option<u64> {
    CACHE_MISSES.lock().unwrap_or_else(PoisonError::into_inner).as_mut()?.count()
}

/// An event of perf that is counted in this thread and in those that it starts from now on.
pub struct Event(File);

impl Event {
    /// Calls of `futex`: a lock or a park that had to wait, or that had to wake somebody. None where
    /// perf or its tracepoints are refused. It slows every system call of the machine down a little.
    pub fn futex_calls() -> Option<Event> {
        let id = "/sys/kernel/tracing/events/syscalls/sys_enter_futex/id";
        let id = std::fs::read_to_string(id).ok()?.trim().parse().ok()?;
        Event::open(bindings::PERF_TYPE_TRACEPOINT, id, true)
    }

    fn open(kind: u32, config: u64, kernel: bool) -> Option<Event> {
        let mut attributes = bindings::perf_event_attr {
            type_: kind,
            size: size_of::<bindings::perf_event_attr>() as u32,
            config,
            ..Default::default()
        };
        attributes.set_inherit(1);
        attributes.set_exclude_kernel(u64::from(!kernel));
        let flags = bindings::PERF_FLAG_FD_CLOEXEC.into();
        // SAFETY: `attributes` is alive and says its own size; the descriptor that is returned
        // belongs to nobody else.
        unsafe {
            match perf_event_open(&mut attributes, 0, -1, -1, flags) {
                fd if fd < 0 => None,
                fd => Some(Event(File::from_raw_fd(fd))),
            }
        }
    }

    /// So far.
    pub fn count(&mut self) -> Option<u64> {
        let mut count = [0; 8];
        self.0.read_exact(&mut count).ok()?;
        Some(u64::from_ne_bytes(count))
    }
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

//! One look at one rescuer.

use super::worker::write_thread;
use crate::pool::Rescuer;
use crate::runtime::Shared;
use crate::sys::proc::{Look, SyscallFile};
use std::fmt;
use std::panic::Location;
use std::time::Duration;

/// What a rescuer is doing.
pub(crate) struct RescuerLook {
    name: String,
    /// 0 before it has begun.
    tid: i32,
    /// Its nice value, if it was refused that of a rescuer.
    refused_nice: Option<i32>,
    /// The pool that it is with.
    pool: Option<String>,
    /// Id, place of the spawn, and the time that the poll has taken so far.
    task: Option<(u64, &'static Location<'static>, Duration)>,
    /// What the kernel says of its thread; `None` without `/proc`.
    thread: Option<Look>,
}

impl RescuerLook {
    pub(crate) fn of(shared: &Shared, rescuer: &Rescuer) -> Self {
        let sight = &rescuer.sight;
        let tid = sight.tid();
        Self {
            name: rescuer.name.to_string(),
            tid,
            refused_nice: sight.refused_nice(),
            pool: sight.core().map(|core| shared.core(core).pool.to_string()),
            task: sight.task().map(|(id, location, since)| {
                let taken = crate::time::now_ns().saturating_sub(since);
                (id, location, Duration::from_nanos(taken))
            }),
            thread: SyscallFile::open(tid).and_then(|file| file.look()).ok(),
        }
    }
}

impl fmt::Display for RescuerLook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tid == 0 {
            return write!(f, "{} (rescuer): its thread has not begun yet", self.name);
        }
        write!(f, "{} (thread {}, rescuer", self.name, self.tid)?;
        if let Some(nice) = self.refused_nice {
            write!(f, ", nice -20 was refused and is {nice}")?;
        }
        f.write_str("): ")?;
        let Some(pool) = &self.pool else { return f.write_str("idle") };
        write!(f, "with {pool}")?;
        let Some((id, location, taken)) = self.task else { return f.write_str(", between tasks") };
        write!(f, ", task {id} spawned at {location}")?;
        write_thread(f, self.thread)?;
        write!(f, ", for {:.3} s", taken.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::RescuerLook;

    #[test]
    fn a_thread_that_has_not_begun_has_no_number() {
        let name = "cmwq/R-pages".to_owned();
        let mut look =
            RescuerLook { name, tid: 0, refused_nice: None, pool: None, task: None, thread: None };
        assert_eq!(look.to_string(), "cmwq/R-pages (rescuer): its thread has not begun yet");
        look.tid = 7;
        assert_eq!(look.to_string(), "cmwq/R-pages (thread 7, rescuer): idle");
    }
}

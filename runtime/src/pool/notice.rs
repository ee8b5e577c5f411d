//! "No further worker could be made": left by the manager, which logs nothing, told by a worker.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// One warning a minute and core is enough.
const INTERVAL_NS: u64 = 60_000_000_000;

#[derive(Default)]
pub(crate) struct Notice {
    pending: AtomicBool,
    /// When the last one was told, CLOCK_MONOTONIC ns; 0 is never.
    told_at: AtomicU64,
}

impl Notice {
    pub(crate) fn leave(&self) {
        self.pending.store(true, Ordering::Release);
    }

    /// Is there one that should be told now?
    pub(crate) fn take(&self) -> bool {
        if !self.pending.load(Ordering::Relaxed) {
            return false;
        }
        self.pending.store(false, Ordering::Relaxed);
        let (now, told_at) = (crate::time::now_ns(), self.told_at.load(Ordering::Relaxed));
        let due = told_at == 0 || now.saturating_sub(told_at) >= INTERVAL_NS;
        if due {
            self.told_at.store(now, Ordering::Relaxed);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::Notice;

    #[test]
    fn is_told_once_a_minute() {
        let notice = Notice::default();
        assert!(!notice.take(), "nothing was left");
        notice.leave();
        assert!(notice.take());
        notice.leave();
        assert!(!notice.take(), "one was told just now");
    }
}

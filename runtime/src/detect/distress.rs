//! When a pool that starves calls for rescuers.

/// How long it starves before the first call, as in the kernel.
const FIRST_NS: u64 = 10_000_000;
/// From one call to the next.
const NEXT_NS: u64 = 100_000_000;

/// Of one pool; only the monitor has it.
#[derive(Clone, Copy, Default)]
pub(super) struct Distress {
    /// When to call next, CLOCK_MONOTONIC ns; 0 while it does not starve.
    call_at: u64,
}

impl Distress {
    /// It does not starve.
    pub(super) fn is_over(&mut self) {
        self.call_at = 0;
    }

    /// It starves: is it time to call? Until [`has_called`](Self::has_called) it remains so.
    pub(super) fn is_due(&mut self, now: u64) -> bool {
        if self.call_at == 0 {
            self.call_at = now + FIRST_NS;
        }
        now >= self.call_at
    }

    pub(super) fn has_called(&mut self, now: u64) {
        self.call_at = now + NEXT_NS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn calls_after_ten_milliseconds_and_every_hundred() {
        let mut distress = Distress::default();
        let mut calls = Vec::new();
        for now in (1000..1260).map(|ms| ms * MS) {
            if distress.is_due(now) {
                distress.has_called(now);
                calls.push(now / MS);
            }
        }
        assert_eq!(calls, [1010, 1110, 1210]);
    }

    #[test]
    fn begins_anew_after_a_moment_without() {
        let mut distress = Distress::default();
        assert!(!distress.is_due(1000 * MS));
        distress.is_over();
        assert!(!distress.is_due(1015 * MS));
        assert!(distress.is_due(1025 * MS));
        assert!(distress.is_due(1026 * MS), "nobody was called yet");
    }
}

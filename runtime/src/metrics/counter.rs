//! Counters that threads change without waiting for each other.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number that goes up, or up and down.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn increment(&self) {
        self.add(1);
    }

    pub(crate) fn decrement(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Buckets of [`Histogram`]: bucket `i` counts durations below 2^i ns that are not in an earlier one.
const BUCKETS: usize = 40;

/// Durations by powers of two.
#[derive(Debug)]
pub(crate) struct Histogram([Counter; BUCKETS]);

impl Default for Histogram {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

impl Histogram {
    pub(crate) fn record(&self, ns: u64) {
        let bucket = (u64::BITS - ns.leading_zeros()) as usize;
        self.0[bucket.min(BUCKETS - 1)].increment();
    }

    /// (upper bound, count) of each bucket that is not empty.
    pub(crate) fn buckets(&self) -> Vec<(Duration, u64)> {
        let bounds = (0..BUCKETS).map(|i| Duration::from_nanos(1 << i));
        let counts = self.0.iter().map(Counter::get);
        bounds.zip(counts).filter(|&(_, count)| count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_counted_below_the_next_power_of_two() {
        let histogram = Histogram::default();
        for ns in [0, 1, 1023, 1024, u64::MAX] {
            histogram.record(ns);
        }
        let ns: Vec<_> =
            histogram.buckets().iter().map(|(bound, n)| (bound.as_nanos(), *n)).collect();
        assert_eq!(ns, [(1, 1), (2, 1), (1024, 1), (2048, 1), (1 << (BUCKETS - 1), 1)]);
    }
}

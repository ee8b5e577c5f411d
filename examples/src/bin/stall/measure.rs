//! Durations in a histogram.

use std::{fmt::Write, time::Duration};

use hdrhistogram::Histogram;

use crate::Result;

/// Durations in microseconds, three digits, up to ten minutes.
pub struct Latencies(Histogram<u64>);

impl Latencies {
    pub fn new() -> Latencies {
        Latencies(Histogram::new_with_max(600_000_000, 3).expect("constant bounds, in order"))
    }

    pub fn record(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    pub fn add(&mut self, other: &Latencies) {
        self.0.add(&other.0).expect("all have the same bounds");
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// 0.5 is the median, 1.0 the maximum; zero when nothing was recorded.
    pub fn quantile(&self, q: f64) -> Duration {
        Duration::from_micros(self.0.value_at_quantile(q))
    }

    /// As words, for the pipe between the processes.
    pub fn encode(&self) -> String {
        let mut words = String::new();
        for bucket in self.0.iter_recorded() {
            let (value, count) = (bucket.value_iterated_to(), bucket.count_at_value());
            write!(words, " {value}:{count}").expect("a String takes everything");
        }
        words
    }

    /// Adds what `encode` wrote.
    pub fn decode<'a>(&mut self, words: impl Iterator<Item = &'a str>) -> Result<()> {
        for word in words {
            let (value, count) = word
                .split_once(':')
                .ok_or_else(|| format!("`{word}` is not VALUE:COUNT of a histogram"))?;
            self.0.saturating_record_n(value.parse()?, count.parse()?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_survives_the_pipe() {
        let mut sent = Latencies::new();
        for us in [0, 7, 7, 1_000, 123_456, 9_999_999] {
            sent.record(Duration::from_micros(us));
        }
        let mut received = Latencies::new();
        received.decode(sent.encode().split_whitespace()).unwrap();
        assert_eq!(received.count(), 6);
        for q in [0.0, 0.5, 0.9, 1.0] {
            assert_eq!(received.quantile(q), sent.quantile(q));
        }
        assert!(received.decode(["12-3"].into_iter()).is_err());
    }
}

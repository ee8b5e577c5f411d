//! Operations per second.

use std::time::Instant;

use super::counters::Counters;
use crate::{
    Result,
    case::{PER_SECOND, Sample, Settings},
};

/// The first batches are slow: their memory is new to the process.
const WARM_BATCHES: u32 = 5;

/// Repeats `batch`, which says how many operations it made, for a third of the window to warm up, and
/// five times at least, then for the window.
pub fn throughput(settings: &Settings, mut batch: impl FnMut() -> Result<u64>) -> Result<Sample> {
    let warm = Instant::now();
    let mut batches = 0;
    while batches < WARM_BATCHES || warm.elapsed() < settings.window() / 3 {
        batch()?;
        batches += 1;
    }
    let counters = Counters::now()?;
    let mut operations = 0;
    let start = Instant::now();
    let elapsed = loop {
        operations += batch()?;
        let elapsed = start.elapsed();
        if elapsed >= settings.window() {
            break elapsed;
        }
    };
    let sample = Sample::default().with(PER_SECOND, operations as f64 / elapsed.as_secs_f64());
    counters.per(operations, sample)
}

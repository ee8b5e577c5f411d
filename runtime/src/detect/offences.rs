//! Tasks that use too much CPU time: counted by spawn location, reported now and then.

use crate::sync_types::{Mutex, lock};
use std::collections::HashMap;
use std::panic::Location;

/// As the kernel: the first report comes at the 4th offence, then at each power of two.
const FIRST_REPORT: u64 = 4;
/// Locations that are remembered; as in the kernel, later ones are not.
const MAX_LOCATIONS: usize = 128;

#[derive(Default)]
pub(crate) struct Offences {
    counts: Mutex<HashMap<&'static Location<'static>, u64>>,
}

impl Offences {
    /// Called by the worker when its long poll is over, in phase *user* since a subscriber may do
    /// anything.
    pub(crate) fn report(&self, location: &'static Location<'static>) {
        let Some(count) = self.count(location) else { return };
        if count >= FIRST_REPORT && count.is_power_of_two() {
            tracing::warn!(
                target: "cmwq",
                %location,
                offences = count,
                "a task used more than cpu_intensive_threshold of CPU time in one poll; let it \
                 yield, or spawn it with spawn_blocking"
            );
        }
    }

    fn count(&self, location: &'static Location<'static>) -> Option<u64> {
        let mut counts = lock(&self.counts);
        if counts.len() >= MAX_LOCATIONS && !counts.contains_key(location) {
            return None;
        }
        let count = counts.entry(location).or_default();
        *count += 1;
        Some(*count)
    }
}

//! Tasks that use too much CPU time: counted by spawn location, reported now and then.

use crate::sync_types::{Mutex, lock};
use std::collections::HashMap;
use std::hash::Hash;
use std::panic::Location;

/// As the kernel: the first report comes at the 4th offence, then at each power of two.
const FIRST_REPORT: u64 = 4;
/// Locations that are remembered; as in the kernel, later ones are not.
const MAX_LOCATIONS: usize = 128;

#[derive(Default)]
pub(crate) struct Offences {
    counts: Mutex<Tally<&'static Location<'static>>>,
}

impl Offences {
    /// Called by the worker when its long poll is over, in phase *user* since a subscriber may do
    /// anything.
    pub(crate) fn report(&self, location: &'static Location<'static>) {
        let count = lock(&self.counts).count(location);
        if let Some(count) = count.filter(|&count| count >= FIRST_REPORT && count.is_power_of_two())
        {
            tracing::warn!(
                target: "cmwq",
                %location,
                offences = count,
                "a task used more than cpu_intensive_threshold of CPU time in one poll; let it \
                 yield, or spawn it with spawn_blocking"
            );
        }
    }
}

/// How often each was seen.
struct Tally<K>(HashMap<K, u64>);

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash> Tally<K> {
    /// Counts one more; `None` if it is not remembered.
    fn count(&mut self, key: K) -> Option<u64> {
        if self.0.len() >= MAX_LOCATIONS && !self.0.contains_key(&key) {
            return None;
        }
        let count = self.0.entry(key).or_default();
        *count += 1;
        Some(*count)
    }
}

#[cfg(all(test, not(cmwq_loom)))]
mod tests {
    use super::Tally;

    #[test]
    fn the_first_128_places_are_remembered() {
        let mut tally = Tally::default();
        for place in 0..128 {
            assert_eq!(tally.count(place), Some(1));
        }
        assert_eq!((tally.count(128), tally.count(128)), (None, None));
        assert_eq!((tally.count(0), tally.count(127)), (Some(2), Some(2)));
    }
}

//! Which places of a table are taken.

use std::sync::atomic::{AtomicU64, Ordering};

/// Without a lock: a place may be given back by a thread that must not wait.
pub(super) struct Places(Box<[AtomicU64]>);

impl Places {
    /// All free; `count` is a multiple of 64.
    pub(super) fn new(count: u32) -> Self {
        Self((0..count / 64).map(|_| AtomicU64::new(0)).collect())
    }

    /// The lowest free place, or `None`.
    pub(super) fn take(&self) -> Option<u32> {
        let order = Ordering::AcqRel;
        self.0.iter().zip(0u32..).find_map(|(word, index)| {
            let lowest = |taken: u64| (taken != u64::MAX).then(|| taken | (taken + 1));
            let before = word.fetch_update(order, Ordering::Relaxed, lowest).ok()?;
            Some(64 * index + before.trailing_ones())
        })
    }

    pub(super) fn give_back(&self, place: u32) {
        self.0[place as usize / 64].fetch_and(!(1 << (place % 64)), Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lowest_first_until_all_are_taken() {
        let places = Places::new(128);
        assert!((0..128).all(|place| places.take() == Some(place)));
        assert_eq!(places.take(), None);
        places.give_back(70);
        places.give_back(3);
        assert_eq!([places.take(), places.take(), places.take()], [Some(3), Some(70), None]);
    }
}

//! A set of small numbers that any thread may change, without a lock.

use crate::sync_types::atomic::{AtomicU64, Ordering};

/// Fixed size; every operation is SeqCst, since such a set says "I am about to sleep".
pub(crate) struct AtomicBits(Box<[AtomicU64]>);

impl AtomicBits {
    pub(crate) fn new(size: usize) -> Self {
        Self((0..size.div_ceil(64)).map(|_| AtomicU64::new(0)).collect())
    }

    fn word(&self, number: usize) -> (&AtomicU64, u64) {
        (&self.0[number / 64], 1 << (number % 64))
    }

    pub(crate) fn insert(&self, number: usize) {
        let (word, bit) = self.word(number);
        word.fetch_or(bit, Ordering::SeqCst);
    }

    /// Takes `number` out; `false` if somebody else did.
    pub(crate) fn remove(&self, number: usize) -> bool {
        let (word, bit) = self.word(number);
        word.fetch_and(!bit, Ordering::SeqCst) & bit != 0
    }

    /// A hint: the answer may be old when it comes. Any number may be asked for.
    pub(crate) fn contains(&self, number: usize) -> bool {
        let word = self.0.get(number / 64);
        word.is_some_and(|word| word.load(Ordering::Relaxed) & (1 << (number % 64)) != 0)
    }

    /// Takes the lowest number out.
    pub(crate) fn take_first(&self) -> Option<usize> {
        self.iter().find(|&number| self.remove(number))
    }

    /// The numbers, lowest first; a concurrent change may be seen or not.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(index, word)| {
            let mut left = word.load(Ordering::SeqCst);
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(index * 64 + bit)
            })
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|word| word.load(Ordering::SeqCst).count_ones() as usize).sum()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| word.load(Ordering::Relaxed) == 0)
    }
}

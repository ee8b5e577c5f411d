//! How many items may be in progress, and how many are.

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// In progress from its first poll to completion.
    Future,
    /// In progress from activation to the end of its execution.
    Work,
}

/// As in the kernel, for work items where no limit is set.
pub(super) const DEFAULT_WORK: usize = 1024;

/// As in the kernel, what work items do not exceed whatever the limit.
const MAX_WORK: usize = 2048;

/// The slots of a pool_workqueue or, for unbound queues, of a node.
#[derive(Debug)]
pub(super) struct Slots {
    /// The limit for futures and work items together, or the defaults: none for futures, 1024 for
    /// work items.
    max: Option<usize>,
    default_work: usize,
    futures: usize,
    works: usize,
}

impl Slots {
    pub(super) fn new(max: Option<usize>) -> Self {
        Self { max, default_work: DEFAULT_WORK, futures: 0, works: 0 }
    }

    pub(super) fn set_max(&mut self, max: Option<usize>, default_work: usize) {
        self.max = max;
        self.default_work = default_work;
    }

    /// The limit that is set.
    pub(super) fn max(&self) -> Option<usize> {
        self.max
    }

    /// Items that have a slot. Futures need none where no limit is set.
    pub(super) fn taken(&self) -> usize {
        self.futures + self.works
    }

    /// Is there no limit at all for this kind?
    pub(super) fn is_unlimited(&self, kind: Kind) -> bool {
        self.max.is_none() && kind == Kind::Future
    }

    pub(super) fn has_room(&self, kind: Kind) -> bool {
        match (self.max, kind) {
            (Some(max), Kind::Future) => self.futures + self.works < max,
            (Some(max), Kind::Work) => self.futures + self.works < max && self.works < MAX_WORK,
            (None, Kind::Future) => true,
            (None, Kind::Work) => self.works < self.default_work,
        }
    }

    pub(super) fn has_any_room(&self) -> bool {
        self.has_room(Kind::Work) || self.has_room(Kind::Future)
    }

    pub(super) fn take(&mut self, kind: Kind) {
        *self.count(kind) += 1;
    }

    pub(super) fn give_back(&mut self, kind: Kind) {
        *self.count(kind) -= 1;
    }

    /// Is nothing in progress?
    #[cfg(test)]
    pub(super) fn is_free(&self) -> bool {
        self.futures + self.works == 0
    }

    fn count(&mut self, kind: Kind) -> &mut usize {
        match kind {
            Kind::Future => &mut self.futures,
            Kind::Work => &mut self.works,
        }
    }
}

#[cfg(all(test, not(cmwq_loom)))]
mod tests {
    use super::*;

    #[test]
    fn without_a_limit_only_work_items_have_one() {
        let mut slots = Slots::new(None);
        (0..DEFAULT_WORK).for_each(|_| slots.take(Kind::Work));
        assert!(!slots.has_room(Kind::Work));
        assert!(slots.has_room(Kind::Future) && slots.is_unlimited(Kind::Future));
        slots.give_back(Kind::Work);
        assert!(slots.has_room(Kind::Work));
    }

    #[test]
    fn work_items_keep_to_2048_whatever_the_limit() {
        let mut slots = Slots::new(Some(usize::MAX));
        (0..MAX_WORK).for_each(|_| slots.take(Kind::Work));
        assert_eq!(MAX_WORK, 2048);
        assert!(!slots.has_room(Kind::Work) && slots.has_room(Kind::Future));
    }

    #[test]
    fn a_limit_holds_for_both_kinds_together() {
        let mut slots = Slots::new(Some(2));
        slots.take(Kind::Work);
        assert!(slots.has_room(Kind::Future));
        slots.take(Kind::Future);
        assert!(!slots.has_room(Kind::Work) && !slots.has_room(Kind::Future));
        slots.set_max(Some(3), DEFAULT_WORK);
        assert!(slots.has_room(Kind::Work));
    }
}

//! The boosts of one pool_workqueue's items, by their index in its books. Plain data behind its lock.
//!
//! Only items that await others of queues, or are awaited by them, have an entry.

use std::collections::HashMap;

pub(crate) struct Ledger<W> {
    entries: HashMap<usize, Entry<W>>,
    /// Raised items that are inactive, and urgent flushes of the whole queue.
    pressing: usize,
}

/// What is known of one item.
pub(super) struct Entry<W> {
    /// Raised edges that lead to it.
    raised: usize,
    presses: bool,
    /// Its own edges.
    pub(super) waits: Option<W>,
    /// Those of the item that polls its `JoinHandle`.
    pub(super) awaiter: Option<W>,
}

impl<W> Default for Entry<W> {
    fn default() -> Self {
        Self { raised: 0, presses: false, waits: None, awaiter: None }
    }
}

impl<W> Default for Ledger<W> {
    fn default() -> Self {
        Self { entries: HashMap::new(), pressing: 0 }
    }
}

impl<W: Clone> Ledger<W> {
    fn entry(&mut self, item: usize) -> &mut Entry<W> {
        self.entries.entry(item).or_default()
    }

    /// Does an item go to the urgent pool?
    pub(crate) fn is_urgent(&self, item: usize) -> bool {
        self.is_pressed() || self.is_raised(item)
    }

    pub(super) fn is_raised(&self, item: usize) -> bool {
        // Most ledgers are empty, and looked at on every wake.
        !self.entries.is_empty() && self.entries.get(&item).is_some_and(|entry| entry.raised > 0)
    }

    pub(super) fn is_pressed(&self) -> bool {
        self.pressing > 0
    }

    /// Counts one more. Is it the first?
    pub(super) fn raise(&mut self, item: usize) -> bool {
        let entry = self.entry(item);
        entry.raised += 1;
        entry.raised == 1
    }

    /// Counts one less. Was it the last?
    pub(super) fn lower(&mut self, item: usize) -> bool {
        let Some(entry) = self.entries.get_mut(&item).filter(|entry| entry.raised > 0) else {
            return false;
        };
        entry.raised -= 1;
        let is_last = entry.raised == 0;
        if is_last {
            self.relax(item);
        }
        is_last
    }

    /// A raised item is inactive. Is it the only one?
    pub(super) fn press(&mut self, item: usize) -> bool {
        let entry = self.entry(item);
        let is_new = !std::mem::replace(&mut entry.presses, true);
        self.pressing += usize::from(is_new);
        is_new && self.pressing == 1
    }

    /// It is not inactive any more, or not raised.
    pub(crate) fn relax(&mut self, item: usize) {
        if self.pressing == 0 {
            return;
        }
        if let Some(entry) = self.entries.get_mut(&item)
            && std::mem::take(&mut entry.presses)
        {
            self.pressing -= 1;
        }
    }

    /// An urgent item waits for all items. Is it the only one that presses?
    pub(super) fn press_all(&mut self) -> bool {
        self.pressing += 1;
        self.pressing == 1
    }

    /// It does not any more.
    pub(super) fn relax_all(&mut self) {
        self.pressing -= 1;
    }

    /// The edges of an item.
    pub(super) fn waits(&mut self, item: usize, new: impl FnOnce() -> W) -> W {
        self.entry(item).waits.get_or_insert_with(new).clone()
    }

    pub(super) fn waits_of(&self, item: usize) -> Option<W> {
        self.entries.get(&item)?.waits.clone()
    }

    /// Another item polls its `JoinHandle`, or none. Gives the former one.
    pub(super) fn set_awaiter(&mut self, item: usize, awaiter: Option<W>) -> Option<W> {
        match awaiter {
            Some(awaiter) => self.entry(item).awaiter.replace(awaiter),
            None => self.entries.get_mut(&item)?.awaiter.take(),
        }
    }

    pub(super) fn awaiter(&self, item: usize) -> Option<&W> {
        self.entries.get(&item)?.awaiter.as_ref()
    }

    /// The item is done.
    pub(super) fn remove(&mut self, item: usize) -> Option<Entry<W>> {
        if self.entries.is_empty() {
            return None;
        }
        self.relax(item);
        self.entries.remove(&item)
    }
}

#[cfg(all(test, not(cmwq_loom)))]
mod tests {
    use super::Ledger;

    #[test]
    fn the_first_and_the_last_of_several_count() {
        let mut ledger = Ledger::<()>::default();
        assert!(ledger.raise(7) && !ledger.raise(7));
        assert!(ledger.is_urgent(7) && !ledger.is_urgent(8));
        assert!(!ledger.lower(7) && ledger.is_urgent(7));
        assert!(ledger.lower(7) && !ledger.is_urgent(7));
        assert!(!ledger.lower(7), "not below zero");
    }

    #[test]
    fn an_inactive_one_presses_all_until_it_is_active_lowered_or_gone() {
        for end in 0..3 {
            let mut ledger = Ledger::<()>::default();
            ledger.raise(1);
            assert!(ledger.press(1) && !ledger.press(1), "once");
            assert!(ledger.is_urgent(2));
            match end {
                0 => ledger.relax(1),
                1 => assert!(ledger.lower(1)),
                _ => assert!(ledger.remove(1).is_some()),
            }
            assert!(!ledger.is_urgent(2) && !ledger.is_pressed());
        }
    }

    #[test]
    fn flushes_press_all_until_the_last_is_over() {
        let mut ledger = Ledger::<()>::default();
        assert!(ledger.press_all() && !ledger.press_all());
        assert!(ledger.is_urgent(3));
        ledger.relax_all();
        assert!(ledger.is_urgent(3));
        ledger.relax_all();
        assert!(!ledger.is_urgent(3));
    }

    #[test]
    fn one_poller_at_a_time() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.set_awaiter(1, Some("a")), None);
        assert_eq!(ledger.set_awaiter(1, Some("b")), Some("a"));
        assert_eq!(ledger.awaiter(1), Some(&"b"));
        assert_eq!(ledger.set_awaiter(1, None), Some("b"));
        assert_eq!(ledger.set_awaiter(2, None), None);
    }
}

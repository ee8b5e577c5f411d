//! Which of the items in flight were queued before a flush began.
//!
//! Every item takes the colour of the moment in which it is queued. A flush ends that moment: later
//! items get the next colour, and the flush is over when no item of its colour or an older one is
//! left. The kernel has sixteen colours and lets flushers wait for a free one; here they are numbers,
//! and a colour costs one counter while a flush waits for it.

use std::collections::VecDeque;

/// A moment between two flushes.
pub(super) type Colour = u64;

pub(super) struct Colours {
    /// The colour of the first counter. No item of an older colour is left.
    oldest: Colour,
    /// Items in flight by colour. The last counter is that of the present; there is always one.
    counts: VecDeque<usize>,
}

impl Colours {
    pub(super) fn new() -> Self {
        Self { oldest: 0, counts: VecDeque::from([0]) }
    }

    fn present(&self) -> Colour {
        self.oldest + self.counts.len() as u64 - 1
    }

    /// An item is queued.
    pub(super) fn enter(&mut self) -> Colour {
        let present = self.present();
        *self.counts.back_mut().expect("there is always one") += 1;
        present
    }

    /// An item is done. Returns whether a colour has become empty that somebody may wait for.
    pub(super) fn leave(&mut self, colour: Colour) -> bool {
        let index = (colour - self.oldest) as usize;
        self.counts[index] -= 1;
        let before = self.oldest;
        while self.counts.len() > 1 && self.counts[0] == 0 {
            self.counts.pop_front();
            self.oldest += 1;
        }
        self.oldest != before
    }

    /// A flush begins: the colour that it waits for, or `None` if nothing is in flight.
    pub(super) fn close(&mut self) -> Option<Colour> {
        let present = self.present();
        if *self.counts.back().expect("there is always one") == 0 {
            // Nothing came since the last flush began: wait for what that one waits for.
            return (self.counts.len() > 1).then(|| present - 1);
        }
        self.counts.push_back(0);
        Some(present)
    }

    /// Is no item of `colour` or an older one left?
    pub(super) fn is_gone(&self, colour: Colour) -> bool {
        colour < self.oldest
    }
}

#[cfg(all(test, not(cmwq_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_flush_of_nothing_waits_for_nothing() {
        let mut colours = Colours::new();
        assert_eq!(colours.close(), None);
        let item = colours.enter();
        assert!(!colours.leave(item), "nobody waits");
        assert_eq!(colours.close(), None);
    }

    #[test]
    fn a_flush_does_not_wait_for_later_items() {
        let mut colours = Colours::new();
        let before = colours.enter();
        let flush = colours.close().expect("one is in flight");
        let after = colours.enter();
        assert!(!colours.is_gone(flush));
        assert!(colours.leave(before));
        assert!(colours.is_gone(flush));
        assert!(!colours.leave(after));
    }

    #[test]
    fn an_older_item_holds_a_newer_flush_back() {
        let mut colours = Colours::new();
        let first = colours.enter();
        let flush_first = colours.close().unwrap();
        let second = colours.enter();
        let flush_second = colours.close().unwrap();
        assert!(!colours.leave(second));
        assert!(!colours.is_gone(flush_second), "the first item was queued before it too");
        assert!(colours.leave(first));
        assert!(colours.is_gone(flush_first) && colours.is_gone(flush_second));
    }

    #[test]
    fn flushes_with_nothing_between_them_share_a_colour() {
        let mut colours = Colours::new();
        let _item = colours.enter();
        let flush = colours.close();
        assert!((0..1000).all(|_| colours.close() == flush));
        assert_eq!(colours.counts.len(), 2);
    }
}

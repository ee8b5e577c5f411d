//! The pool_workqueues of an unbound queue, and those that were replaced and still have items.
//!
//! An ordered queue has one at a time. A new one of it is plugged until all older ones are empty,
//! whichever comes first: the replacement, or the end of the last item of an old one. The first asks
//! for items in flight and the second whether it was replaced, both under the pool_workqueue's lock,
//! so that one of them sees the other; and both then change this table under its lock.

/// A group of CPUs and its pool_workqueue.
pub(super) trait Group {
    type Pwq: Clone;

    fn pwq(&self) -> &Self::Pwq;
    /// It is replaced: no item comes any more. Returns whether it has to be kept for those that it
    /// has.
    fn retire(&self) -> bool;
    /// Its predecessors are empty.
    fn unplug(pwq: &Self::Pwq);
    fn is_same(one: &Self::Pwq, other: &Self::Pwq) -> bool;
}

pub(super) struct Pods<G: Group> {
    current: Vec<G>,
    /// Replaced, and not empty yet; oldest first.
    old: Vec<G::Pwq>,
}

impl<G: Group> Pods<G> {
    pub(super) fn new() -> Self {
        Self { current: Vec::new(), old: Vec::new() }
    }

    pub(super) fn current(&self) -> &[G] {
        &self.current
    }

    /// All of them, the oldest first.
    pub(super) fn pwqs(&self) -> impl Iterator<Item = &G::Pwq> {
        self.old.iter().chain(self.current.iter().map(Group::pwq))
    }

    /// Returns what was replaced, to be dropped when no lock is held.
    pub(super) fn replace(&mut self, new: Vec<G>) -> Vec<G> {
        let replaced = std::mem::replace(&mut self.current, new);
        for group in &replaced {
            if group.retire() {
                self.old.push(group.pwq().clone());
            }
        }
        self.unplug_oldest();
        replaced
    }

    /// One that was replaced has nothing left.
    pub(super) fn remove(&mut self, pwq: &G::Pwq) {
        self.old.retain(|old| !G::is_same(old, pwq));
        self.unplug_oldest();
    }

    /// Of an ordered queue only the oldest runs its items.
    fn unplug_oldest(&self) {
        match self.old.first() {
            Some(oldest) => G::unplug(oldest),
            None => self.current.iter().for_each(|group| G::unplug(group.pwq())),
        }
    }
}

//! Changing the books: what may be active after a change is activated, of a node in turn.

use super::{Gate, Inner, PoolWorkqueue, State};
use crate::workqueue::nodes::{Node, NodeState};
use crate::workqueue::slots::Slots;
use std::sync::Arc;

impl PoolWorkqueue {
    /// Changes the books, and activates what may be then.
    pub(super) fn change<R>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Inner, &mut Slots) -> R,
    ) -> R {
        match &self.gate {
            Gate::Own => {
                let State { slots, inner } = &mut *self.lock();
                let result = change(inner, slots);
                let Inner { books, boosts, .. } = inner;
                books.activate(slots, |item, task| self.start(boosts, item, task));
                result
            }
            Gate::Node(slots_of) => {
                let mut node = slots_of.lock();
                let mut state = self.lock();
                let inner = &mut state.inner;
                let result = change(inner, &mut node.slots);
                if inner.books.inactive() > 0 && !inner.is_waiting {
                    inner.is_waiting = true;
                    node.waiting.push_back(self.clone());
                }
                drop(state);
                let left = Self::take_turns(&mut node);
                drop(node);
                if left.is_some() {
                    Self::share_slots(slots_of);
                }
                result
            }
        }
    }

    /// Gives the free slots of a node to those that wait, in turn. Stops at one that has nothing left
    /// and leaves the list, which is to be dropped when no lock is held: it may be the last reference.
    /// The caller goes on then, since others may wait.
    fn take_turns(node: &mut NodeState) -> Option<Arc<Self>> {
        let mut idle = 0;
        while idle < node.waiting.len() && node.slots.has_any_room() {
            let pwq = node.waiting.pop_front()?;
            let mut state = pwq.lock();
            let inner = &mut state.inner;
            let Inner { books, boosts, .. } = inner;
            let start = |item, task| pwq.start(boosts, item, task);
            let activated = books.activate_one(&mut node.slots, start);
            inner.is_waiting = inner.books.inactive() > 0;
            let is_waiting = inner.is_waiting;
            drop(state);
            if !is_waiting {
                return Some(pwq);
            }
            node.waiting.push_back(pwq);
            idle = if activated { 0 } else { idle + 1 };
        }
        None
    }

    /// A node may have slots to give: its limit has changed, or a turn ended early.
    pub(in crate::workqueue) fn share_slots(node: &Node) {
        loop {
            // A statement of its own, so that it is dropped without the lock.
            let left = Self::take_turns(&mut node.lock());
            if left.is_none() {
                return;
            }
        }
    }
}

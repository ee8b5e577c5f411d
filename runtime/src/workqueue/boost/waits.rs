//! What an item waits for, and whether that is urgent.

use crate::sync_types::{Mutex, lock};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// Something that can be waited for.
pub(crate) trait Target: Clone + Eq + Hash {
    /// Runs `f` while no other thread raises or lowers anything.
    fn alone<R>(&self, f: impl FnOnce() -> R) -> R;

    // Inside of `alone`. Both give what the target waits for itself, if it has become urgent by
    // this, or is urgent no more.

    /// One more urgent item waits for it.
    fn raise(&self) -> Option<Arc<Waits<Self>>>;
    /// One less.
    fn lower(&self) -> Option<Arc<Waits<Self>>>;
}

/// The edges of one waiter.
pub(crate) struct Waits<T>(Mutex<State<T>>);

struct State<T> {
    /// Changed inside of `alone` only.
    is_urgent: bool,
    /// Nothing is recorded any more.
    is_closed: bool,
    /// By target: a task may await some ten thousands.
    edges: HashMap<T, Edges>,
}

/// Those to one target: an item may flush what it awaits too.
#[derive(Clone, Copy, Default)]
struct Edges {
    plain: usize,
    /// Counted by the target, or whoever has changed this is about to. Grows inside of `alone` only.
    raised: usize,
}

impl<T: Target> Waits<T> {
    pub(super) fn new(is_urgent: bool) -> Self {
        Self(Mutex::new(State { is_urgent, is_closed: false, edges: HashMap::new() }))
    }

    /// Records an edge, which is not raised. Whoever is told that it is urgent calls
    /// [`raise`](Self::raise) when no lock is held.
    #[must_use]
    pub(super) fn record(&self, target: &T) -> bool {
        let mut state = lock(&self.0);
        if state.is_closed {
            return false;
        }
        state.edges.entry(target.clone()).or_default().plain += 1;
        state.is_urgent
    }

    /// Raises an edge, if it is still there and urgent.
    pub(super) fn raise(&self, target: &T) {
        target.alone(|| {
            if self.mark(target) {
                spread(target.raise(), true);
            }
        });
    }

    fn mark(&self, target: &T) -> bool {
        let state = &mut *lock(&self.0);
        match state.edges.get_mut(target).filter(|edges| state.is_urgent && edges.plain > 0) {
            Some(edges) => {
                edges.plain -= 1;
                edges.raised += 1;
                true
            }
            None => false,
        }
    }

    /// Cuts an edge, if there is one.
    pub(super) fn cut(&self, target: &T) {
        // The key is dropped when no lock is held.
        let (was_raised, _last) = {
            let mut state = lock(&self.0);
            let Some(edges) = state.edges.get_mut(target) else { return };
            // Of two it does not matter which.
            let was_raised = edges.plain == 0;
            if was_raised {
                edges.raised -= 1;
            } else {
                edges.plain -= 1;
            }
            let is_last = edges.plain + edges.raised == 0;
            (was_raised, is_last.then(|| state.edges.remove_entry(target)))
        };
        if was_raised {
            settle(target);
        }
    }

    /// The waiter is done, or nobody of interest waits for it: cuts all edges. It may record at this
    /// moment.
    pub(super) fn close(&self) {
        let edges = {
            let mut state = lock(&self.0);
            state.is_closed = true;
            std::mem::take(&mut state.edges)
        };
        for (target, edges) in edges {
            (0..edges.raised).for_each(|_| settle(&target));
        }
    }

    /// The waiter has become urgent, or is no more. Gives the edges that change.
    fn turn(&self, is_urgent: bool) -> Vec<T> {
        let mut state = lock(&self.0);
        state.is_urgent = is_urgent;
        let mut changed = Vec::new();
        for (target, edges) in &mut state.edges {
            let (from, to) = match is_urgent {
                true => (&mut edges.plain, &mut edges.raised),
                false => (&mut edges.raised, &mut edges.plain),
            };
            *to += *from;
            changed.extend(std::iter::repeat_n(target, std::mem::take(from)).cloned());
        }
        changed
    }
}

/// A raised edge was cut.
fn settle<T: Target>(target: &T) {
    target.alone(|| spread(target.lower(), false));
}

/// Carries a change along a chain.
fn spread<T: Target>(first: Option<Arc<Waits<T>>>, is_urgent: bool) {
    let mut changed: Vec<_> = first.into_iter().collect();
    while let Some(waits) = changed.pop() {
        for target in waits.turn(is_urgent) {
            changed.extend(if is_urgent { target.raise() } else { target.lower() });
        }
    }
}

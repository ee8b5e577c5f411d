//! What an item waits for, and whether that is urgent.

use crate::sync_types::{Mutex, lock};
use std::sync::Arc;

/// Something that can be waited for.
pub(crate) trait Target: Clone + PartialEq {
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
    edges: Vec<Edge<T>>,
}

struct Edge<T> {
    target: T,
    /// It is counted by the target, or whoever has set this is about to. Set inside of `alone` only.
    is_raised: bool,
}

impl<T: Target> Waits<T> {
    pub(super) fn new(is_urgent: bool) -> Self {
        Self(Mutex::new(State { is_urgent, is_closed: false, edges: Vec::new() }))
    }

    /// Records an edge, which is not raised. Whoever is told that it is urgent calls
    /// [`raise`](Self::raise) when no lock is held.
    #[must_use]
    pub(super) fn record(&self, target: &T) -> bool {
        let mut state = lock(&self.0);
        if state.is_closed {
            return false;
        }
        state.edges.push(Edge { target: target.clone(), is_raised: false });
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
        let is_meant = |edge: &&mut Edge<T>| !edge.is_raised && edge.target == *target;
        match state.edges.iter_mut().find(is_meant).filter(|_| state.is_urgent) {
            Some(edge) => {
                edge.is_raised = true;
                true
            }
            None => false,
        }
    }

    /// Cuts an edge, if there is one.
    pub(super) fn cut(&self, target: &T) {
        let cut = {
            let mut state = lock(&self.0);
            let place = state.edges.iter().position(|edge| edge.target == *target);
            place.map(|place| state.edges.swap_remove(place))
        };
        if let Some(edge) = cut {
            edge.settle();
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
        edges.into_iter().for_each(Edge::settle);
    }

    /// The waiter has become urgent, or is no more. Gives the edges that change.
    fn turn(&self, is_urgent: bool) -> Vec<T> {
        let mut state = lock(&self.0);
        state.is_urgent = is_urgent;
        let changes = state.edges.iter_mut().filter(|edge| edge.is_raised != is_urgent);
        changes
            .map(|edge| {
                edge.is_raised = is_urgent;
                edge.target.clone()
            })
            .collect()
    }
}

impl<T: Target> Edge<T> {
    fn settle(self) {
        if self.is_raised {
            self.target.alone(|| spread(self.target.lower(), false));
        }
    }
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

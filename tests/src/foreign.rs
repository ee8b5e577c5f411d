//! Wakers and destructors of the user's own, which may do anything.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// What is done once.
pub type Action = Box<dyn FnOnce() + Send>;

/// A waker whose first wake does `action`.
pub fn waker(action: Action) -> Waker {
    Waker::from(Arc::new(Foreign(Mutex::new(Some(action)))))
}

struct Foreign(Mutex<Option<Action>>);

impl Wake for Foreign {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // The guard ends with this statement: the action runs without it.
        let action = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(action) = action {
            action();
        }
    }
}

/// Does its action when it is dropped.
pub struct OnDrop(Option<Action>);

impl OnDrop {
    /// See the type.
    pub fn new(action: impl FnOnce() + Send + 'static) -> OnDrop {
        OnDrop(Some(Box::new(action)))
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(action) = self.0.take() {
            action();
        }
    }
}

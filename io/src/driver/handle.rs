//! The shared face of a driver.

use super::registry::Registry;
use std::fmt;
use std::sync::Arc;

/// A reference to a [`Driver`](super::Driver), for any thread: registers sockets and ends waits.
///
/// It does not keep the driver alive. Once the driver is dropped, waits on its sockets fail.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

struct Shared {
    id: usize,
    registry: Registry,
    waker: mio::Waker,
}

impl Handle {
    pub(super) fn new(id: usize, registry: Registry, waker: mio::Waker) -> Handle {
        Handle { shared: Arc::new(Shared { id, registry, waker }) }
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.shared.registry
    }

    /// Makes the [`turn`](super::Driver::turn) that waits now, or else the next one, return at once.
    ///
    /// Several calls before that turn count as one. Never blocks; may be called from any thread.
    ///
    /// # Panics
    ///
    /// If the eventfd was closed by someone else: going on would be a silent hang.
    pub fn unpark(&self) {
        if let Err(error) = self.shared.waker.wake() {
            panic!(
                "cannot unpark I/O driver {}: write to its eventfd failed: {error}; \
                 look for code that closes descriptors that it did not open",
                self.shared.id
            );
        }
    }

    /// Is no socket registered with the driver? Out of date at once, unless the caller knows that
    /// nobody registers any more.
    pub fn is_unused(&self) -> bool {
        self.shared.registry.is_empty()
    }

    /// A number that no other driver of this process has had.
    pub fn id(&self) -> usize {
        self.shared.id
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("id", &self.shared.id).finish_non_exhaustive()
    }
}

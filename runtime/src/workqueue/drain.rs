//! Draining and destroying: refuse what comes from outside, and wait until nothing is left.

use super::queue::Queue;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// While it lives the queue takes only what its own items queue.
pub(super) struct Draining {
    queue: Arc<Queue>,
    /// It is not to be used again.
    is_final: bool,
}

impl Draining {
    pub(super) fn begin(queue: &Arc<Queue>, is_final: bool) -> Self {
        let mut admin = queue.admin();
        admin.drains += 1;
        if is_final {
            queue.common.is_destroyed.store(true, Ordering::Relaxed);
        }
        queue.pwqs().iter().for_each(|pwq| pwq.drain_begins());
        drop(admin);
        Self { queue: queue.clone(), is_final }
    }

    /// Flushes until nothing is left.
    pub(super) async fn run(self) {
        let mut rounds = 0_u64;
        loop {
            self.queue.flush().await;
            if self.queue.is_empty() {
                return;
            }
            rounds += 1;
            if rounds == 10 || rounds.is_multiple_of(100) {
                tracing::warn!(
                    target: "cmwq",
                    queue = &*self.queue.common.name,
                    rounds,
                    "a drain does not come to an end: items of the queue go on queueing others"
                );
            }
        }
    }
}

impl Drop for Draining {
    fn drop(&mut self) {
        if self.is_final {
            return;
        }
        let mut admin = self.queue.admin();
        admin.drains -= 1;
        self.queue.pwqs().iter().for_each(|pwq| pwq.drain_ends());
    }
}

impl Queue {
    /// Is nothing in flight?
    fn is_empty(&self) -> bool {
        let look = || {
            let pwqs = self.pwqs();
            let counts = pwqs.iter().map(|pwq| pwq.counts());
            counts.fold((0, 0), |sum, counts| (sum.0 + counts.0, sum.1 + counts.1))
        };
        // Looked at one after another: an item of the last may have queued on the first meanwhile.
        // Then more were admitted at the second look.
        let (admitted, in_flight) = look();
        in_flight == 0 && look() == (admitted, 0)
    }
}

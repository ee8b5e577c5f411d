//! What becomes of a worker's tasks when its core changes hands.
//!
//! Two sides: the worker that pushes ([`has_lost`], then [`give_away`]) and the one that takes the
//! core over (changes the holder, `membarrier`, then [`inherit`]). The push comes before the load
//! of the holder, the change of the holder before the look at the queues; so each task is seen by
//! the new holder, or its pusher sees that it lost the core. With the barrier on the rare side a
//! compiler barrier is enough on the frequent one.
//!
//! # Without the barrier
//!
//! `membarrier` interrupts every CPU that runs a thread of the process: 2 us, and 20 to 30 where a
//! hypervisor delivers the interrupt. A takeover does without if, after it has changed the holder,
//! the new one runs on the core's CPU and the former may run on no other. Then the former is switched
//! out at that moment. It was switched out after its last push, which a full barrier in the scheduler
//! made visible; and it is switched in again, behind another one, before it loads the holder. Who
//! gives the former more CPUs at that moment changes nothing about it: a thread that is not running is
//! moved by switching it in elsewhere.
//!
//! Who takes CPUs from a thread that runs elsewhere does: for a moment it has the affinity that it will
//! have, and is not there yet. The runtime counts such moves of its own, and then there is a barrier.
//! What is left is somebody from outside who confines a worker of a core whose CPU it is not on to that
//! CPU, in the very microsecond in which it is taken for asleep.

use super::ring::Ring;
use super::slot::Slot;
use crate::pool::{Holder, Inject};
use crate::sync_types::atomic::{Ordering, compiler_fence, fence};

/// After a push: is the core somebody else's now? `without_membarrier`: this side has to fence.
#[inline]
pub(crate) fn has_lost(holder: &Holder, worker: u32, without_membarrier: bool) -> bool {
    if without_membarrier {
        fence(Ordering::SeqCst);
    } else {
        compiler_fence(Ordering::SeqCst);
    }
    holder.get() != worker
}

/// Moves everything that a worker has to the core's inject list; `false` if it had nothing.
pub(crate) fn give_away(slot: &Slot, ring: &Ring, inject: &Inject) -> bool {
    let mut any = false;
    while let Some(task) = slot.take().or_else(|| ring.pop()) {
        inject.push(task);
        any = true;
    }
    any
}

/// Moves what a former holder has queued to the new one's ring, until nothing is left.
///
/// # Safety
///
/// The calling thread owns `own`, and `ring` is another's.
pub(crate) unsafe fn inherit(slot: &Slot, ring: &Ring, own: &Ring, inject: &Inject) {
    while let Some(task) = slot.take() {
        inject.push(task);
    }
    loop {
        // SAFETY: as above.
        let moved = unsafe { ring.steal_into(own, 1) };
        if moved == 0 {
            // Our ring is full, or theirs is empty.
            match ring.pop() {
                Some(task) => inject.push(task),
                None => return,
            }
        }
    }
}

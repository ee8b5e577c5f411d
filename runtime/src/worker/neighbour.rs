//! What a worker does for a neighbour before it parks.
//!
//! While a poll lasts, because it computes or blocks or something else has its CPU, its core looks at no
//! sockets and timers. The monitor does that for it, but seldom where nothing blocks. So a worker that is
//! about to park looks at a neighbour, and if that is in the same poll as at the last look, takes over
//! what comes in there: the tasks that are woken run here. So does the task in its next slot, which
//! thieves leave alone.
//!
//! One neighbour at a time, the next one when its poll has ended. And not twice in a row without a look at
//! its own sockets. A core that sleeps does not come by at all: then there is the monitor.

use super::{Local, Phase, Stamp};
use crate::pool::Core;
use std::cell::Cell;

/// A poll that lasts for so long is long. Also the least time between two looks, each of which takes
/// cache lines from a busy core.
const LONG_NS: u64 = 500_000;

/// The neighbour that was in a poll at the last look.
#[derive(Default)]
pub(super) struct Suspect {
    /// Its place among the neighbours.
    place: Cell<usize>,
    seen: Cell<PollOf>,
    looked_at: Cell<u64>,
}

/// A poll: of which worker, and in which epoch of that.
type PollOf = (u32, Stamp);

impl Local {
    /// `true` if there is something to do now.
    pub(super) fn help_neighbour(&self) -> bool {
        let neighbours = &self.core().neighbours;
        let Suspect { place, seen, looked_at } = &self.suspect;
        // A paused clock moves on when nothing is left to do, which each core decides for itself.
        if neighbours.is_empty()
            || self.driven_at.get() <= looked_at.get()
            || self.clock_is_paused()
        {
            return false;
        }
        let now = crate::time::now_ns();
        if now.saturating_sub(looked_at.get()) < LONG_NS {
            return false;
        }
        looked_at.set(now);
        let core = |place: usize| &*self.shared().cores[neighbours[place]];
        if poll_of(core(place.get())) == Some(seen.get()) {
            return self.serve(core(place.get()), seen.get());
        }
        let mut others = (1..=neighbours.len()).map(|step| (place.get() + step) % neighbours.len());
        let in_poll = |place| poll_of(core(place)).map(|poll| (place, poll));
        if let Some((next, met)) = others.find_map(in_poll) {
            place.set(next);
            seen.set(met);
        }
        false
    }

    fn serve(&self, core: &Core, poll: PollOf) -> bool {
        self.dispatch(|| {
            core.look_at_events(&mut |waker| self.sink(waker));
            let lasts = poll_of(core) == Some(poll);
            let next =
                core.crew.get(poll.0).filter(|_| lasts).and_then(|worker| worker.slot.take());
            if let Some(task) = next {
                self.schedule(task);
            }
        });
        self.settle_batch();
        // User code, which may wake a task of ours, and in which the core may be lost.
        self.wake_foreign();
        // What the monitor has left for a worker of that core, none of which will come soon.
        self.wake_chores_of(core);
        self.has_work() || !self.is_holder()
    }
}

/// The poll that the holder of a core is in.
fn poll_of(core: &Core) -> Option<PollOf> {
    let worker = core.holding_worker()?;
    let stamp = worker.epoch.load();
    (stamp.phase() == Phase::User).then_some((worker.index(), stamp))
}

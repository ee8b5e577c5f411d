//! Workers that burn CPU although they have lost their core.
//!
//! A worker loses its core because it sleeps. It may wake up and compute for long in the same poll; or
//! it never slept, and was taken for a sleeper ([`super::Hunch`]). It is a hog then as one that holds
//! the core is, but nobody looks at those who do not. So at each of its rounds the monitor asks for the
//! CPU time of one worker of each core that has lost it, in turn, and compares it with that of the
//! first time that it met the same poll.

use crate::pool::Core;
use crate::runtime::Shared;
use crate::sys::thread::cpu_time_ns;
use crate::worker::{Flag, Phase, Stamp, Worker};

/// Of one core.
#[derive(Default)]
pub(super) struct Strays {
    /// The worker that was looked at last.
    index: u32,
    /// By worker: the poll in which it was met, and the CPU time of its thread then.
    met: Vec<(Stamp, u64)>,
}

impl Strays {
    /// One round. `patience_ns`: how much CPU time makes a hog.
    pub(super) fn look(&mut self, shared: &Shared, core: &Core, patience_ns: u64) {
        let Some((worker, stamp)) = self.next(core) else { return };
        let Some(now) = cpu_time_ns(worker.tid()) else { return };
        self.index = worker.index();
        let place = worker.index() as usize;
        if place >= self.met.len() {
            self.met.resize(place + 1, Default::default());
        }
        let (met, before) = &mut self.met[place];
        if *met != stamp {
            (*met, *before) = (stamp, now);
        } else if now.saturating_sub(*before) >= patience_ns {
            core.take_for_hog(shared, worker, stamp);
        }
    }

    /// The next worker that may be one.
    fn next<'a>(&self, core: &'a Core) -> Option<(&'a Worker, Stamp)> {
        let later = core.crew.iter().filter(|worker| worker.index() > self.index);
        later.chain(core.crew.iter()).find_map(|worker| {
            let stamp = worker.epoch.load();
            let is_stray = stamp.phase() == Phase::User
                && worker.flags.has(Flag::Lost)
                && !worker.flags.has(Flag::CpuIntensive);
            is_stray.then_some((worker, stamp))
        })
    }
}

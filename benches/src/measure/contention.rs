//! Locks and exchanges of cmwq that met other threads, in a build with `--cfg cmwq_contention`.

use crate::case::Sample;

/// What had been counted at some moment.
pub struct Contention {
    #[cfg(cmwq_contention)]
    at: (u64, u64),
}

impl Contention {
    pub fn now() -> Contention {
        Contention {
            #[cfg(cmwq_contention)]
            at: cmwq::contention(),
        }
    }

    /// Adds what has come since, if it is counted and there is any: other runtimes have no counts.
    #[cfg(cmwq_contention)]
    pub fn per_million(&self, operations: u64, sample: Sample) -> Sample {
        let (locks, exchanges) = cmwq::contention();
        let per_million = |count: u64| count as f64 / operations as f64 * 1e6;
        sample
            .beside("contended locks per million", per_million(locks - self.at.0))
            .beside("failed exchanges per million", per_million(exchanges - self.at.1))
    }

    #[cfg(not(cmwq_contention))]
    pub fn per_million(&self, _operations: u64, sample: Sample) -> Sample {
        sample
    }
}

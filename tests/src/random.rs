//! Numbers that look random and are the same in every run.

use std::time::Duration;

/// xorshift64*.
pub struct Random(u64);

impl Random {
    /// Begins anew for each seed.
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number, below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n
    }

    /// A time below so many microseconds.
    pub fn pause(&mut self, micros: u64) -> Duration {
        Duration::from_micros(self.below(micros))
    }
}

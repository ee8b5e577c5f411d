//! A full barrier on every thread of the process at once.
//!
//! Two sides that must not both miss each other normally pay one fence each. Where one side runs at
//! every push and the other at every takeover, the rare side can pay for both: after
//! [`private_expedited`] returns, every other thread has passed a full barrier, so the frequent
//! side needs none (0.23 us alone, 2.6 us with a sibling thread running; a fence costs 5 to 10 ns).
//!
//! The kernel wants the process registered first. A seccomp filter may refuse that, then callers
//! must place the fence on the frequent side after all.

use std::sync::OnceLock;

use rustix::thread::{MembarrierCommand, membarrier};

/// Registers the process for [`private_expedited`]; `true` if that may be used from now on.
///
/// The answer is found once per process, further calls return it. A forked child inherits the
/// registration together with the answer.
pub fn register() -> bool {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    *REGISTERED.get_or_init(|| {
        membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok() && private_expedited()
    })
}

/// Makes every running thread of the process execute a full barrier; `false` if it failed, which
/// happens only where [`register`] said so or a filter was installed afterwards.
#[must_use = "without the barrier the other side's stores may not be visible"]
pub fn private_expedited() -> bool {
    membarrier(MembarrierCommand::PrivateExpedited).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registration_tells_the_truth() {
        assert_eq!(register(), private_expedited());
        assert_eq!(register(), register());
    }
}

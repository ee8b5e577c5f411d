//! Who is compared: a runtime, and the way in which it is used.

use std::fmt;

use cmwq::runtime::Detector;
use serde::{Deserialize, Serialize};

/// A runtime as a column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Contender {
    /// tokio's multi-thread runtime. Where tasks block: they block, as in cmwq.
    Tokio,
    /// What blocks goes through `tokio::task::spawn_blocking`.
    TokioSpawnBlocking,
    /// What blocks goes through `tokio::task::block_in_place`.
    TokioBlockInPlace,
    /// As [`CmwqUnprivileged`], whose filter costs something at each system call.
    TokioUnprivileged,
    TokioSpawnBlockingUnprivileged,
    /// Files through `tokio::fs`.
    TokioFs,
    /// cmwq as it comes: detector `Auto`, as this user.
    Cmwq,
    /// The same as user nobody (where this is root) and with `perf_event_open` refused.
    CmwqUnprivileged,
    CmwqOff,
    CmwqIdle,
    CmwqPerf,
    /// Where the process may use it.
    CmwqBpf,
    CmwqMonitor,
    /// smol with its global executor.
    Smol,
    /// Plain threads, no runtime.
    Threads,
    /// A bare epoll loop per core, no runtime.
    Epoll,
    /// A bare executor, no runtime.
    Bare,
    Go,
    /// Behind feature `rivals`, one thread per core.
    Monoio,
    Glommio,
    Compio,
}

use Contender::*;

impl Contender {
    /// In the order of the columns.
    pub const ALL: [Contender; 21] = [
        Tokio,
        TokioUnprivileged,
        TokioSpawnBlocking,
        TokioSpawnBlockingUnprivileged,
        TokioBlockInPlace,
        TokioFs,
        Cmwq,
        CmwqUnprivileged,
        CmwqOff,
        CmwqIdle,
        CmwqPerf,
        CmwqBpf,
        CmwqMonitor,
        Smol,
        Threads,
        Epoll,
        Bare,
        Go,
        Monoio,
        Glommio,
        Compio,
    ];

    /// Of a case that does not say otherwise.
    pub const STANDARD: [Contender; 5] = [Tokio, Cmwq, CmwqUnprivileged, CmwqOff, Smol];

    /// The same where system calls are the work.
    pub const WITH_CALLS: [Contender; 6] =
        [Tokio, TokioUnprivileged, Cmwq, CmwqUnprivileged, CmwqOff, Smol];

    /// tokio beside each detector of cmwq.
    pub const DETECTORS: [Contender; 4] = [Tokio, CmwqIdle, CmwqPerf, CmwqMonitor];

    pub fn name(self) -> &'static str {
        match self {
            Tokio => "tokio",
            TokioSpawnBlocking => "tokio spawn_blocking",
            TokioBlockInPlace => "tokio block_in_place",
            TokioUnprivileged => "tokio unprivileged",
            TokioSpawnBlockingUnprivileged => "tokio spawn_blocking unprivileged",
            TokioFs => "tokio::fs",
            Cmwq => "cmwq",
            CmwqUnprivileged => "cmwq unprivileged",
            CmwqOff => "cmwq off",
            CmwqIdle => "cmwq idle",
            CmwqPerf => "cmwq perf",
            CmwqBpf => "cmwq bpf",
            CmwqMonitor => "cmwq monitor",
            Smol => "smol",
            Threads => "threads",
            Epoll => "epoll",
            Bare => "bare",
            Go => "go",
            Monoio => "monoio",
            Glommio => "glommio",
            Compio => "compio",
        }
    }

    /// Its runtime, as the command line names it.
    pub fn runtime(self) -> &'static str {
        match self {
            Tokio
            | TokioUnprivileged
            | TokioSpawnBlocking
            | TokioSpawnBlockingUnprivileged
            | TokioBlockInPlace
            | TokioFs => "tokio",
            Cmwq | CmwqUnprivileged | CmwqOff | CmwqIdle | CmwqPerf | CmwqBpf | CmwqMonitor => {
                "cmwq"
            }
            other => other.name(),
        }
    }

    /// The same as an unprivileged user, where that is measured.
    pub fn unprivileged(self) -> Option<Contender> {
        match self {
            Tokio => Some(TokioUnprivileged),
            TokioSpawnBlocking => Some(TokioSpawnBlockingUnprivileged),
            Cmwq => Some(CmwqUnprivileged),
            _ => None,
        }
    }

    pub fn is_unprivileged(self) -> bool {
        Contender::ALL.iter().any(|it| it.unprivileged() == Some(self))
    }

    /// With which detector, if this is cmwq.
    pub fn detector(self) -> Option<Detector> {
        match self {
            Cmwq | CmwqUnprivileged => Some(Detector::Auto),
            CmwqOff => Some(Detector::Off),
            CmwqIdle => Some(Detector::Idle),
            CmwqPerf => Some(Detector::Perf),
            CmwqBpf => Some(Detector::Bpf),
            CmwqMonitor => Some(Detector::Monitor),
            _ => None,
        }
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

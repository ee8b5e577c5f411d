//! Ways to block beside an async runtime: in the task as cmwq allows it, and what tokio's
//! documentation asks for instead.

use std::{path::PathBuf, process::Command, thread, time::Duration};

use serde::Deserialize;

use crate::{Result, contender::Contender, runtimes::Runtime};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// In the task: what cmwq is for, and what stalls tokio.
    InTask,
    SpawnBlocking,
    /// `tokio::task::block_in_place`.
    InPlace,
}

impl Way {
    pub fn of(contender: Contender) -> Way {
        match contender {
            Contender::TokioSpawnBlocking | Contender::TokioSpawnBlockingUnprivileged => {
                Way::SpawnBlocking
            }
            Contender::TokioBlockInPlace => Way::InPlace,
            _ => Way::InTask,
        }
    }

    /// Blocks for so long.
    pub async fn block<R: Runtime>(self, length: Duration) {
        match self {
            Way::InTask => thread::sleep(length),
            Way::SpawnBlocking => R::spawn_blocking(move || thread::sleep(length)).await,
            Way::InPlace => tokio::task::block_in_place(|| thread::sleep(length)),
        }
    }
}

/// What the Go program answers, in microseconds and calls.
#[derive(Debug, Deserialize)]
pub struct GoFigures {
    pub ticker_p50: f64,
    pub ticker_p99: f64,
    pub echo_p99: f64,
    pub calls: f64,
    pub cpu_per_call: f64,
}

/// The same work in Go, where it is installed: `go/main.go` of this package.
pub fn go(mode: &str, blockers: usize, block: Duration, length: Duration) -> Result<GoFigures> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("go");
    let output = Command::new("go")
        .args(["run", "."])
        .args([mode.to_owned(), blockers.to_string()])
        .args([block.as_micros().to_string(), length.as_micros().to_string()])
        .current_dir(folder)
        .output()
        .map_err(|error| format!("go is not installed ({error})"))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("the Go program failed: {reason}").into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

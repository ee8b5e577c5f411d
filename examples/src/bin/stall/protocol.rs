//! Lines between the measuring process and a server: commands on the server's stdin, answers on its
//! stdout.

use std::time::Duration;

use crate::{Result, measure::Latencies};

/// The server's first line is this and its address.
pub const LISTENING: &str = "listening ";
/// Forget the ticks and the CPU time so far; answered by [`STARTED`].
pub const START: &str = "start";
pub const STARTED: &str = "started";
/// Answered by a [`ServerReport`].
pub const STOP: &str = "stop";

/// What only the server can tell.
pub struct ServerReport {
    pub cpu: Duration,
    pub lateness: Latencies,
    /// What the runtime says about itself.
    pub note: String,
}

impl ServerReport {
    pub fn to_line(&self) -> String {
        format!("{}{} |{}", self.cpu.as_micros(), self.lateness.encode(), self.note)
    }

    pub fn from_line(line: &str) -> Result<ServerReport> {
        let broken = || {
            let start = line.get(..40).unwrap_or(line);
            format!("the server reported `{start}...`, not CPU time, ticks and a note")
        };
        let (figures, note) = line.split_once('|').ok_or_else(broken)?;
        let mut words = figures.split_whitespace();
        let cpu = words.next().and_then(|word| word.parse().ok()).ok_or_else(broken)?;
        let mut lateness = Latencies::new();
        lateness.decode(words)?;
        Ok(ServerReport { cpu: Duration::from_micros(cpu), lateness, note: note.trim().to_owned() })
    }
}

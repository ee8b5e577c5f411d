//! `wrk`, where it is installed.

use std::{
    net::SocketAddr,
    process::{Command, Stdio},
    time::Duration,
};

use crate::Result;

/// Requests per second and the 99th percentile in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    pub per_second: f64,
    pub p99: f64,
}

pub fn is_installed() -> bool {
    let mut version = Command::new("wrk");
    // It says its version and ends with an error code.
    version.arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

pub fn run(
    address: SocketAddr,
    threads: usize,
    connections: usize,
    window: Duration,
) -> Result<Seen> {
    let output = Command::new("wrk")
        .args(["--latency", "-t", &threads.min(connections).to_string()])
        .args(["-c", &connections.to_string()])
        .args(["-d", &format!("{}s", window.as_secs().max(1))])
        .arg(format!("http://{address}/"))
        .output()
        .map_err(|error| format!("cannot start wrk ({error})"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    parse(&text)
        .ok_or_else(|| format!("wrk did not give its figures, or saw errors:\n{text}").into())
}

fn parse(text: &str) -> Option<Seen> {
    if text.contains("Non-2xx") || text.contains("Socket errors") {
        return None;
    }
    let word_after = |label: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(label))?;
        line.split_whitespace().next()
    };
    Some(Seen {
        per_second: word_after("Requests/sec:")?.parse().ok()?,
        p99: microseconds(word_after("99%")?)?,
    })
}

fn microseconds(text: &str) -> Option<f64> {
    let units = [("us", 1.0), ("ms", 1e3), ("s", 1e6)];
    let (number, scale) =
        units.iter().find_map(|(unit, scale)| Some((text.strip_suffix(unit)?, scale)))?;
    Some(number.parse::<f64>().ok()? * scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_wrk() {
        let text = "  Latency Distribution\n     50%  399.00us\n     99%    1.25ms\n\
                    Requests/sec: 120345.67\nTransfer/sec:  10.00MB\n";
        assert_eq!(parse(text), Some(Seen { per_second: 120_345.67, p99: 1250.0 }));
        assert_eq!(parse(&format!("{text}  Socket errors: connect 1\n")), None);
    }
}

//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, Subcommand};

use crate::{Result, variant::Variant};

/// Measure what one blocking call does to everything else: tokio, tokio with spawn_blocking, cmwq.
#[derive(Parser)]
#[command(name = "stall", version)]
pub struct Args {
    /// A short run: two rounds of 2 s for each variant, less than 20 s in all
    #[arg(long)]
    quick: bool,

    /// Rounds for each variant, 1 to 50; the variants take turns [default: 4]
    #[arg(long, value_name = "N", conflicts_with = "quick",
          value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: Option<u32>,

    /// Seconds that a round is measured, 0.5 to 60 [default: 5]
    #[arg(long, value_name = "S", conflicts_with = "quick", value_parser = seconds)]
    seconds: Option<f64>,

    /// Worker threads of each server, 1 to 64; for cmwq its cores [default: the CPUs of this process]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: Option<u16>,

    /// Clients for each of the four blocking paths, 1 to 16
    #[arg(long, value_name = "N", default_value_t = 2,
          value_parser = clap::value_parser!(u16).range(1..=16))]
    clients: u16,

    /// Milliseconds that the slow neighbour takes for an answer, 0 to 1000
    #[arg(long, value_name = "MS", default_value_t = 20,
          value_parser = clap::value_parser!(u64).range(0..=1000))]
    pub upstream_ms: u64,

    /// Folder for the database and the files, about 20 MB while it runs [default: /var/tmp or TMPDIR]
    #[arg(long, value_name = "PATH")]
    pub dir: Option<PathBuf>,

    /// Where to write the chart
    #[arg(long, value_name = "PATH", default_value = "stall.svg")]
    pub svg: PathBuf,

    #[command(subcommand)]
    pub role: Option<Role>,
}

#[derive(Subcommand)]
pub enum Role {
    /// One server; the program starts it for itself
    #[command(hide = true)]
    Serve(ServeArgs),
}

#[derive(clap::Args)]
pub struct ServeArgs {
    #[arg(long, value_enum)]
    pub variant: Variant,
    #[arg(long)]
    pub workers: usize,
    #[arg(long)]
    pub data: PathBuf,
    #[arg(long)]
    pub upstream: std::net::SocketAddr,
}

/// What the options come to.
pub struct Plan {
    pub rounds: u32,
    /// Before each measured round: caches, connection pools, the first blocks.
    pub warm_up: Duration,
    pub measured: Duration,
    pub workers: usize,
    pub clients: usize,
}

impl Args {
    /// Fails when the number of CPUs is not known and `--workers` was not given.
    pub fn plan(&self) -> Result<Plan> {
        let workers = match self.workers {
            Some(n) => n.into(),
            None => std::thread::available_parallelism()
                .map_err(|error| {
                    format!("cannot tell how many CPUs there are ({error}): give --workers N")
                })?
                .get(),
        };
        let (rounds, seconds) = if self.quick { (2, 2.0) } else { (4, 5.0) };
        Ok(Plan {
            rounds: self.rounds.unwrap_or(rounds),
            warm_up: Duration::from_millis(400),
            measured: Duration::from_secs_f64(self.seconds.unwrap_or(seconds)),
            workers,
            clients: self.clients.into(),
        })
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(s) if (0.5..=60.0).contains(&s) => Ok(s),
        _ => Err("give a number of seconds from 0.5 to 60".into()),
    }
}

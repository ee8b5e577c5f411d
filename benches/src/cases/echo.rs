//! TCP echo beside its client on the same cores, in turns.

use crate::{
    Result,
    case::{Case, Figure, Limit, Row, Sample, Settings, Subject},
    child::served::{Running, Service},
    contender::Contender::{self, *},
    load::{
        client::{self, Load, Seen},
        protocol::Protocol,
        rivals,
    },
    measure::{procfs, stats::us},
};
use std::time::Duration;

pub const REQUESTS: Figure = Figure::more("requests/s");
pub const P50: Figure = Figure::less("p50, us");
pub const P99: Figure = Figure::less("p99, us");
pub const CPU: Figure = Figure::less("server CPU per request, us");

pub struct Echo;

impl Case for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }

    fn about(&self) -> &'static str {
        "TCP echo of 64 B and 4 KiB over 1, 50, 500 connections, beside bare epoll"
    }

    fn rows(&self, _: &Settings) -> Vec<Row> {
        let mut rows = Vec::new();
        for (size, shown) in [(64, "64 B"), (4096, "4 KiB")] {
            for connections in [1, 50, 500] {
                rows.push(row(size, shown, connections));
            }
        }
        rows
    }
}

fn row(size: usize, shown: &str, connections: usize) -> Row {
    let mut contenders = Contender::WITH_CALLS.to_vec();
    contenders.push(Epoll);
    contenders.extend(rivals::available());
    let name = format!("{shown}, {connections} connections");
    let row = Row::in_turns(name, &[REQUESTS, P50, P99, CPU], move |contender, settings| {
        let server = match contender {
            Monoio | Glommio | Compio => rivals::echo(contender, settings)?,
            _ => Running::start(contender, *settings, Service::Echo)?,
        };
        loaded(server, settings, Protocol::Echo(size), connections)
    })
    .contenders(contenders);
    if connections == 1 {
        // The project promises nothing for it: it shows the way of one wakeup.
        return row;
    }
    let row = row
        .ratio(REQUESTS, Tokio, Limit::AtLeast(1.0))
        .ratio(P99, Tokio, Limit::AtMost(1.0))
        .ratio(CPU, Tokio, Limit::AtMost(1.0))
        .ratio(REQUESTS, Smol, Limit::AtLeast(1.0))
        .ratio(REQUESTS, Epoll, Limit::AtLeast(0.97));
    rivals::available()
        .iter()
        .fold(row, |row, rival| row.ratio(REQUESTS, *rival, Limit::AtLeast(1.0)))
}

/// A server under load. Warm: at first it meets page faults and waits, and guards against more.
pub fn loaded(
    server: Running,
    settings: &Settings,
    protocol: Protocol,
    connections: usize,
) -> Result<Subject> {
    let window = settings.pick(Duration::from_millis(125), Duration::from_millis(50));
    let warm = settings.pick(Duration::from_millis(500), window / 4);
    let threads = settings.cores;
    let address = ([127, 0, 0, 1], server.ready().parse()?).into();
    let load = Load { protocol, connections, threads, warm: window / 4, window };
    client::run(Load { warm, ..load }, address, server.id())?;
    Ok(Box::new(move || sample(&server, &client::run(load, address, server.id())?)))
}

/// The figures of a window.
fn sample(server: &Running, seen: &Seen) -> Result<Sample> {
    Ok(Sample::default()
        .with(REQUESTS, seen.per_second)
        .with(P50, us(&seen.latency, 0.5))
        .with(P99, us(&seen.latency, 0.99))
        .with(CPU, seen.cpu_us_per_request)
        .beside("threads", procfs::threads(server.id())? as f64)
        .beside("switches/op", seen.switches_per_request))
}

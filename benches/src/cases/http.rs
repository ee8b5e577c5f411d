//! HTTP/1.1 by hyper, under `wrk` where it is installed, otherwise under the client of the echo.

use std::time::Duration;

use super::echo::{P99, REQUESTS, load, sample};
use crate::{
    Result,
    case::{Case, Limit, Row, Sample, Settings},
    child::served::{Running, Service},
    contender::Contender::{self, *},
    load::{protocol::Protocol, wrk},
    measure::procfs,
};

pub struct Http;

impl Case for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    fn about(&self) -> &'static str {
        "HTTP/1.1 by hyper, 50 connections, under wrk where it is installed"
    }

    fn rows(&self, _: &Settings) -> Vec<Row> {
        const CONNECTIONS: usize = 50;
        let own = Row::new("own client", &[REQUESTS, P99], |contender, settings| {
            let server = Running::start(contender, *settings, Service::Http)?;
            sample(&server, &load(&server, settings, Protocol::Http, CONNECTIONS)?)
        });
        let mut rows = vec![own];
        if wrk::is_installed() {
            rows.push(Row::new("wrk", &[REQUESTS, P99], |contender, settings| {
                under_wrk(contender, settings, CONNECTIONS)
            }));
        }
        let promised = |row: Row| {
            row.here()
                .contenders(Contender::WITH_CALLS)
                .ratio(REQUESTS, Tokio, Limit::AtLeast(1.0))
                .ratio(REQUESTS, Smol, Limit::AtLeast(1.0))
        };
        rows.into_iter().map(promised).collect()
    }
}

fn under_wrk(contender: Contender, settings: &Settings, connections: usize) -> Result<Sample> {
    let server = Running::start(contender, *settings, Service::Http)?;
    let address = ([127, 0, 0, 1], server.ready().parse()?).into();
    let seen = wrk::run(address, settings.cores, connections, Duration::from_secs(1))?;
    let threads = procfs::threads(server.id())? as f64;
    Ok(Sample::default()
        .with(REQUESTS, seen.per_second)
        .with(P99, seen.p99)
        .beside("threads", threads))
}

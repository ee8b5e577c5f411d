//! HTTP/1.1 by hyper, under `wrk` where it is installed, otherwise under the client of the echo.

use std::time::Duration;

use super::echo::{P99, REQUESTS, loaded};
use crate::{
    Result,
    case::{Case, Limit, Row, Sample, Settings, Subject},
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
        let own = Row::in_turns("own client", &[REQUESTS, P99], |contender, settings| {
            let server = Running::start(contender, *settings, Service::Http)?;
            loaded(server, settings, Protocol::Http, CONNECTIONS)
        });
        let mut rows = vec![own];
        if wrk::is_installed() {
            rows.push(Row::in_turns("wrk", &[REQUESTS, P99], |contender, settings| {
                under_wrk(contender, settings, CONNECTIONS)
            }));
        }
        let promised =
            |row: Row| {
                row.contenders(Contender::WITH_CALLS)
                    .ratio(REQUESTS, Tokio, Limit::AtLeast(1.0))
                    .ratio(REQUESTS, Smol, Limit::AtLeast(1.0))
            };
        rows.into_iter().map(promised).collect()
    }
}

fn under_wrk(contender: Contender, settings: &Settings, connections: usize) -> Result<Subject> {
    let server = Running::start(contender, *settings, Service::Http)?;
    let address = ([127, 0, 0, 1], server.ready().parse()?).into();
    let threads = settings.cores;
    Ok(Box::new(move || {
        let seen = wrk::run(address, threads, connections, Duration::from_secs(1))?;
        Ok(Sample::default()
            .with(REQUESTS, seen.per_second)
            .with(P99, seen.p99)
            .beside("threads", procfs::threads(server.id())? as f64))
    }))
}

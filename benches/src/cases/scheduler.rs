//! tokio's own benchmarks: what scheduling costs when nothing blocks.

use crate::{
    case::{Case, Limit, PER_SECOND, Row, Settings},
    contender::Contender,
    micro::{
        Micro,
        remote::RemoteSpawn,
        scheduler::{
            ChainedSpawn, PingPong, SpawnJoin, SpawnManyLocal, SpawnManyRemote, YieldMany,
        },
        short::SpawnBlocking,
    },
};

pub struct Scheduler;

impl Case for Scheduler {
    fn name(&self) -> &'static str {
        "scheduler"
    }

    fn about(&self) -> &'static str {
        "tokio's own benchmarks: spawns, yields, ping-pong, spawn_blocking no-ops"
    }

    fn rows(&self, _: &Settings) -> Vec<Row> {
        let mut rows = vec![
            SpawnManyLocal.row(),
            SpawnManyRemote::Idle.row(),
            SpawnManyRemote::BusyYielding.row(),
            SpawnManyRemote::BusySpawning.row(),
            YieldMany.row(),
            PingPong.row(),
            ChainedSpawn.row(),
            SpawnJoin(100).row(),
            SpawnJoin(1).row(),
        ];
        rows.extend([1, 4, 16, 64].map(|threads| RemoteSpawn(threads).row()));
        let mut rows: Vec<_> = rows.into_iter().map(promised).collect();
        rows.push(SpawnBlocking { at_once: 1000, small: false }.row().ratio(
            PER_SECOND,
            Contender::Tokio,
            Limit::AtLeast(2.0),
        ));
        rows
    }
}

/// What the project promises for each of tokio's own benchmarks.
pub fn promised(row: Row) -> Row {
    row.ratio(PER_SECOND, Contender::Tokio, Limit::AtLeast(1.0))
        .ratio(PER_SECOND, Contender::Smol, Limit::AtLeast(1.2))
        .ratio(PER_SECOND, Contender::CmwqOff, Limit::AtLeast(0.95))
}

//! Blocks that are so short that a takeover costs more than they do: what does it cost there?

use crate::{
    case::{Case, Limit, PER_SECOND, Row, Settings},
    contender::Contender,
    micro::{
        Micro,
        short::{MutexSections, SpawnBlocking},
    },
};

pub struct Short;

impl Case for Short {
    fn name(&self) -> &'static str {
        "short"
    }

    fn about(&self) -> &'static str {
        "short blocks: spawn_blocking of something small, std Mutex sections inside tasks"
    }

    fn rows(&self, _: &Settings) -> Vec<Row> {
        vec![
            SpawnBlocking { at_once: 1, small: true }.row(),
            SpawnBlocking { at_once: 100, small: true }.row().ratio(
                PER_SECOND,
                Contender::Tokio,
                Limit::AtLeast(2.0),
            ),
            MutexSections::Uncontended.row().ratio(
                PER_SECOND,
                Contender::Tokio,
                Limit::AtLeast(1.0),
            ),
            MutexSections::Contended.row().ratio(PER_SECOND, Contender::Tokio, Limit::AtLeast(1.0)),
        ]
    }
}

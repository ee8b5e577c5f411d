//! `tokio::sync` on every runtime.

use super::scheduler::promised;
use crate::{
    case::{Case, Row, Settings},
    contender::Contender,
    micro::{
        Micro,
        channels::{Broadcast, Mpsc, Pairs, RequestReply},
    },
};

pub struct Channels;

impl Case for Channels {
    fn name(&self) -> &'static str {
        "channels"
    }

    fn about(&self) -> &'static str {
        "tokio::sync on every runtime: mpsc, oneshot request and reply, broadcast; beside a bare executor"
    }

    fn rows(&self, _: &Settings) -> Vec<Row> {
        // What the channels cost by themselves, on all cores.
        let contenders = [&Contender::STANDARD[..], &[Contender::Bare]].concat();
        [
            Mpsc { senders: 1, capacity: 1000 }.row(),
            Mpsc { senders: 5, capacity: 1000 }.row(),
            Mpsc { senders: 64, capacity: 16 }.row(),
            RequestReply(1).row(),
            RequestReply(64).row(),
            Broadcast(6).row(),
            Pairs(1).row(),
            Pairs(100).row(),
        ]
        .map(|row| promised(row.contenders(contenders.clone())))
        .into()
    }
}

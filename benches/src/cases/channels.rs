//! `tokio::sync` on every runtime.

use super::scheduler::promised;
use crate::{
    case::{Case, Row, Settings},
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
        "tokio::sync on every runtime: mpsc, oneshot request and reply, broadcast"
    }

    fn rows(&self, _: &Settings) -> Vec<Row> {
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
        .map(promised)
        .into()
    }
}

//! `tokio::sync` on every runtime: the channels are the same, the waking differs.

use tokio::sync::{broadcast, mpsc, oneshot};

use super::{Micro, expect, inside};
use crate::{Result, runtimes::Runtime};

/// So many senders, one receiver.
#[derive(Clone, Copy)]
pub struct Mpsc {
    pub senders: u64,
    pub capacity: usize,
}

impl Micro for Mpsc {
    fn name(&self) -> String {
        format!("mpsc, {} senders, capacity {}", self.senders, self.capacity)
    }

    fn batches<R: Runtime>(&self, runtime: &R, _: usize) -> impl FnMut() -> Result<u64> {
        const MESSAGES: u64 = 10_000;
        let Mpsc { senders, capacity } = *self;
        move || {
            let each = MESSAGES / senders;
            let sum = inside(runtime, async move {
                let (to, mut from) = mpsc::channel(capacity);
                for _ in 0..senders {
                    let to = to.clone();
                    R::detach(async move {
                        for message in 1..=each {
                            if to.send(message).await.is_err() {
                                return;
                            }
                        }
                    });
                }
                drop(to);
                let mut sum = 0;
                while let Some(message) = from.recv().await {
                    sum += message;
                }
                sum
            });
            expect("is the sum of what arrived", sum, senders * each * (each + 1) / 2)?;
            Ok(senders * each)
        }
    }
}

/// So many clients send a request with a oneshot for the reply to one server task, and wait.
#[derive(Clone, Copy)]
pub struct RequestReply(pub u64);

impl Micro for RequestReply {
    fn name(&self) -> String {
        format!("oneshot request and reply, {} clients", self.0)
    }

    fn batches<R: Runtime>(&self, runtime: &R, _: usize) -> impl FnMut() -> Result<u64> {
        const REQUESTS: u64 = 6_400;
        let clients = self.0;
        move || {
            let replies = inside(runtime, async move {
                let (to, mut requests) = mpsc::channel::<(u64, oneshot::Sender<u64>)>(100);
                R::detach(async move {
                    while let Some((request, reply)) = requests.recv().await {
                        // The client waits for it.
                        let _ = reply.send(request + 1);
                    }
                });
                let clients: Vec<_> = (0..clients)
                    .map(|_| {
                        let to = to.clone();
                        R::spawn(async move {
                            let mut right = 0;
                            for request in 0..REQUESTS / clients {
                                let (reply_to, reply) = oneshot::channel();
                                if to.send((request, reply_to)).await.is_err() {
                                    break;
                                }
                                right += u64::from(reply.await == Ok(request + 1));
                            }
                            right
                        })
                    })
                    .collect();
                let mut replies = 0;
                for client in clients {
                    replies += client.await;
                }
                replies
            });
            expect("replies", replies, REQUESTS)
        }
    }
}

/// One sender, so many receivers that see every message.
#[derive(Clone, Copy)]
pub struct Broadcast(pub u64);

impl Micro for Broadcast {
    fn name(&self) -> String {
        format!("broadcast, {} receivers", self.0)
    }

    fn batches<R: Runtime>(&self, runtime: &R, _: usize) -> impl FnMut() -> Result<u64> {
        const MESSAGES: u64 = 1000;
        let receivers = self.0;
        move || {
            let received = inside(runtime, async move {
                // Room for all: a lagging receiver would lose messages.
                let (to, _) = broadcast::channel(MESSAGES as usize);
                let receivers: Vec<_> = (0..receivers)
                    .map(|_| {
                        let mut from = to.subscribe();
                        R::spawn(async move {
                            let mut received = 0;
                            while from.recv().await.is_ok() {
                                received += 1;
                            }
                            received
                        })
                    })
                    .collect();
                for message in 0..MESSAGES {
                    // All receivers are there.
                    let _ = to.send(message);
                    if message % 16 == 0 {
                        R::yield_now().await;
                    }
                }
                drop(to);
                let mut received = 0;
                for receiver in receivers {
                    received += receiver.await;
                }
                received
            });
            expect("messages", received, MESSAGES * receivers)
        }
    }
}

/// So many pairs of tasks throw a ball back and forth.
#[derive(Clone, Copy)]
pub struct Pairs(pub u64);

impl Micro for Pairs {
    fn name(&self) -> String {
        format!("ping-pong over mpsc, {} pairs", self.0)
    }

    fn batches<R: Runtime>(&self, runtime: &R, _: usize) -> impl FnMut() -> Result<u64> {
        const BALLS: u64 = 10_000;
        let pairs = self.0;
        move || {
            let back = inside(runtime, async move {
                let pairs: Vec<_> =
                    (0..pairs).map(|_| R::spawn(pair::<R>(BALLS / pairs))).collect();
                let mut back = 0;
                for pair in pairs {
                    back += pair.await;
                }
                back
            });
            expect("balls came back", back, BALLS)
        }
    }
}

async fn pair<R: Runtime>(balls: u64) -> u64 {
    let (to, mut from) = mpsc::channel(1);
    let (back_to, mut back_from) = mpsc::channel(1);
    R::detach(async move {
        while let Some(ball) = from.recv().await {
            if back_to.send(ball).await.is_err() {
                return;
            }
        }
    });
    let mut back = 0;
    for ball in 0..balls {
        if to.send(ball).await.is_err() {
            break;
        }
        back += u64::from(back_from.recv().await == Some(ball));
    }
    back
}

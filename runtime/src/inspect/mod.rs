//! Looking at a runtime while it runs: what its workers do, which pools stand still.
//!
//! # Parts
//!
//! - [`WorkerLook`]: one look at a worker, for people: position, task, system call, since when.
//! - [`RescuerLook`]: the same of a rescuer.
//! - [`Watchdog`]: a pool that has work and has started none for `watchdog` (30 s) is reported, once.
//!   The monitor notices ([`Rounds`]), a thread of its own tells.
//!
//! # What is progress
//!
//! A pool makes progress when a worker of it begins or ends a poll. Both change the epoch of the core's
//! holder, or the holder. So the monitor compares what it reads anyway, and a poll pays nothing.
//! A shrinking queue is progress too: other cores steal from it. An empty queue is never a stall,
//! however long its last task takes. The time counts from the first look that found work waiting,
//! hence a report is never early, and late by an eighth of the period at most.
//!
//! # Who tells
//!
//! Not the monitor: a subscriber is user code, and may wait for a lock that a stalled task holds. Not a
//! worker: that they all are stuck is what is to be told. Not a thread that is made then: having no
//! threads is the most likely cause of a stall. So there is one thread that is made with the runtime
//! and sleeps, without a period, until the monitor rings.
//!
//! # Since when
//!
//! Nobody reads a clock at the start of a poll. When a detector sees a block, a worker hands its
//! core over, or the monitor finds the same epoch again, the time is noted in the worker beside the
//! epoch that it is about ([`Observed`]). It is a lower bound.
//!
//! # Locks
//!
//! A look takes none but those of the registries of workqueues and of rescuers and of the name of a
//! worker's task, whose holders do not run user code. All else is read from atomics and `/proc`, so
//! that it works beside any blocked task. What it shows of two workers may be of two moments.

mod names;
mod observed;
mod rescuer;
mod rounds;
mod tracker;
mod watchdog;
mod worker;

pub(crate) use names::QueueNames;
pub(crate) use observed::Observed;
pub(crate) use rescuer::RescuerLook;
pub(crate) use rounds::Rounds;
pub(crate) use watchdog::{Watchdog, spawn as spawn_watchdog};
pub(crate) use worker::WorkerLook;

//! What a runtime weighs: idle, per worker that a block brought, per task.

use std::{thread, time::Duration};

use crate::{
    Result,
    case::{Case, Figure, Limit, Row, Sample, Settings},
    child::served::{Running, Service},
    contender::Contender::{self, *},
    measure::procfs,
};

const IDLE: Figure = Figure::less("anonymous KiB above the empty program");
const PER_WORKER: Figure = Figure::less("KiB per extra worker");
const PER_TASK: Figure = Figure::less("bytes beyond the future");

/// Tasks that block at once; with cmwq each keeps a worker.
const BLOCKED: usize = 32;
/// For everything that a child still does after it said that it is ready.
const SETTLE: Duration = Duration::from_millis(300);

pub struct Memory;

impl Case for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn about(&self) -> &'static str {
        "anonymous memory of an idle runtime and of each extra worker, allocated bytes of a task"
    }

    fn rows(&self, _: &Settings) -> Vec<Row> {
        vec![
            Row::new("idle runtime", &[IDLE], idle).here().value(IDLE, Cmwq, Limit::AtMost(512.0)),
            Row::new("32 blocked tasks", &[PER_WORKER], worker)
                .here()
                .contenders([Cmwq, CmwqUnprivileged])
                .value(PER_WORKER, Cmwq, Limit::AtMost(32.0)),
            // Less is better: fewer than tokio.
            Row::new("a task", &[PER_TASK], task).here().ratio(PER_TASK, Tokio, Limit::AtMost(1.0)),
        ]
    }
}

fn idle(contender: Contender, settings: &Settings) -> Result<Sample> {
    let empty = settled(&Running::start(contender, *settings, Service::Empty)?)?;
    let child = Running::start(contender, *settings, Service::Idle)?;
    let idle = settled(&child)?;
    let threads = procfs::threads(child.id())? as f64;
    Ok(Sample::default().with(IDLE, idle - empty).beside("threads", threads))
}

fn worker(contender: Contender, settings: &Settings) -> Result<Sample> {
    let mut child = Running::start(contender, *settings, Service::Idle)?;
    let idle = settled(&child)?;
    let threads = procfs::threads(child.id())?;
    child.step(&format!("block {BLOCKED}"))?;
    let blocked = settled(&child)?;
    let extra = procfs::threads(child.id())?.saturating_sub(threads);
    child.step("resume")?;
    match extra {
        0 => Err("blocked tasks brought no worker".into()),
        _ => Ok(Sample::default().with(PER_WORKER, (blocked - idle) / extra as f64)),
    }
}

fn task(contender: Contender, settings: &Settings) -> Result<Sample> {
    let mut child = Running::start(contender, *settings, Service::Tasks)?;
    Ok(Sample::default().with(PER_TASK, child.step("")?.parse()?))
}

/// Anonymous KiB, once the child has come to rest.
fn settled(child: &Running) -> Result<f64> {
    thread::sleep(SETTLE);
    Ok(procfs::anonymous_kib(child.id())? as f64)
}

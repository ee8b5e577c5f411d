//! Does a runtime with nothing to do sleep?

use std::{thread, time::Duration};

use crate::{
    Result,
    case::{Case, Figure, Limit, Row, Sample, Settings},
    child::served::{Running, Service},
    contender::Contender::{self, *},
    measure::procfs,
};

const WAKEUPS: Figure = Figure::less("wakeups/s");

pub struct Idle;

impl Case for Idle {
    fn name(&self) -> &'static str {
        "idle"
    }

    fn about(&self) -> &'static str {
        "wakeups per second of a runtime with nothing to do (context switches of all its threads)"
    }

    fn rows(&self, _: &Settings) -> Vec<Row> {
        let mut row = Row::new("idle", &[WAKEUPS], measure).here().contenders([
            Tokio,
            Cmwq,
            CmwqUnprivileged,
            CmwqIdle,
            CmwqPerf,
            CmwqMonitor,
            Smol,
        ]);
        for ours in [Cmwq, CmwqUnprivileged, CmwqIdle, CmwqPerf, CmwqMonitor] {
            row = row.value(WAKEUPS, ours, Limit::AtMost(0.0));
        }
        vec![row]
    }
}

fn measure(contender: Contender, settings: &Settings) -> Result<Sample> {
    // From the last task to the time from which nothing may happen any more.
    let settle = Duration::from_secs(1);
    let watched = settings.pick(Duration::from_secs(2), Duration::from_millis(500));
    let child = Running::start(contender, *settings, Service::Idle)?;
    thread::sleep(settle);
    let before = procfs::switches(child.id())?;
    thread::sleep(watched);
    let after = procfs::switches(child.id())?;
    let threads = procfs::threads(child.id())? as f64;
    let wakeups = (after - before) as f64 / watched.as_secs_f64();
    Ok(Sample::default().with(WAKEUPS, wakeups).beside("threads", threads))
}

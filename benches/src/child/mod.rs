//! Child processes of this program: each run of a contender has one of its own, so that nothing is
//! left over from the last, its threads and context switches can be counted, and what the contender
//! may not do can be taken from it for good.
//!
//! A child is this program with a [`Job`] in the environment. [`measured`] does one run of a row and
//! answers with its [`Sample`](crate::case::Sample); [`served`] stays and does steps on request.
//! [`restrict`] makes a process unprivileged.

pub mod measured;
pub mod restrict;
pub mod served;

use serde::{Deserialize, Serialize};

use crate::{Result, case::Settings, contender::Contender, measure::counters};

/// After which a run has failed.
const SECONDS: u32 = 90;

const VARIABLE: &str = "CMWQ_BENCHES_CHILD";

/// What a child is for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    pub contender: Contender,
    pub settings: Settings,
    pub role: Role,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Role {
    /// One run of a row.
    Measure { case: String, row: String },
    /// Operations for an instruction count.
    Instructions { work: String, operations: u64 },
    /// Does steps.
    Serve(served::Service),
}

/// The job of this process, if it is a child.
pub fn job() -> Option<Result<Job>> {
    let text = std::env::var(VARIABLE).ok()?;
    Some(serde_json::from_str(&text).map_err(|error| {
        format!("{VARIABLE}=`{text}` is for this program's own children ({error}): unset it").into()
    }))
}

/// A child's whole life.
pub fn run(job: Job) -> Result<()> {
    if !matches!(job.role, Role::Serve(_)) {
        // SAFETY: alarm only sets a timer of this process; its signal ends the process.
        unsafe { libc::alarm(SECONDS) };
    }
    counters::open_cache_misses();
    if job.contender.is_unprivileged() {
        restrict::become_unprivileged()?;
    }
    match &job.role {
        Role::Measure { case, row } => measured::run(&job, case, row),
        Role::Instructions { work, operations } => {
            crate::instructions::run(job.contender, work, *operations)
        }
        Role::Serve(service) => served::run(&job, *service),
    }
}

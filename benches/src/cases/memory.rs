//! What a runtime weighs: idle, per worker that a block brought, per task.

use std::{thread, time::Duration};

use crate::{
    Result,
    case::{Case, Options},
    child::{Role, Running},
    process,
    stats::Runs,
    subject::Subject,
    table::{self, Limit, held},
};

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

    fn run(&self, options: &Options) -> Result<()> {
        let subjects = Subject::available(&Subject::ALL);
        let mut results: Vec<_> = subjects.iter().map(|_| Results::default()).collect();
        for _ in 0..options.runs {
            let empty = settled(&Running::start(Role::Empty)?)?;
            for (subject, results) in subjects.iter().zip(&mut results) {
                measure(*subject, options.cores, empty, results)?;
            }
        }

        println!(
            "{} cores, {} runs: median (smallest..largest); KiB above an empty program",
            options.cores, options.runs
        );
        table::print(
            [
                "",
                "idle, KiB",
                "threads",
                "per extra worker, KiB",
                "per task, bytes beyond its future",
            ],
            subjects.iter().zip(&results).map(|(subject, results)| {
                let Results { idle, threads, worker, task } = results;
                let limit = |bound| match subject {
                    Subject::Tokio => Limit::None,
                    Subject::Cmwq(_) => Limit::AtMost(bound),
                };
                [
                    subject.to_string(),
                    held(idle.show(0), idle.median(), limit(512.0)),
                    threads.show(0),
                    held(worker.show(1), worker.median(), limit(32.0)),
                    held(task.show(0), task.median(), limit(200.0)),
                ]
            }),
        );
        Ok(())
    }
}

#[derive(Default)]
struct Results {
    idle: Runs,
    threads: Runs,
    worker: Runs,
    task: Runs,
}

fn measure(subject: Subject, cores: usize, empty: f64, results: &mut Results) -> Result<()> {
    let mut child = Running::start(Role::Idle(subject, cores))?;
    let idle = settled(&child)?;
    let threads = process::threads(child.id())?;
    results.idle.push(idle - empty);
    results.threads.push(threads as f64);

    // tokio has no workers to bring.
    if subject != Subject::Tokio {
        child.step(&format!("block {BLOCKED}"))?;
        let blocked = settled(&child)?;
        let extra = process::threads(child.id())?.saturating_sub(threads);
        results.worker.push((blocked - idle) / extra.max(1) as f64);
        child.step("resume")?;
    }

    let mut child = Running::start(Role::Tasks(subject, cores))?;
    // The first time fills what the runtime keeps.
    child.step("")?;
    results.task.push(child.step("")?.parse()?);
    Ok(())
}

/// Anonymous KiB, once the child has come to rest.
fn settled(child: &Running) -> Result<f64> {
    thread::sleep(SETTLE);
    Ok(process::anonymous_kib(child.id())? as f64)
}

//! Does a runtime with nothing to do sleep?

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

/// From the last task to the time from which nothing may happen any more.
const SETTLE: Duration = Duration::from_secs(1);
const WATCHED: Duration = Duration::from_secs(2);

pub struct Idle;

impl Case for Idle {
    fn name(&self) -> &'static str {
        "idle"
    }

    fn about(&self) -> &'static str {
        "wakeups per second of a runtime with nothing to do (context switches of all its threads)"
    }

    fn run(&self, options: &Options) -> Result<()> {
        let subjects = Subject::available(&Subject::ALL);
        let mut results: Vec<_> = subjects.iter().map(|_| Runs::default()).collect();
        for _ in 0..options.runs {
            for (subject, results) in subjects.iter().zip(&mut results) {
                let child = Running::start(Role::Idle(*subject, options.cores))?;
                thread::sleep(SETTLE);
                let before = process::switches(child.id())?;
                thread::sleep(WATCHED);
                let after = process::switches(child.id())?;
                results.push((after - before) as f64 / WATCHED.as_secs_f64());
            }
        }

        println!("{} cores, {} runs: median (smallest..largest)", options.cores, options.runs);
        table::print(
            ["", "wakeups per second"],
            subjects.iter().zip(&results).map(|(subject, runs)| {
                let limit = match subject {
                    Subject::Tokio => Limit::None,
                    Subject::Cmwq(_) => Limit::AtMost(0.0),
                };
                [subject.to_string(), held(runs.show(1), runs.median(), limit)]
            }),
        );
        Ok(())
    }
}

//! One run of a row in a process of its own.

use std::{
    os::unix::process::ExitStatusExt,
    process::{Command, Stdio},
};

use super::{Job, Role, SECONDS, VARIABLE};
use crate::{
    Result,
    case::{Measure, Row, Sample, Settings},
    cases,
    contender::Contender,
    runtimes::Runtime,
};

/// The child's side: prints the sample, or what is wrong with the run.
pub fn run(job: &Job, case: &str, row: &str) -> Result<()> {
    let row = find(case, row, &job.settings)?;
    let Measure::Child(run) = row.measure else {
        return Err(format!("`{}` is not measured in a child", row.name).into());
    };
    let answer = run(job.contender, &job.settings).map_err(|error| error.to_string());
    println!("{}", serde_json::to_string(&answer)?);
    // Tasks may be blocked: end without waiting for them.
    std::process::exit(0)
}

fn find(case: &str, row: &str, settings: &Settings) -> Result<Row> {
    let found = cases::ALL.iter().find(|it| it.name() == case);
    let case = found.ok_or_else(|| format!("there is no case `{case}`"))?;
    let mut rows = case.rows(settings);
    let place = rows.iter().position(|it| it.name == row);
    Ok(rows.swap_remove(place.ok_or_else(|| format!("there is no row `{row}`"))?))
}

/// The parent's side.
pub fn start(contender: Contender, settings: Settings, case: &str, row: &str) -> Result<Sample> {
    let role = Role::Measure { case: case.to_owned(), row: row.to_owned() };
    let output = command(&Job { contender, settings, role })?.output()?;
    if output.status.signal() == Some(libc::SIGALRM) {
        return Err(format!("the run did not end within {SECONDS} s").into());
    }
    let answer = String::from_utf8_lossy(&output.stdout);
    let answer: Result<Sample, String> = serde_json::from_str(answer.trim())
        .map_err(|_| format!("the run ended with {}", output.status))?;
    Ok(answer?)
}

/// This program as a child.
pub fn command(job: &Job) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .env(VARIABLE, serde_json::to_string(job)?)
        .env(crate::runtimes::SMOL_THREADS, job.settings.cores.to_string())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    Ok(command)
}

/// Ends the runtime; what it can tell about its detector goes into the sample.
pub fn finish<R: Runtime>(runtime: R, mut sample: Sample) -> Sample {
    if let Some((detector, takeovers)) = runtime.detector() {
        sample.detector = Some(detector.to_owned());
        sample = sample.beside("takeovers", takeovers as f64);
    }
    runtime.stop();
    sample
}

//! `results.json`: every sample of every run, with the verdicts.

use serde_json::{Value, json};

use super::Report;
use crate::runner::{CaseResults, Measured, Outcome};

pub fn of(report: &Report) -> Value {
    json!({
        "machine": machine(),
        "cores": report.cores,
        "runs": report.runs,
        "quick": report.quick,
        "cases": report.cases.iter().map(case).collect::<Vec<_>>(),
        "promised": report.verdicts.iter().map(|verdict| json!({
            "case": verdict.case,
            "row": verdict.row,
            "what": verdict.to_string(),
            "is": verdict.value,
            "met": verdict.met(),
        })).collect::<Vec<_>>(),
    })
}

fn case(results: &CaseResults) -> Value {
    json!({
        "name": results.case.name(),
        "about": results.case.about(),
        "rows": results.rows.iter().map(row).collect::<Vec<_>>(),
    })
}

fn row(measured: &Measured) -> Value {
    json!({
        "name": measured.row.name,
        "contenders": measured.outcomes.iter().map(outcome).collect::<Vec<_>>(),
    })
}

fn outcome(outcome: &Outcome) -> Value {
    json!({
        "name": outcome.contender.name(),
        "failure": outcome.failure,
        "runs": outcome.samples.iter().map(|sample| json!({
            "figures": numbers(&sample.figures),
            "beside": numbers(&sample.beside),
            "detector": sample.detector,
        })).collect::<Vec<_>>(),
    })
}

fn numbers(named: &[(String, f64)]) -> Value {
    Value::Object(named.iter().map(|(name, value)| (name.clone(), json!(value))).collect())
}

/// Processor, kernel and time, as far as /proc tells.
fn machine() -> Value {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    json!({
        "processor": model.map(|(_, name)| name),
        "cpus": std::thread::available_parallelism().map_or(0, Into::into),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "unix_time": since.as_secs(),
    })
}

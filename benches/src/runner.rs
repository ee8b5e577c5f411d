//! The order of the runs: for each row, one run of each contender, then the next run of each. A run in
//! turns is one of all contenders: each is measured for a window, and again the other way round, and so
//! on; its figures are the medians of these windows.

use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    Result,
    case::{Case, Measure, Row, Sample, Settings, Start, Subject},
    child::measured,
    cli::Options,
    contender::Contender,
};

/// What came of a contender's runs of a row.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub contender: Contender,
    /// In the order of the runs.
    pub samples: Vec<Sample>,
    /// Why there is no figure: the first run whose check failed, or that could not be made.
    pub failure: Option<String>,
}

/// A row and its outcomes.
pub struct Measured {
    pub row: Row,
    pub outcomes: Vec<Outcome>,
}

/// A case and its rows.
pub struct CaseResults {
    pub case: &'static dyn Case,
    pub rows: Vec<Measured>,
}

/// Everything that was asked for.
pub fn run(options: &Options) -> Result<Vec<CaseResults>> {
    let mut planned: Vec<_> =
        options.cases.iter().map(|case| (*case, case.rows(&options.settings))).collect();
    let mut runs = 0;
    for (_, rows) in &mut planned {
        rows.retain(|row| row.name.contains(&options.rows));
    }
    for row in planned.iter_mut().flat_map(|(_, rows)| rows) {
        row.contenders.retain(|it| options.runtimes.contains(&it.runtime()));
        runs += row.contenders.len() * options.runs;
    }
    let style = "{elapsed_precise} [{bar:30}] {pos}/{len} {wide_msg}";
    let progress = ProgressBar::new(runs as u64);
    progress.set_style(ProgressStyle::with_template(style)?.progress_chars("=> "));

    let results = planned.into_iter().map(|(case, rows)| {
        let rows = rows.into_iter().map(|row| measure(case, row, options, &progress));
        CaseResults { case, rows: rows.collect() }
    });
    let results = results.collect();
    progress.finish_and_clear();
    Ok(results)
}

fn measure(
    case: &'static dyn Case,
    row: Row,
    options: &Options,
    progress: &ProgressBar,
) -> Measured {
    let mut outcomes: Vec<_> = row
        .contenders
        .iter()
        .map(|&contender| Outcome { contender, samples: Vec::new(), failure: None })
        .collect();
    let settings = &options.settings;
    for _ in 0..options.runs {
        let at = |contender| {
            progress.set_message(format!("{}: {}: {contender}", case.name(), row.name));
        };
        match &row.measure {
            Measure::Child(_) => one_by_one(&mut outcomes, |contender| {
                at(contender);
                measured::start(contender, *settings, case.name(), &row.name)
            }),
            Measure::Here(run) => one_by_one(&mut outcomes, |contender| {
                at(contender);
                run(contender, settings)
            }),
            Measure::InTurns(start) => in_turns(&mut outcomes, start, settings, at),
        }
        progress.inc(outcomes.len() as u64);
    }
    Measured { row, outcomes }
}

impl Outcome {
    /// Makes a step of a run; not after one that has failed.
    fn attempt<T>(&mut self, step: impl FnOnce(Contender) -> Result<T>) -> Option<T> {
        if self.failure.is_some() {
            return None;
        }
        step(self.contender).map_err(|error| self.failure = Some(error.to_string())).ok()
    }
}

fn one_by_one(outcomes: &mut [Outcome], mut run: impl FnMut(Contender) -> Result<Sample>) {
    for outcome in outcomes {
        let sample = outcome.attempt(&mut run);
        outcome.samples.extend(sample);
    }
}

/// A contender that got ready.
struct Turn<'a> {
    outcome: &'a mut Outcome,
    subject: Subject,
    windows: Vec<Sample>,
}

fn in_turns(outcomes: &mut [Outcome], start: &Start, settings: &Settings, at: impl Fn(Contender)) {
    let mut turns = Vec::new();
    for outcome in outcomes {
        let subject = outcome.attempt(|contender| {
            at(contender);
            start(contender, settings)
        });
        turns.extend(subject.map(|subject| Turn { outcome, subject, windows: Vec::new() }));
    }
    for _ in 0..settings.pick(8, 2) {
        for Turn { outcome, subject, windows } in &mut turns {
            windows.extend(outcome.attempt(|contender| {
                at(contender);
                subject()
            }));
        }
        turns.reverse();
    }
    for Turn { outcome, windows, .. } in turns {
        if outcome.failure.is_none() {
            outcome.samples.push(Sample::median(&windows));
        }
    }
}

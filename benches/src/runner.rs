//! The order of the runs: for each row, one run of each contender, then the next run of each.

use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    Result,
    case::{Case, Place, Row, Sample, Settings},
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
    for _ in 0..options.runs {
        for outcome in &mut outcomes {
            progress.set_message(format!("{}: {}: {}", case.name(), row.name, outcome.contender));
            if outcome.failure.is_none() {
                match once(case, &row, outcome.contender, options.settings) {
                    Ok(sample) => outcome.samples.push(sample),
                    Err(error) => outcome.failure = Some(error.to_string()),
                }
            }
            progress.inc(1);
        }
    }
    Measured { row, outcomes }
}

fn once(case: &dyn Case, row: &Row, contender: Contender, settings: Settings) -> Result<Sample> {
    match row.place {
        Place::Here => (row.measure)(contender, &settings),
        Place::Child => measured::start(contender, settings, case.name(), &row.name),
    }
}

//! What the runs say: medians, ratios run by run, what was promised.
//!
//! [`Report`] computes it once; [`terminal`], [`json`] and [`charts`] show it.

pub mod charts;
pub mod json;
pub mod table;
pub mod terminal;
pub mod verdicts;

use std::{fs, path::Path};

use self::verdicts::Verdict;
use crate::{
    Result,
    case::Figure,
    cli::Options,
    contender::Contender,
    measure::stats::Runs,
    runner::{CaseResults, Measured},
};

/// Everything that is shown.
pub struct Report {
    pub cases: Vec<CaseResults>,
    pub verdicts: Vec<Verdict>,
    pub cores: usize,
    pub runs: usize,
    pub quick: bool,
}

impl Report {
    pub fn new(options: &Options, cases: Vec<CaseResults>) -> Report {
        let verdicts = verdicts::all(&cases);
        let Options { settings, runs, .. } = options;
        Report { cases, verdicts, cores: settings.cores, runs: *runs, quick: settings.quick }
    }

    /// `results.json`, `results.md` and a chart for each case.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let write = || -> Result<()> {
            fs::create_dir_all(folder)?;
            let results = serde_json::to_string_pretty(&json::of(self))?;
            fs::write(folder.join("results.json"), results)?;
            fs::write(folder.join("results.md"), terminal::markdown(self))?;
            for case in &self.cases {
                charts::write(&folder.join(format!("{}.svg", case.case.name())), case)?;
            }
            Ok(())
        };
        write().map_err(|error| format!("cannot write to {} ({error})", folder.display()))?;
        println!("results.json, results.md and the charts are in {}", folder.display());
        Ok(())
    }
}

impl Measured {
    /// The values of a figure, run by run; empty where there are none.
    pub fn runs(&self, contender: Contender, figure: Figure) -> Runs {
        let outcome = self.outcomes.iter().find(|it| it.contender == contender);
        let samples = outcome.filter(|it| it.failure.is_none()).map(|it| it.samples.as_slice());
        let value = |sample: &crate::case::Sample| {
            sample.figures.iter().find(|(name, _)| name == figure.name).map(|(_, value)| *value)
        };
        samples.unwrap_or_default().iter().filter_map(value).collect()
    }

    /// Ratios run by run.
    pub fn ratio(&self, ours: Contender, theirs: Contender, figure: Figure) -> Runs {
        self.runs(ours, figure).ratio(&self.runs(theirs, figure))
    }
}

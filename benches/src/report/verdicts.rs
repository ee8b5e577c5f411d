//! Promised, and met or missed.

use std::fmt;

use crate::{
    case::{Limit, Target},
    runner::CaseResults,
};

/// A target and what came of it.
#[derive(Clone, Debug)]
pub struct Verdict {
    pub case: &'static str,
    pub row: String,
    pub target: Target,
    /// The median of the ratio, or of the value.
    pub value: f64,
}

impl Verdict {
    pub fn met(&self) -> bool {
        self.target.limit.met(self.value)
    }

    /// Of a ratio to one that is fast enough: within what two runs of the same program differ.
    pub fn is_noise(&self) -> bool {
        self.target.against.is_some() && !self.met() && self.target.limit.score(self.value) >= 0.97
    }

    /// 1 at the limit, less the farther it is missed.
    pub fn score(&self) -> f64 {
        self.target.limit.score(self.value)
    }
}

/// What was promised: `cmwq / tokio, requests/s >= 1`.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Target { figure, ours, against, limit } = &self.target;
        write!(f, "{ours}")?;
        if let Some(against) = against {
            write!(f, " / {against}")?;
        }
        match limit {
            Limit::AtLeast(bound) => write!(f, ", {} >= {bound:.3}", figure.name),
            Limit::AtMost(bound) => write!(f, ", {} <= {bound:.3}", figure.name),
        }
    }
}

/// Of every target of which both sides were measured.
pub fn all(cases: &[CaseResults]) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for case in cases {
        for measured in &case.rows {
            for target in &measured.row.targets {
                let runs = match target.against {
                    Some(theirs) => measured.ratio(target.ours, theirs, target.figure),
                    None => measured.runs(target.ours, target.figure),
                };
                if !runs.is_empty() {
                    verdicts.push(Verdict {
                        case: case.case.name(),
                        row: measured.row.name.clone(),
                        target: *target,
                        value: runs.median(),
                    });
                }
            }
        }
    }
    verdicts
}

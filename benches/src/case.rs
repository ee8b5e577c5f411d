//! What a case is: rows of the same work, the contenders that do it, the figures it gives and what
//! the project promises about them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Result, contender::Contender, measure::stats::Runs};

/// How long and on how many cores; the same in parent and child.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// Shorter runs.
    pub quick: bool,
    /// Worker threads; for cmwq cores.
    pub cores: usize,
}

impl Settings {
    /// The usual value, or the one of a quick run.
    pub fn pick<T>(&self, usual: T, quick: T) -> T {
        if self.quick { quick } else { usual }
    }

    /// How long a throughput is measured.
    pub fn window(&self) -> Duration {
        self.pick(Duration::from_millis(200), Duration::from_millis(50))
    }
}

/// A question, in one file of `cases`.
pub trait Case: Sync {
    /// As the command line names it.
    fn name(&self) -> &'static str;
    /// One line of help.
    fn about(&self) -> &'static str;
    /// Its rows. Parent and child both ask and find a row again by its name.
    fn rows(&self, settings: &Settings) -> Vec<Row>;
}

/// What a row does for one contender, once.
pub type Run = Box<dyn Fn(Contender, &Settings) -> Result<Sample>>;

/// Has a contender get ready to be measured.
pub type Start = Box<dyn Fn(Contender, &Settings) -> Result<Subject>>;

/// What got ready; each call measures it for a short time.
pub type Subject = Box<dyn FnMut() -> Result<Sample>>;

/// How a row is measured.
pub enum Measure {
    /// In a process of its own, restricted as the contender says.
    Child(Run),
    /// In this process, because it drives or watches another one that it starts itself.
    Here(Run),
    /// In this process, all contenders alive at once, by turns of short windows: for servers, which on
    /// some machines are twice as fast for seconds at a time.
    InTurns(Start),
}

/// One piece of work.
pub struct Row {
    pub name: String,
    pub contenders: Vec<Contender>,
    pub figures: &'static [Figure],
    pub targets: Vec<Target>,
    pub measure: Measure,
}

impl Row {
    /// In a child process, for [`Contender::STANDARD`], without targets.
    pub fn new(
        name: impl Into<String>,
        figures: &'static [Figure],
        run: impl Fn(Contender, &Settings) -> Result<Sample> + 'static,
    ) -> Row {
        Row::measured(name.into(), figures, Measure::Child(Box::new(run)))
    }

    /// The same, in turns.
    pub fn in_turns(
        name: impl Into<String>,
        figures: &'static [Figure],
        start: impl Fn(Contender, &Settings) -> Result<Subject> + 'static,
    ) -> Row {
        Row::measured(name.into(), figures, Measure::InTurns(Box::new(start)))
    }

    fn measured(name: String, figures: &'static [Figure], measure: Measure) -> Row {
        let contenders = Contender::STANDARD.to_vec();
        Row { name, contenders, figures, targets: Vec::new(), measure }
    }

    pub fn contenders(mut self, contenders: impl Into<Vec<Contender>>) -> Row {
        self.contenders = contenders.into();
        self
    }

    pub fn here(mut self) -> Row {
        if let Measure::Child(run) = self.measure {
            self.measure = Measure::Here(run);
        }
        self
    }

    /// The ratio of cmwq, as this user and unprivileged, to another contender; of the unprivileged one
    /// to that one unprivileged too, where the row has it.
    pub fn ratio(mut self, figure: Figure, against: Contender, limit: Limit) -> Row {
        let restricted = against.unprivileged().filter(|it| self.contenders.contains(it));
        for (ours, against) in [
            (Contender::Cmwq, against),
            (Contender::CmwqUnprivileged, restricted.unwrap_or(against)),
        ] {
            self.targets.push(Target { figure, ours, against: Some(against), limit });
        }
        self
    }

    /// The value itself.
    pub fn value(mut self, figure: Figure, ours: Contender, limit: Limit) -> Row {
        self.targets.push(Target { figure, ours, against: None, limit });
        self
    }
}

/// One number of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    pub name: &'static str,
    pub better: Better,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    More,
    Less,
}

impl Figure {
    pub const fn more(name: &'static str) -> Figure {
        Figure { name, better: Better::More }
    }

    pub const fn less(name: &'static str) -> Figure {
        Figure { name, better: Better::Less }
    }
}

/// The usual figure.
pub const PER_SECOND: Figure = Figure::more("operations/s");

/// What is promised.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub figure: Figure,
    pub ours: Contender,
    /// The other side of a ratio; without it the limit is for the value.
    pub against: Option<Contender>,
    pub limit: Limit,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    AtLeast(f64),
    AtMost(f64),
}

impl Limit {
    pub fn met(self, value: f64) -> bool {
        match self {
            Limit::AtLeast(bound) => value >= bound,
            Limit::AtMost(bound) => value <= bound,
        }
    }

    /// How far the value is on the wrong side: 1 is at the limit, 0.5 half as good as promised.
    pub fn score(self, value: f64) -> f64 {
        match self {
            Limit::AtLeast(bound) => value / bound,
            // Nothing at all, where nothing is allowed, is at the limit.
            Limit::AtMost(bound) if value == bound => 1.0,
            Limit::AtMost(bound) => bound / value,
        }
    }
}

/// The numbers of one run. A run whose check fails is an error and gives none.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Sample {
    /// By the names of the row's figures.
    pub figures: Vec<(String, f64)>,
    /// What is shown beside them: threads, context switches, cache misses, takeovers.
    pub beside: Vec<(String, f64)>,
    /// Which detector was in use.
    pub detector: Option<String>,
}

impl Sample {
    pub fn with(mut self, figure: Figure, value: f64) -> Sample {
        self.figures.push((figure.name.to_owned(), value));
        self
    }

    pub fn beside(mut self, name: &str, value: f64) -> Sample {
        self.beside.push((name.to_owned(), value));
        self
    }

    /// The median of each number. Nothing of nothing.
    pub fn median(samples: &[Sample]) -> Sample {
        let medians = |numbers: fn(&Sample) -> &[(String, f64)]| {
            let first = samples.first().map(numbers).unwrap_or_default();
            let median = |(name, _): &(String, f64)| {
                let values = samples.iter().flat_map(numbers).filter(|(is, _)| is == name);
                (name.clone(), values.map(|(_, value)| *value).collect::<Runs>().median())
            };
            first.iter().map(median).collect()
        };
        Sample {
            figures: medians(|sample| &sample.figures),
            beside: medians(|sample| &sample.beside),
            detector: samples.first().and_then(|sample| sample.detector.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_samples() {
        let sample = |a, b| Sample::default().with(PER_SECOND, a).beside("threads", b);
        let median = Sample::median(&[sample(3.0, 7.0), sample(1.0, 9.0), sample(2.0, 8.0)]);
        assert_eq!(median.figures, [(PER_SECOND.name.to_owned(), 2.0)]);
        assert_eq!(median.beside, [("threads".to_owned(), 8.0)]);
        assert!(Sample::median(&[]).figures.is_empty());
    }
}

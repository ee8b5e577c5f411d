//! Medians, ranges, ratios.

use hdrhistogram::Histogram;

/// The values of the runs of one thing, in the order of the runs.
#[derive(Clone, Debug, Default)]
pub struct Runs(Vec<f64>);

impl Runs {
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// NaN when there was no run.
    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        match sorted.len() {
            0 => f64::NAN,
            n if n % 2 == 1 => sorted[n / 2],
            n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
        }
    }

    pub fn min(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::min)
    }

    pub fn max(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::max)
    }

    /// Run by run, these over those.
    pub fn ratio(&self, to: &Runs) -> Runs {
        Runs(self.0.iter().zip(&to.0).map(|(a, b)| a / b).collect())
    }

    /// `median (min..max)`, with so many digits after the point.
    pub fn show(&self, digits: usize) -> String {
        if self.0.is_empty() {
            return "-".into();
        }
        let (median, min, max) = (self.median(), self.min(), self.max());
        format!("{median:.digits$} ({min:.digits$}..{max:.digits$})")
    }
}

/// A histogram of nanoseconds, three digits, up to a minute.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(60_000_000_000, 3).expect("constant bounds, in order")
}

/// A quantile in microseconds.
pub fn us(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(values: &[f64]) -> Runs {
        Runs(values.to_vec())
    }

    #[test]
    fn median_and_range() {
        assert_eq!(runs(&[3.0, 1.0, 2.0]).show(1), "2.0 (1.0..3.0)");
        assert_eq!(runs(&[4.0, 1.0, 2.0, 3.0]).median(), 2.5);
        assert!(runs(&[]).median().is_nan());
    }

    #[test]
    fn ratios_are_run_by_run() {
        let ratio = runs(&[2.0, 9.0]).ratio(&runs(&[1.0, 3.0]));
        assert_eq!((ratio.min(), ratio.max()), (2.0, 3.0));
    }
}

//! Medians, ranges, ratios.

use hdrhistogram::Histogram;

/// The values of the runs of one thing, in the order of the runs.
#[derive(Clone, Debug, Default)]
pub struct Runs(Vec<f64>);

impl Runs {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
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

    /// Half the way from the smallest to the largest, in percent of the median, if there is a range.
    pub fn half_range_percent(&self) -> Option<f64> {
        let percent = (self.max() - self.min()) / self.median() * 50.0;
        (self.0.len() > 1 && percent.is_finite()).then_some(percent)
    }
}

impl FromIterator<f64> for Runs {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Runs(values.into_iter().collect())
    }
}

/// None of nothing.
pub fn geometric_mean(values: &[f64]) -> Option<f64> {
    let sum: f64 = values.iter().map(|value| value.ln()).sum();
    (!values.is_empty()).then(|| (sum / values.len() as f64).exp())
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
        assert_eq!(runs(&[3.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(runs(&[3.0, 1.0, 2.0]).half_range_percent(), Some(50.0));
        assert_eq!(runs(&[4.0, 1.0, 2.0, 3.0]).median(), 2.5);
        assert!(runs(&[]).median().is_nan());
        assert_eq!(runs(&[1.0]).half_range_percent(), None);
    }

    #[test]
    fn geometric() {
        assert_eq!(geometric_mean(&[1.0, 4.0]), Some(2.0));
        assert_eq!(geometric_mean(&[]), None);
    }

    #[test]
    fn ratios_are_run_by_run() {
        let ratio = runs(&[2.0, 9.0]).ratio(&runs(&[1.0, 3.0]));
        assert_eq!((ratio.min(), ratio.max()), (2.0, 3.0));
    }
}

//! Predicted class probabilities of a data set, with intervals for accuracy and calibration.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use statrs::distribution::{ContinuousCDF, Normal};

use super::bootstrap::lower_quantile;
use super::calibration::most_probable;
use super::{Calibration, Interval, check_fraction};
use crate::counted::counted;
use crate::{Error, Result};

/// Predicted class probabilities and labels of samples, with one row per sample or one per frame.
///
/// # Example
///
/// ```
/// use burn_topology::statistics::Predictions;
///
/// let predictions = Predictions {
///     probabilities: vec![0.8, 0.2, 0.4, 0.6, 0.1, 0.9, 0.7, 0.3],
///     labels: vec![0, 0, 1, 1],
///     rows_per_sample: 2,
///     n_classes: 2,
/// };
/// assert_eq!(predictions.calibration()?.accuracy, 0.5);
/// assert_eq!(predictions.accuracies(), [0.5, 0.5]);
/// assert_eq!(predictions.most_probable(), [0, 1, 1, 0]);
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    /// Predicted probabilities, rows that sum to 1: `[n_samples * rows_per_sample, n_classes]`.
    pub probabilities: Vec<f64>,
    /// Labels of the rows: `[n_samples * rows_per_sample]`.
    pub labels: Vec<usize>,
    /// Number of rows per sample: 1, or the number of frames.
    pub rows_per_sample: usize,
    /// Number of classes.
    pub n_classes: usize,
}

/// Confidence intervals of the numbers of a [`Calibration`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CalibrationIntervals {
    /// Interval of the accuracy.
    pub accuracy: Interval,
    /// Interval of the expected calibration error.
    pub calibration_error: Interval,
    /// Interval of the Brier score.
    pub brier: Interval,
    /// Interval of the negative log-likelihood, in nats.
    pub nll: Interval,
}

impl Predictions {
    /// Number of bootstrap resamples of an interval.
    pub const N_RESAMPLES: usize = 2_000;

    /// Number of samples.
    pub fn n_samples(&self) -> usize {
        self.labels.len() / self.rows_per_sample.max(1)
    }

    /// Computes accuracy and calibration over all rows.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Calibration::new`].
    pub fn calibration(&self) -> Result<Calibration> {
        Calibration::new(&self.probabilities, &self.labels)
    }

    /// Most probable class of each row, the first one of ties: `[n_samples * rows_per_sample]`.
    ///
    /// # Panics
    ///
    /// If `n_classes` is 0.
    pub fn most_probable(&self) -> Vec<usize> {
        let rows = self.probabilities.chunks_exact(self.n_classes);
        rows.map(most_probable).collect()
    }

    /// Fraction of correctly classified rows of each sample: `[n_samples]`.
    ///
    /// # Panics
    ///
    /// If `n_classes` or `rows_per_sample` is 0.
    pub fn accuracies(&self) -> Vec<f64> {
        let is_correct: Vec<bool> = self
            .most_probable()
            .iter()
            .zip(&self.labels)
            .map(|(predicted, label)| predicted == label)
            .collect();
        is_correct
            .chunks_exact(self.rows_per_sample)
            .map(|rows| rows.iter().filter(|&&correct| correct).count() as f64 / rows.len() as f64)
            .collect()
    }

    /// Computes confidence intervals for new samples and the same model.
    ///
    /// The interval of the accuracy is Wilson's score interval, which keeps its coverage near 0 and 1. With
    /// several rows per sample it is wider than needed, since each sample counts as one trial. The other
    /// intervals are percentiles of [`Self::N_RESAMPLES`] bootstrap resamples of the samples. The calibration error of a
    /// small data set is biased upward, and so is that of its resamples.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Calibration::new`], and an error if there are no samples, the labels or probabilities are
    /// not those of whole samples, or `confidence` is not between 0 and 1.
    ///
    /// # Source
    ///
    /// Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    pub fn intervals(&self, confidence: f64) -> Result<CalibrationIntervals> {
        check_fraction("confidence", confidence)?;
        self.check_shape()?;
        let n_samples = self.n_samples();
        if n_samples == 0 {
            return Err(Error::invalid_parameter(
                "there are no samples; expected at least 1",
            ));
        }
        let resamples: Vec<Calibration> = (0..Self::N_RESAMPLES)
            .into_par_iter()
            .map(|resample| self.resampled(resample).calibration())
            .collect::<Result<_>>()?;
        let percentiles = |metric: fn(&Calibration) -> f64| {
            let mut values: Vec<f64> = resamples.iter().map(metric).collect();
            values.sort_unstable_by(f64::total_cmp);
            let tail = (1.0 - confidence) / 2.0;
            Interval {
                low: lower_quantile(&values, tail),
                high: lower_quantile(&values, 1.0 - tail),
                confidence,
            }
        };
        Ok(CalibrationIntervals {
            // Not by bootstrap: if all predictions are correct, so are those of every resample.
            accuracy: wilson(self.calibration()?.accuracy, n_samples, confidence),
            calibration_error: percentiles(|resample| resample.calibration_error),
            brier: percentiles(|resample| resample.brier),
            nll: percentiles(|resample| resample.nll),
        })
    }

    /// Checks that every sample has the same number of rows, and every row one probability for each class.
    fn check_shape(&self) -> Result<()> {
        let Self {
            rows_per_sample,
            n_classes,
            ..
        } = *self;
        let n_labels = self.labels.len();
        if rows_per_sample == 0 || n_classes == 0 {
            return Err(Error::invalid_parameter(format!(
                "rows_per_sample is {rows_per_sample} and n_classes is {n_classes}; expected at least 1 of each"
            )));
        }
        if !n_labels.is_multiple_of(rows_per_sample)
            || n_labels.checked_mul(n_classes) != Some(self.probabilities.len())
        {
            return Err(Error::invalid_parameter(format!(
                "there are {} and {}; expected whole samples of {}, with {} each",
                counted(n_labels, "label"),
                counted(self.probabilities.len(), "probability"),
                counted(rows_per_sample, "row"),
                counted(n_classes, "probability")
            )));
        }
        Ok(())
    }

    /// Draws a bootstrap resample: the same number of samples with replacement, each with all its rows.
    fn resampled(&self, resample: usize) -> Self {
        // One stream per resample, so that results do not depend on the number of threads.
        let mut random = ChaCha8Rng::seed_from_u64(0);
        random.set_stream(resample as u64);
        let n_samples = self.n_samples();
        let mut drawn = Self {
            probabilities: Vec::with_capacity(self.probabilities.len()),
            labels: Vec::with_capacity(self.labels.len()),
            ..*self
        };
        for _ in 0..n_samples {
            let rows = self.rows_per_sample;
            // Rows of one sample are not independent, so whole samples are drawn.
            let first = random.random_range(0..n_samples) * rows;
            let range = first * self.n_classes..(first + rows) * self.n_classes;
            drawn.probabilities.extend(&self.probabilities[range]);
            drawn.labels.extend(&self.labels[first..first + rows]);
        }
        drawn
    }
}

/// Wilson's score interval of a proportion of `n` trials.
///
/// ```text
/// (proportion + z^2 / (2 n) +- z sqrt(proportion (1 - proportion) / n + z^2 / (4 n^2))) / (1 + z^2 / n)
///                        z: quantile (1 + confidence) / 2 of the standard normal distribution
/// ```
fn wilson(proportion: f64, n: usize, confidence: f64) -> Interval {
    // Asymmetric around `proportion` near 0 and 1, where the normal approximation would leave [0, 1].
    let n = n as f64;
    let z = Normal::standard().inverse_cdf(0.5 + confidence / 2.0);
    let middle = (proportion + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n)
        * (proportion * (1.0 - proportion) / n + z * z / (4.0 * n * n)).sqrt();
    Interval {
        low: (middle - half).max(0.0),
        high: (middle + half).min(1.0),
        confidence,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn score_intervals_agree_with_scipy() {
        // scipy.stats.binomtest(count, n).proportion_ci(method="wilson")
        for (count, n, low, high) in [
            (0.0, 360, 0.0, 0.010_558_056_888_693_5),
            (180.0, 360, 0.448_623_797_121_883_6, 0.551_376_202_878_116_4),
            (10.0, 10, 0.722_467_200_137_110_9, 1.0),
        ] {
            let actual = wilson(count / n as f64, n, 0.95);
            assert!((actual.low - low).abs() < 1e-12, "{actual:?}");
            assert!((actual.high - high).abs() < 1e-12, "{actual:?}");
        }
    }

    /// Predictions of a calibrated model: the predicted probability is that of being correct.
    fn calibrated(n: usize) -> Predictions {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let (mut probabilities, mut labels) = (Vec::new(), Vec::new());
        for _ in 0..n {
            let p: f64 = random.random_range(0.5..1.0);
            probabilities.extend([p, 1.0 - p]);
            labels.push(usize::from(random.random_range(0.0..1.0) > p));
        }
        Predictions {
            probabilities,
            labels,
            rows_per_sample: 1,
            n_classes: 2,
        }
    }

    #[test]
    fn intervals_contain_values_and_shrink_with_samples() {
        let [small, large] = [200, 3200].map(|n| calibrated(n).intervals(0.95).unwrap());
        let calibration = calibrated(3200).calibration().unwrap();
        for (small, large, value) in [
            (small.accuracy, large.accuracy, calibration.accuracy),
            (small.brier, large.brier, calibration.brier),
            (small.nll, large.nll, calibration.nll),
        ] {
            assert!(large.low < value && value < large.high, "{large:?} {value}");
            // 16 times the samples: a width of one quarter.
            let ratio = (small.high - small.low) / (large.high - large.low);
            assert!((2.5..6.5).contains(&ratio), "{ratio}");
        }
        assert_eq!(small, calibrated(200).intervals(0.95).unwrap());
    }

    #[test]
    fn samples_are_drawn_with_all_their_rows() {
        let pair = Predictions {
            probabilities: vec![0.9, 0.1, 0.2, 0.8, 0.6, 0.4, 0.7, 0.3],
            labels: vec![0, 0, 1, 1],
            rows_per_sample: 2,
            n_classes: 2,
        };
        for resample in 0..8 {
            let drawn = pair.resampled(resample);
            for (rows, labels) in drawn.probabilities.chunks(4).zip(drawn.labels.chunks(2)) {
                let first = rows == &pair.probabilities[..4] && labels == [0, 0];
                let second = rows == &pair.probabilities[4..] && labels == [1, 1];
                assert!(first || second, "{rows:?}");
            }
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let pair = Predictions {
            probabilities: vec![0.9, 0.1, 0.2, 0.8],
            labels: vec![0, 1],
            rows_per_sample: 2,
            n_classes: 2,
        };
        pair.intervals(0.95).unwrap();
        for (rows_per_sample, n_classes, expected) in [
            (
                0,
                2,
                "rows_per_sample is 0 and n_classes is 2; expected at least 1 of each",
            ),
            (
                1,
                0,
                "rows_per_sample is 1 and n_classes is 0; expected at least 1 of each",
            ),
            (
                3,
                2,
                "there are 2 labels and 4 probabilities; expected whole samples of 3 rows, with 2 probabilities each",
            ),
            (
                1,
                4,
                "there are 2 labels and 4 probabilities; expected whole samples of 1 row, with 4 probabilities each",
            ),
        ] {
            let predictions = Predictions {
                rows_per_sample,
                n_classes,
                ..pair.clone()
            };
            let message = predictions.intervals(0.95).unwrap_err().to_string();
            assert_eq!(message, expected);
        }
    }
}

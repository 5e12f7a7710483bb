//! Probabilities of classes, and what they are worth.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use statrs::distribution::{ContinuousCDF, Normal};

use super::bootstrap::lower_quantile;
use super::calibration::most_probable;
use super::{Calibration, Interval, check_share};
use crate::{Error, Result};

/// Resamples of an interval.
const N_RESAMPLES: usize = 2_000;

/// What a model says of samples, each of one row of probabilities or of one for every frame.
///
/// # Example
///
/// ```
/// use burn_topology::statistics::Predictions;
///
/// let predictions = Predictions {
///     probabilities: vec![0.8, 0.2, 0.4, 0.6, 0.1, 0.9, 0.7, 0.3],
///     classes: vec![0, 0, 1, 1],
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
    /// `[n_samples * rows_per_sample, n_classes]`, rows that sum to one.
    pub probabilities: Vec<f64>,
    /// The right classes, of the same rows.
    pub classes: Vec<usize>,
    /// Rows of a sample.
    pub rows_per_sample: usize,
    /// Number of classes.
    pub n_classes: usize,
}

/// Where the parts of a [`Calibration`] lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CalibrationIntervals {
    /// Of the accuracy.
    pub accuracy: Interval,
    /// Of the expected calibration error.
    pub calibration_error: Interval,
    /// Of the Brier score.
    pub brier: Interval,
    /// Of the negative log-likelihood, nats.
    pub nll: Interval,
}

impl Predictions {
    /// Number of samples.
    pub fn n_samples(&self) -> usize {
        self.classes.len() / self.rows_per_sample.max(1)
    }

    /// Accuracy and calibration, over rows.
    ///
    /// # Errors
    ///
    /// As [`Calibration::new`].
    pub fn calibration(&self) -> Result<Calibration> {
        Calibration::new(&self.probabilities, &self.classes)
    }

    /// The most probable class of each row, of equally probable ones the first.
    pub fn most_probable(&self) -> Vec<usize> {
        let rows = self.probabilities.chunks_exact(self.n_classes);
        rows.map(most_probable).collect()
    }

    /// Share of right rows, by sample.
    pub fn accuracies(&self) -> Vec<f64> {
        let found = self.most_probable();
        let right: Vec<bool> = found
            .iter()
            .zip(&self.classes)
            .map(|(a, b)| a == b)
            .collect();
        right
            .chunks_exact(self.rows_per_sample)
            .map(|rows| rows.iter().filter(|&&right| right).count() as f64 / rows.len() as f64)
            .collect()
    }

    /// Intervals for new samples and the same model.
    ///
    /// Of the accuracy Wilson's score interval, which is honest at 0 and 1 too (of frames wider than needed, since a
    /// sample is counted as one trial); of the others the percentiles of 2,000 resamples of the samples. The
    /// calibration error of a resample is biased upward as that of so few predictions is.
    ///
    /// # Errors
    ///
    /// As [`Calibration::new`]; `confidence` that is not between 0 and 1.
    ///
    /// # Source
    ///
    /// Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    pub fn intervals(&self, confidence: f64) -> Result<CalibrationIntervals> {
        check_share("confidence", confidence)?;
        let n_samples = self.n_samples();
        if n_samples == 0 {
            return Err(Error::invalid_parameter("there are no predictions"));
        }
        let resamples: Vec<Calibration> = (0..N_RESAMPLES)
            .into_par_iter()
            .map(|resample| self.resampled(resample).calibration())
            .collect::<Result<_>>()?;
        let between = |of: fn(&Calibration) -> f64| {
            let mut values: Vec<f64> = resamples.iter().map(of).collect();
            values.sort_unstable_by(f64::total_cmp);
            let tail = (1.0 - confidence) / 2.0;
            Interval {
                low: lower_quantile(&values, tail),
                high: lower_quantile(&values, 1.0 - tail),
                confidence,
            }
        };
        Ok(CalibrationIntervals {
            accuracy: wilson(self.calibration()?.accuracy, n_samples, confidence),
            calibration_error: between(|found| found.calibration_error),
            brier: between(|found| found.brier),
            nll: between(|found| found.nll),
        })
    }

    /// As many samples, drawn with replacement.
    fn resampled(&self, resample: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(0);
        random.set_stream(resample as u64);
        let n_samples = self.n_samples();
        let mut drawn = Self {
            probabilities: Vec::with_capacity(self.probabilities.len()),
            classes: Vec::with_capacity(self.classes.len()),
            ..*self
        };
        for _ in 0..n_samples {
            let rows = self.rows_per_sample;
            let first = random.random_range(0..n_samples) * rows;
            let of_sample = first * self.n_classes..(first + rows) * self.n_classes;
            drawn.probabilities.extend(&self.probabilities[of_sample]);
            drawn.classes.extend(&self.classes[first..first + rows]);
        }
        drawn
    }
}

/// The score interval of a share of `n` trials.
fn wilson(share: f64, n: usize, confidence: f64) -> Interval {
    let n = n as f64;
    let z = Normal::standard().inverse_cdf(0.5 + confidence / 2.0);
    let middle = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
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
    fn intervals_of_shares_are_those_of_scipy() {
        // scipy.stats.binomtest(count, n).proportion_ci(method="wilson")
        for (count, n, low, high) in [
            (0.0, 360, 0.0, 0.010_558_056_888_693_5),
            (180.0, 360, 0.448_623_797_121_883_6, 0.551_376_202_878_116_4),
            (10.0, 10, 0.722_467_200_137_110_9, 1.0),
        ] {
            let found = wilson(count / n as f64, n, 0.95);
            assert!((found.low - low).abs() < 1e-12, "{found:?}");
            assert!((found.high - high).abs() < 1e-12, "{found:?}");
        }
    }

    /// A model that is right with the probability it says.
    fn calibrated(n: usize) -> Predictions {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let (mut probabilities, mut classes) = (Vec::new(), Vec::new());
        for _ in 0..n {
            let p: f64 = random.random_range(0.5..1.0);
            probabilities.extend([p, 1.0 - p]);
            classes.push(usize::from(random.random_range(0.0..1.0) > p));
        }
        Predictions {
            probabilities,
            classes,
            rows_per_sample: 1,
            n_classes: 2,
        }
    }

    #[test]
    fn intervals_hold_their_values_narrow_with_samples_and_repeat() {
        let [few, many] = [200, 3200].map(|n| calibrated(n).intervals(0.95).unwrap());
        let found = calibrated(3200).calibration().unwrap();
        for (few, many, value) in [
            (few.accuracy, many.accuracy, found.accuracy),
            (few.brier, many.brier, found.brier),
            (few.nll, many.nll, found.nll),
        ] {
            assert!(many.low < value && value < many.high, "{many:?} {value}");
            let ratio = (few.high - few.low) / (many.high - many.low);
            assert!((2.5..6.5).contains(&ratio), "{ratio}");
        }
        assert_eq!(few, calibrated(200).intervals(0.95).unwrap());
    }

    #[test]
    fn samples_are_drawn_with_all_their_rows() {
        let pair = Predictions {
            probabilities: vec![0.9, 0.1, 0.2, 0.8, 0.6, 0.4, 0.7, 0.3],
            classes: vec![0, 0, 1, 1],
            rows_per_sample: 2,
            n_classes: 2,
        };
        for resample in 0..8 {
            let drawn = pair.resampled(resample);
            for (rows, classes) in drawn.probabilities.chunks(4).zip(drawn.classes.chunks(2)) {
                let first = rows == &pair.probabilities[..4] && classes == [0, 0];
                let second = rows == &pair.probabilities[4..] && classes == [1, 1];
                assert!(first || second, "{rows:?}");
            }
        }
    }
}

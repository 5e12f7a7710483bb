//! Accuracy and calibration of predicted class probabilities.

use crate::counted::counted;
use crate::{Error, Result};

/// Number of bins of the expected calibration error.
pub const N_BINS: usize = 15;

/// Accuracy, expected calibration error, Brier score and negative log-likelihood, means over predictions.
///
/// ```text
/// accuracy          = mean [argmax_k p_k = y]               p: predicted probabilities, y: label
/// calibration error = sum_b n_b / n |accuracy_b - confidence_b|       b: bin of max_k p_k
/// Brier score       = mean sum_k (p_k - [k = y])^2
/// nll               = mean -ln p_y
/// ```
///
/// # Source
///
/// Guo et al., "On Calibration of Modern Neural Networks", 2017, for the expected calibration error;
/// Brier, "Verification of Forecasts Expressed in Terms of Probability", 1950.
///
/// # Example
///
/// ```
/// use burn_topology::statistics::Calibration;
///
/// let probabilities = [0.8, 0.2, 0.4, 0.6];
/// let calibration = Calibration::new(&probabilities, &[0, 0])?;
/// assert_eq!(calibration.accuracy, 0.5);
/// assert!((calibration.brier - (0.08 + 0.72) / 2.0).abs() < 1e-12);
/// assert!((calibration.calibration_error - (0.2 + 0.6) / 2.0).abs() < 1e-12);
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// Fraction of predictions whose most probable class is the label.
    pub accuracy: f64,
    /// Expected calibration error over [`N_BINS`] bins of equal width, from 0 to 1.
    pub calibration_error: f64,
    /// Brier score, summed over classes, from 0 to 2.
    pub brier: f64,
    /// Negative log-likelihood of the label, in nats; a probability of 0 counts as the smallest normal `f64`.
    pub nll: f64,
}

impl Calibration {
    /// Computes accuracy and calibration of predictions.
    ///
    /// # Shapes
    ///
    /// - `probabilities`: `[n, n_classes]` in row-major order, rows that sum to 1
    /// - `labels`: `[n]`
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if there are no predictions, if the numbers of probabilities and
    /// labels do not fit, or if a row is not a probability distribution that includes its label.
    pub fn new(probabilities: &[f64], labels: &[usize]) -> Result<Self> {
        let n = labels.len();
        if n == 0 || !probabilities.len().is_multiple_of(n) || probabilities.is_empty() {
            return Err(Error::invalid_parameter(format!(
                "{} for {}, expected a positive multiple of the number of labels",
                counted(probabilities.len(), "probability"),
                counted(n, "label")
            )));
        }
        let mut result = Self {
            accuracy: 0.0,
            calibration_error: 0.0,
            brier: 0.0,
            nll: 0.0,
        };
        // Per bin, the number of correct predictions minus the sum of their confidences.
        let mut gaps = [0.0; N_BINS];
        let rows = probabilities.chunks_exact(probabilities.len() / n);
        for (index, (row, &label)) in rows.zip(labels).enumerate() {
            let sum: f64 = row.iter().sum();
            // Tolerances for probabilities that were computed in single precision.
            let is_distribution =
                row.iter().all(|p| (0.0..=1.0 + 1e-6).contains(p)) && (sum - 1.0).abs() < 1e-4;
            if !is_distribution || label >= row.len() {
                return Err(Error::invalid_parameter(format!(
                    "prediction {index}: its {0} probabilities sum to {sum} and its label is {label}, expected \
                     probabilities that sum to 1 and a label below {0}",
                    row.len()
                )));
            }
            let predicted = most_probable(row);
            let correct = f64::from(u8::from(predicted == label));
            // Bins are open below and closed above, (k / N_BINS, (k + 1) / N_BINS].
            // `clamp` takes in a probability that exceeds 1 by rounding.
            let bin = ((row[predicted] * N_BINS as f64).ceil() as usize).clamp(1, N_BINS) - 1;
            gaps[bin] += correct - row[predicted];
            result.accuracy += correct;
            result.brier += row
                .iter()
                .enumerate()
                .map(|(k, p)| (p - f64::from(u8::from(k == label))).powi(2))
                .sum::<f64>();
            // One probability that underflowed to 0 would make the mean infinite.
            result.nll -= row[label].max(f64::MIN_POSITIVE).ln();
        }
        let n = n as f64;
        result.accuracy /= n;
        result.brier /= n;
        result.nll /= n;
        // The bin size n_b cancels: n_b |accuracy_b - confidence_b| is the size of the gap.
        result.calibration_error = gaps.iter().map(|gap| gap.abs()).sum::<f64>() / n;
        Ok(result)
    }
}

/// Index of the most probable class; the first one of ties.
pub(super) fn most_probable(row: &[f64]) -> usize {
    (1..row.len()).fold(0, |best, k| if row[k] > row[best] { k } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calibrated_predictions_have_no_calibration_error() {
        // Four of five are correct at confidence 0.8, all at confidence 1.
        let mut probabilities = [0.8, 0.2].repeat(5);
        probabilities.extend([1.0, 0.0]);
        let calibration = Calibration::new(&probabilities, &[0, 0, 0, 0, 1, 0]).unwrap();
        assert!(calibration.calibration_error < 1e-12, "{calibration:?}");
        assert!((calibration.accuracy - 5.0 / 6.0).abs() < 1e-12);
        let expected = -(4.0 * 0.8_f64.ln() + 0.2_f64.ln()) / 6.0;
        assert!((calibration.nll - expected).abs() < 1e-12);
    }

    #[test]
    fn full_confidence_in_a_wrong_class_is_worst() {
        let calibration = Calibration::new(&[1.0, 0.0, 0.0], &[2]).unwrap();
        assert_eq!(
            (
                calibration.accuracy,
                calibration.calibration_error,
                calibration.brier
            ),
            (0.0, 1.0, 2.0)
        );
        assert!(calibration.nll > 700.0 && calibration.nll.is_finite());
    }

    #[test]
    fn uniform_predictions_are_calibrated() {
        let calibration = Calibration::new(&[0.25; 16], &[0, 1, 2, 3]).unwrap();
        assert!(calibration.calibration_error < 1e-12);
        assert!(
            (calibration.brier - 0.75).abs() < 1e-12
                && (calibration.nll - 4.0_f64.ln()).abs() < 1e-12
        );
    }

    #[test]
    fn rows_that_are_no_distribution_are_rejected() {
        for (probabilities, labels) in [
            (vec![], vec![]),
            (vec![0.5, 0.6], vec![0]),
            (vec![0.5, 0.5], vec![2]),
            (vec![0.5; 3], vec![0, 0]),
        ] {
            assert!(
                Calibration::new(&probabilities, &labels)
                    .unwrap_err()
                    .is_invalid_parameter()
            );
        }
    }
}

//! How probable classes are said to be, against how often they are right.

use crate::{Error, Result};

/// Bins of the calibration error.
pub const N_BINS: usize = 15;

/// What probabilities of classes are worth, each a mean over predictions.
///
/// # Example
///
/// ```
/// use burn_topology::statistics::Calibration;
///
/// let probabilities = [0.8, 0.2, 0.4, 0.6];
/// let found = Calibration::new(&probabilities, &[0, 0])?;
/// assert_eq!(found.accuracy, 0.5);
/// assert!((found.brier - (0.08 + 0.72) / 2.0).abs() < 1e-12);
/// assert!((found.calibration_error - (0.2 + 0.6) / 2.0).abs() < 1e-12);
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// Share of predictions whose most probable class is the right one.
    pub accuracy: f64,
    /// Expected calibration error: the mean over predictions of how far confidence and accuracy are apart in
    /// their bin; [`N_BINS`] bins of equal width (Guo et al. 2017).
    pub calibration_error: f64,
    /// Brier score: the sum over classes of squared errors of the probabilities, from 0 to 2.
    pub brier: f64,
    /// Negative log-likelihood of the right class, nats. A probability of 0 counts as the least positive number.
    pub nll: f64,
}

impl Calibration {
    /// Of predictions `[n, n_classes]`, rows that sum to one, and their right classes `[n]`.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] if there are no predictions, not one class for each, or a row is no
    /// distribution.
    pub fn new(probabilities: &[f64], classes: &[usize]) -> Result<Self> {
        let n = classes.len();
        if n == 0 || !probabilities.len().is_multiple_of(n) || probabilities.is_empty() {
            return Err(Error::invalid_parameter(format!(
                "{} probabilities of {n} predictions, expected as many for each",
                probabilities.len()
            )));
        }
        let mut found = Self {
            accuracy: 0.0,
            calibration_error: 0.0,
            brier: 0.0,
            nll: 0.0,
        };
        // Per bin: predictions right less their confidences.
        let mut gaps = [0.0; N_BINS];
        let rows = probabilities.chunks_exact(probabilities.len() / n);
        for (place, (row, &class)) in rows.zip(classes).enumerate() {
            let sum: f64 = row.iter().sum();
            let is_distribution =
                row.iter().all(|p| (0.0..=1.0 + 1e-6).contains(p)) && (sum - 1.0).abs() < 1e-4;
            if !is_distribution || class >= row.len() {
                return Err(Error::invalid_parameter(format!(
                    "prediction {place}: the sum of {} probabilities is {sum} and the right class {class}, expected a \
                     distribution that has the class",
                    row.len()
                )));
            }
            let best = most_probable(row);
            let right = f64::from(u8::from(best == class));
            let bin = ((row[best] * N_BINS as f64).ceil() as usize).clamp(1, N_BINS) - 1;
            gaps[bin] += right - row[best];
            found.accuracy += right;
            found.brier += row
                .iter()
                .enumerate()
                .map(|(k, p)| (p - f64::from(u8::from(k == class))).powi(2))
                .sum::<f64>();
            found.nll -= row[class].max(f64::MIN_POSITIVE).ln();
        }
        let n = n as f64;
        found.accuracy /= n;
        found.brier /= n;
        found.nll /= n;
        found.calibration_error = gaps.iter().map(|gap| gap.abs()).sum::<f64>() / n;
        Ok(found)
    }
}

/// Of equal probabilities the first, as everywhere.
pub(super) fn most_probable(row: &[f64]) -> usize {
    (1..row.len()).fold(0, |best, k| if row[k] > row[best] { k } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predictions_that_mean_what_they_say_have_no_calibration_error() {
        // Four of five right at 0.8; all right at 1.
        let mut probabilities = [0.8, 0.2].repeat(5);
        probabilities.extend([1.0, 0.0]);
        let found = Calibration::new(&probabilities, &[0, 0, 0, 0, 1, 0]).unwrap();
        assert!(found.calibration_error < 1e-12, "{found:?}");
        assert!((found.accuracy - 5.0 / 6.0).abs() < 1e-12);
        let expected = -(4.0 * 0.8_f64.ln() + 0.2_f64.ln()) / 6.0;
        assert!((found.nll - expected).abs() < 1e-12);
    }

    #[test]
    fn confidence_in_the_wrong_class_costs_everything() {
        let found = Calibration::new(&[1.0, 0.0, 0.0], &[2]).unwrap();
        assert_eq!(
            (found.accuracy, found.calibration_error, found.brier),
            (0.0, 1.0, 2.0)
        );
        assert!(found.nll > 700.0 && found.nll.is_finite());
    }

    #[test]
    fn an_even_spread_is_calibrated_and_a_bin_is_open_below() {
        let found = Calibration::new(&[0.25; 16], &[0, 1, 2, 3]).unwrap();
        assert!(found.calibration_error < 1e-12);
        assert!((found.brier - 0.75).abs() < 1e-12 && (found.nll - 4.0_f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        for (probabilities, classes) in [
            (vec![], vec![]),
            (vec![0.5, 0.6], vec![0]),
            (vec![0.5, 0.5], vec![2]),
            (vec![0.5; 3], vec![0, 0]),
        ] {
            assert!(
                Calibration::new(&probabilities, &classes)
                    .unwrap_err()
                    .is_invalid_parameter()
            );
        }
    }
}

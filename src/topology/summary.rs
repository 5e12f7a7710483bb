//! Numbers that sum up one diagram, with gradients.

use super::matching::Point;
use super::wasserstein::{check_order, power};
use crate::error::{Error, Result};

/// A number of one diagram.
///
/// Essential bars are left out: they have no length.
///
/// # Example
///
/// ```
/// use burn_topology::topology::DiagramSummary;
///
/// let bars = [[0.0, 1.0], [0.5, 3.5]];
/// let total = DiagramSummary::TotalPersistence { order: 1.0, window: [0.0, f64::INFINITY] };
/// assert_eq!(total.value_and_gradient(&bars)?.value, 4.0);
/// let entropy = DiagramSummary::PersistentEntropy.value_and_gradient(&bars)?;
/// assert!((entropy.value - 0.562335).abs() < 1e-6); // of the shares 1/4 and 3/4
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DiagramSummary {
    /// Sum of persistences to the power of `order`, over the bars whose persistence lies within the
    /// window, both ends included.
    TotalPersistence {
        /// The power, finite and at least 1.
        order: f64,
        /// Smallest and largest persistence counted, in the unit of the diagram: to leave out the
        /// short bars of noise, or to spare the long ones.
        window: [f64; 2],
    },
    /// Entropy of the shares that bars have in the total persistence, in nats: 0 for one bar, `ln n`
    /// for n bars of one length.
    ///
    /// Source: H. Chintakunta et al., An entropy-based persistence barcode, Pattern Recognition 48
    /// (2015).
    PersistentEntropy,
}

/// A number of one diagram, and its gradient by births and deaths.
///
/// # Example
///
/// ```
/// use burn_topology::topology::DiagramSummary;
///
/// let total = DiagramSummary::TotalPersistence { order: 2.0, window: [0.0, 10.0] };
/// let summary = total.value_and_gradient(&[[1.0, 4.0]])?;
/// assert_eq!((summary.value, summary.gradient), (9.0, vec![[-6.0, 6.0]]));
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The number.
    pub value: f64,
    /// `[by birth, by death]` for each bar, in the order of the diagram.
    pub gradient: Vec<[f64; 2]>,
}

impl DiagramSummary {
    /// Checks the parameters.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] unless the order is finite and at least 1, and the window
    /// runs from 0 or more upward.
    pub fn validate(self) -> Result<()> {
        let Self::TotalPersistence {
            order,
            window: [low, high],
        } = self
        else {
            return Ok(());
        };
        check_order(order)?;
        if low >= 0.0 && low <= high {
            return Ok(());
        }
        Err(Error::invalid_parameter(format!(
            "window of persistence is [{low}, {high}], expected two numbers of at least 0 in \
             ascending order"
        )))
    }

    /// The number and its gradient.
    ///
    /// # Gradient
    ///
    /// Bars of length zero have gradient zero: the derivative of the entropy is infinite there.
    /// Which bars a window counts is held constant.
    ///
    /// # Errors
    ///
    /// As [`DiagramSummary::validate`].
    ///
    /// # Cost
    ///
    /// O(n).
    pub fn value_and_gradient(self, bars: &[Point]) -> Result<Summary> {
        self.validate()?;
        let persistence = |bar: &Point| {
            let length = bar[1] - bar[0];
            if length.is_finite() { length } else { 0.0 }
        };
        let lengths: Vec<f64> = bars.iter().map(persistence).collect();
        let (value, slopes) = match self {
            Self::TotalPersistence { order, window } => total_persistence(&lengths, order, window),
            Self::PersistentEntropy => persistent_entropy(&lengths),
        };
        let gradient = slopes.iter().map(|&slope| [0.0 - slope, slope]).collect();
        Ok(Summary { value, gradient })
    }
}

fn total_persistence(lengths: &[f64], order: f64, [low, high]: [f64; 2]) -> (f64, Vec<f64>) {
    let counts = |length: f64| length > 0.0 && low <= length && length <= high;
    let mut value = 0.0;
    let slopes = lengths.iter().map(|&length| {
        if !counts(length) {
            return 0.0;
        }
        value += power(length, order);
        order * power(length, order - 1.0)
    });
    let slopes = slopes.collect();
    (value, slopes)
}

fn persistent_entropy(lengths: &[f64]) -> (f64, Vec<f64>) {
    let total: f64 = lengths.iter().sum();
    let information = |length: f64| -(length / total).ln();
    let positive = || lengths.iter().filter(|&&length| length > 0.0);
    let value: f64 = positive()
        .map(|&length| length / total * information(length))
        .sum();
    // d entropy / d length = (-ln share - entropy) / total
    let slopes = lengths.iter().map(|&length| {
        if length > 0.0 {
            (information(length) - value) / total
        } else {
            0.0
        }
    });
    (value, slopes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARS: [Point; 4] = [[0.0, 0.7], [0.2, 1.9], [0.5, 0.6], [0.1, f64::INFINITY]];

    fn total(order: f64, window: [f64; 2]) -> DiagramSummary {
        DiagramSummary::TotalPersistence { order, window }
    }

    #[test]
    fn gradients_equal_central_differences() {
        let everything = [0.0, f64::INFINITY];
        for summary in [
            total(1.0, everything),
            total(1.5, everything),
            total(2.0, [0.5, 1.0]),
            DiagramSummary::PersistentEntropy,
        ] {
            let found = summary.value_and_gradient(&BARS).unwrap();
            for bar in 0..3 {
                for end in 0..2 {
                    let at = |step: f64| {
                        let mut moved = BARS;
                        moved[bar][end] += step;
                        summary.value_and_gradient(&moved).unwrap().value
                    };
                    let expected = (at(1e-6) - at(-1e-6)) / 2e-6;
                    assert!((found.gradient[bar][end] - expected).abs() < 1e-8);
                }
            }
            assert_eq!(found.gradient[3], [0.0, 0.0]);
        }
    }

    #[test]
    fn windows_count_by_persistence() {
        let value = |window| total(1.0, window).value_and_gradient(&BARS).unwrap().value;
        assert!((value([0.0, 1.0]) - 0.8).abs() < 1e-15);
        assert!((value([0.5, 1.0]) - 0.7).abs() < 1e-15);
        assert_eq!(value([2.0, 3.0]), 0.0);
        for window in [[-1.0, 1.0], [2.0, 1.0], [f64::NAN, 1.0]] {
            let error = total(1.0, window).value_and_gradient(&[]).unwrap_err();
            assert!(error.is_invalid_parameter());
        }
    }

    #[test]
    fn entropy_is_zero_for_one_bar_and_the_logarithm_of_their_number_for_equal_ones() {
        let of = |bars: &[Point]| {
            let summary = DiagramSummary::PersistentEntropy.value_and_gradient(bars);
            summary.unwrap()
        };
        assert_eq!(of(&[]).value, 0.0);
        let one = of(&[[1.0, 3.0], [2.0, 2.0]]);
        assert_eq!((one.value, one.gradient), (0.0, vec![[0.0; 2]; 2]));
        let equal = of(&[[0.0, 1.0], [1.0, 2.0], [5.0, 6.0]]);
        assert!((equal.value - 3f64.ln()).abs() < 1e-15);
        assert!(equal.gradient.iter().flatten().all(|g| g.abs() < 1e-15));
    }
}

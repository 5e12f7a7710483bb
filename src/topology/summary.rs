//! Summaries: total persistence and persistent entropy of one diagram, with gradients.

use super::matching::Point;
use super::wasserstein::{check_order, length_power};
use crate::error::{Error, Result};

/// Summary: a number computed from the finite bars of one diagram.
///
/// With `l_i = death_i - birth_i` the persistences and `L` their sum,
///
/// ```text
/// total persistence  = sum of l_i^order over the bars whose l_i lies in the window
/// persistent entropy = -sum of (l_i / L) ln(l_i / L) over all finite bars
/// ```
///
/// Essential bars are left out, since their persistence is infinite.
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
    /// Sum of the persistences raised to the power `order`, over the bars within a window.
    TotalPersistence {
        /// Exponent of the persistences, finite and at least 1.
        order: f64,
        /// Smallest and largest persistence that is counted, both included, in the unit of the diagram.
        ///
        /// A lower end above 0 leaves out short bars, which are mostly noise; a finite upper end leaves out
        /// long ones.
        window: [f64; 2],
    },
    /// Entropy of the shares of the bars in the total persistence, in nats.
    ///
    /// It is 0 for one bar and `ln n` for n bars of equal persistence.
    ///
    /// Source: H. Chintakunta et al., An entropy-based persistence barcode, Pattern Recognition 48
    /// (2015).
    PersistentEntropy,
}

/// Value of a summary, and its gradient with respect to births and deaths.
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
pub struct SummaryValue {
    /// Value of the summary.
    pub value: f64,
    /// Derivatives with respect to birth and death of each bar, in the order of the diagram.
    pub gradient: Vec<[f64; 2]>,
}

impl DiagramSummary {
    /// Checks the order and the window of the total persistence.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_parameter`] unless the order is finite and at least 1, and the ends of the window
    /// are at least 0 and in increasing order.
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
             increasing order"
        )))
    }

    /// Computes the value and its gradient.
    ///
    /// # Gradient
    ///
    /// ```text
    /// total persistence:   d / d l_i = order * l_i^(order - 1), within the window
    /// persistent entropy:  d / d l_i = (-ln(l_i / L) - entropy) / L
    /// ```
    ///
    /// The derivative with respect to the death is that with respect to `l_i`, and the derivative with respect
    /// to the birth is its negative. Bars of persistence zero have gradient zero, since the derivative of the
    /// entropy is infinite there. The set of bars within the window is held constant.
    ///
    /// # Errors
    ///
    /// The errors of [`DiagramSummary::validate`].
    ///
    /// # Cost
    ///
    /// O(n).
    pub fn value_and_gradient(self, bars: &[Point]) -> Result<SummaryValue> {
        self.validate()?;
        // An essential bar counts as one of persistence 0, which contributes to neither value nor gradient.
        let persistence = |bar: &Point| {
            let length = bar[1] - bar[0];
            if length.is_finite() { length } else { 0.0 }
        };
        let lengths: Vec<f64> = bars.iter().map(persistence).collect();
        let (value, slopes) = match self {
            Self::TotalPersistence { order, window } => total_persistence(&lengths, order, window),
            Self::PersistentEntropy => persistent_entropy(&lengths),
        };
        // `0 - slope` and not `-slope`, which would make a `-0` of a zero.
        let gradient = slopes.iter().map(|&slope| [0.0 - slope, slope]).collect();
        Ok(SummaryValue { value, gradient })
    }
}

/// Total persistence, and its derivatives with respect to the persistences.
fn total_persistence(lengths: &[f64], order: f64, [low, high]: [f64; 2]) -> (f64, Vec<f64>) {
    let is_counted = |length: f64| length > 0.0 && low <= length && length <= high;
    let mut value = 0.0;
    let slopes = lengths
        .iter()
        .map(|&length| {
            // Without this, a bar of length 0 would get the slope `0^0 = 1` at order 1.
            if !is_counted(length) {
                return 0.0;
            }
            value += length_power(length, order);
            order * length_power(length, order - 1.0)
        })
        .collect();
    (value, slopes)
}

/// Persistent entropy, and its derivatives with respect to the persistences.
fn persistent_entropy(lengths: &[f64]) -> (f64, Vec<f64>) {
    let total: f64 = lengths.iter().sum();
    let information = |length: f64| -(length / total).ln();
    // Terms of length 0 tend to 0, but would be computed as 0 times infinity.
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
            let actual = summary.value_and_gradient(&BARS).unwrap();
            for bar in 0..3 {
                for end in 0..2 {
                    let at = |step: f64| {
                        let mut moved = BARS;
                        moved[bar][end] += step;
                        summary.value_and_gradient(&moved).unwrap().value
                    };
                    let expected = (at(1e-6) - at(-1e-6)) / 2e-6;
                    assert!((actual.gradient[bar][end] - expected).abs() < 1e-8);
                }
            }
            assert_eq!(actual.gradient[3], [0.0, 0.0]);
        }
    }

    #[test]
    fn window_selects_bars_by_persistence() {
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
    fn entropy_of_equal_bars_is_the_logarithm_of_their_number() {
        let entropy = |bars: &[Point]| {
            let summary = DiagramSummary::PersistentEntropy.value_and_gradient(bars);
            summary.unwrap()
        };
        assert_eq!(entropy(&[]).value, 0.0);
        let one = entropy(&[[1.0, 3.0], [2.0, 2.0]]);
        assert_eq!((one.value, one.gradient), (0.0, vec![[0.0; 2]; 2]));
        let equal = entropy(&[[0.0, 1.0], [1.0, 2.0], [5.0, 6.0]]);
        assert!((equal.value - 3f64.ln()).abs() < 1e-15);
        assert!(equal.gradient.iter().flatten().all(|g| g.abs() < 1e-15));
    }
}

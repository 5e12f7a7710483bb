//! Distances between persistence diagrams, with gradients with respect to births and deaths.

use super::bottleneck::bottleneck;
use super::matched_cost::{MatchedCost, Power};
use super::matching::{BarPair, GroundNorm, Matching, Point, difference, euclidean};
use super::sliced::{sliced_wasserstein, sorted_wasserstein};
use super::wasserstein::{length_power, wasserstein};
use crate::error::Result;
use std::f64::consts::FRAC_1_SQRT_2;

/// Length of one matched pair, and its gradient with respect to the birth and death of either bar.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{BarPair, GroundNorm, pair_gradient};
///
/// // A later birth or an earlier death brings a bar closer to the diagonal.
/// let pair = pair_gradient(BarPair::FirstToDiagonal([0.0, 2.0]), GroundNorm::Infinity);
/// assert_eq!((pair.length, pair.first, pair.second), (1.0, [-0.5, 0.5], [0.0, 0.0]));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairGradient {
    /// Length of the pair in the ground norm.
    pub length: f64,
    /// Derivatives with respect to birth and death of the first bar; zero if the first is the diagonal.
    pub first: [f64; 2],
    /// Derivatives with respect to birth and death of the second bar; zero if the second is the diagonal.
    pub second: [f64; 2],
}

/// Computes the length of a matched pair and its gradient.
///
/// # Gradient
///
/// For two bars with the difference `(x, y)` of births and deaths, and for a bar `(b, d)` matched with the
/// diagonal:
///
/// ```text
///            for the first of two bars         for a bar matched with the diagonal
/// L1         (sign x, sign y), sign 0 = 0      (-1, 1)
/// L2         (x, y) / sqrt(x^2 + y^2)          (-1, 1) / sqrt(2)
/// Infinity   (sign x, 0) if |x| >= |y|,        (-1, 1) / 2
///            else (0, sign y)
/// ```
///
/// The second of two bars has the opposite gradient. A pair of length zero or of infinite length has
/// gradient exactly zero. Of two essential bars only the births have a gradient.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{BarPair, GroundNorm, pair_gradient};
///
/// let gradient = pair_gradient(BarPair::Bars([0.0, 2.0], [0.0, 3.0]), GroundNorm::Infinity);
/// assert_eq!(gradient.length, 1.0);
/// assert_eq!(gradient.first, [0.0, -1.0]);
/// ```
pub fn pair_gradient(pair: BarPair<Point>, ground_norm: GroundNorm) -> PairGradient {
    let length = pair.length(ground_norm);
    let zero = [0.0; 2];
    // The norm has no derivative at zero, and an infinite length none that a step could follow.
    if length == 0.0 || length.is_infinite() {
        return PairGradient {
            length,
            first: zero,
            second: zero,
        };
    }
    // Gradient of a bar's distance to the diagonal.
    let from_diagonal = match ground_norm {
        GroundNorm::L1 => [-1.0, 1.0],
        GroundNorm::L2 => [-FRAC_1_SQRT_2, FRAC_1_SQRT_2],
        GroundNorm::Infinity => [-0.5, 0.5],
    };
    let (first, second) = match pair {
        BarPair::Bars(x, y) => {
            let gradient = norm_gradient(difference(x, y), ground_norm);
            // `0 - part` and not `-part`, which would make a `-0` of a zero.
            (gradient, gradient.map(|part| 0.0 - part))
        }
        BarPair::FirstToDiagonal(_) => (from_diagonal, zero),
        BarPair::SecondToDiagonal(_) => (zero, from_diagonal),
    };
    PairGradient {
        length,
        first,
        second,
    }
}

/// Gradient of the ground norm at a vector other than zero.
fn norm_gradient([birth, death]: [f64; 2], ground_norm: GroundNorm) -> [f64; 2] {
    match ground_norm {
        GroundNorm::L1 => [birth, death].map(|part| if part == 0.0 { 0.0 } else { part.signum() }),
        GroundNorm::L2 => {
            let length = euclidean(birth, death);
            [birth / length, death / length]
        }
        GroundNorm::Infinity if birth.abs() >= death.abs() => [birth.signum(), 0.0],
        GroundNorm::Infinity => [0.0, death.signum()],
    }
}

/// Distance between two persistence diagrams, with its parameters.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{DiagramDistance, GroundNorm, Power};
///
/// let ground_norm = GroundNorm::Infinity;
/// let wasserstein = DiagramDistance::Wasserstein { order: 1.0, ground_norm, power: Power::One };
/// let bottleneck = DiagramDistance::Bottleneck { ground_norm };
/// let (first, second) = ([[0.0, 4.0], [3.0, 5.0]], [[0.0, 5.0], [1.0, 5.0]]);
/// assert_eq!(wasserstein.value_and_gradient(&first, &second)?.value, 3.0);
/// assert_eq!(bottleneck.value_and_gradient(&first, &second)?.value, 2.0);
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DiagramDistance {
    /// Wasserstein distance of order `p`, see [`wasserstein()`].
    Wasserstein {
        /// Order `p`, finite and at least 1.
        order: f64,
        /// Ground norm in which bars are compared.
        ground_norm: GroundNorm,
        /// Choice between `W_p` and `W_p^p`.
        power: Power,
    },
    /// Sorted Wasserstein distance of order `p`, see [`sorted_wasserstein()`].
    SortedWasserstein {
        /// Order `p`, finite and at least 1.
        order: f64,
        /// Choice between `W_p` and `W_p^p`.
        power: Power,
    },
    /// Sliced Wasserstein distance of order `p`, see [`sliced_wasserstein()`].
    SlicedWasserstein {
        /// Order `p`, finite and at least 1.
        order: f64,
        /// Number of lines onto which the diagrams are projected, at least 1.
        n_directions: usize,
        /// Choice between `SW_p` and `SW_p^p`.
        power: Power,
    },
    /// Bottleneck distance, see [`bottleneck()`].
    Bottleneck {
        /// Ground norm in which bars are compared.
        ground_norm: GroundNorm,
    },
}

impl DiagramDistance {
    /// Computes the distance between two diagrams and its gradient, with the optimal matching held constant.
    ///
    /// # Gradient
    ///
    /// With `l` the length of a matched pair, whose own gradient [`pair_gradient`] gives:
    ///
    /// ```text
    /// d W_p^p / dl = p l^(p - 1)
    /// d W_p   / dl = (l / W_p)^(p - 1)
    /// bottleneck:    1 for the pair `Matching::longest`, 0 for all others
    /// ```
    ///
    /// `W_p` has gradient zero where it is zero, and never a NaN. A distance of `+inf` between diagrams
    /// with different numbers of essential bars has gradient zero.
    ///
    /// # Errors
    ///
    /// The errors of [`wasserstein()`], [`sorted_wasserstein()`], [`sliced_wasserstein()`] or
    /// [`bottleneck()`], whichever is computed.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_topology::topology::{DiagramDistance, GroundNorm, Power};
    ///
    /// let distance = DiagramDistance::Wasserstein {
    ///     order: 1.0,
    ///     ground_norm: GroundNorm::Infinity,
    ///     power: Power::One,
    /// };
    /// let cost = distance.value_and_gradient(&[[0.0, 1.0]], &[[0.0, 100.0]])?;
    /// assert_eq!(cost.value, 50.5);
    /// assert_eq!(cost.first, [[-0.5, 0.5]]);
    /// # Ok::<(), burn_topology::Error>(())
    /// ```
    pub fn value_and_gradient(self, first: &[Point], second: &[Point]) -> Result<MatchedCost> {
        match self {
            Self::Wasserstein {
                order,
                ground_norm,
                power,
            } => {
                let matching = wasserstein(first, second, order, ground_norm)?;
                let length_derivative = |_, length: f64| match power {
                    Power::P => order * length_power(length, order - 1.0),
                    // Relative to the distance, so that no power overflows or underflows.
                    Power::One => length_power(length / matching.distance, order - 1.0),
                };
                let value = match power {
                    Power::P => matching.cost,
                    Power::One => matching.distance,
                };
                let bars = [first, second];
                Ok(matched_cost(
                    value,
                    &matching,
                    ground_norm,
                    bars,
                    length_derivative,
                ))
            }
            Self::SortedWasserstein { order, power } => {
                sorted_wasserstein(first, second, order, power)
            }
            Self::SlicedWasserstein {
                order,
                n_directions,
                power,
            } => sliced_wasserstein(first, second, order, n_directions, power),
            Self::Bottleneck { ground_norm } => {
                let matching = bottleneck(first, second, ground_norm)?;
                let longest = matching.longest();
                let length_derivative = |index, _| f64::from(u8::from(longest == Some(index)));
                let bars = [first, second];
                Ok(matched_cost(
                    matching.distance,
                    &matching,
                    ground_norm,
                    bars,
                    length_derivative,
                ))
            }
        }
    }

    /// Checks the parameters, so that invalid ones are reported before any diagram is compared.
    ///
    /// # Errors
    ///
    /// [`crate::Error::is_invalid_parameter`] if one is out of its range.
    pub fn validate(self) -> Result<()> {
        // Two empty diagrams are always valid, so only the parameters can be at fault.
        self.value_and_gradient(&[], &[]).map(|_| ())
    }
}

/// Gives `value` its gradient by the chain rule through the lengths of the pairs of a matching.
///
/// `length_derivative(index, length)` is the derivative of the value with respect to the length of a pair.
fn matched_cost(
    value: f64,
    matching: &Matching,
    ground_norm: GroundNorm,
    [first, second]: [&[Point]; 2],
    length_derivative: impl Fn(usize, f64) -> f64,
) -> MatchedCost {
    let mut result = MatchedCost::constant(value, first, second);
    for (index, pair) in matching.pairs.iter().enumerate() {
        // A pair of length zero has gradient zero; its derivative below can be 0 / 0.
        if pair.length == 0.0 {
            continue;
        }
        let outer = length_derivative(index, pair.length);
        let gradient = pair_gradient(pair.bars.points(first, second), ground_norm);
        if let Some(i) = pair.bars.first() {
            result.first[i] = gradient.first.map(|part| chain(outer, part));
        }
        if let Some(j) = pair.bars.second() {
            result.second[j] = gradient.second.map(|part| chain(outer, part));
        }
    }
    result
}

/// Product `outer * part` of derivatives, where a part of zero stays zero if `outer` has overflowed.
fn chain(outer: f64, part: f64) -> f64 {
    if part == 0.0 { 0.0 } else { outer * part }
}

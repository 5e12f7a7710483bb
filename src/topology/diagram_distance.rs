//! Distances of diagrams as functions of births and deaths, with gradients.

use super::bottleneck::bottleneck;
use super::matching::{GroundNorm, Matching, Pairing, Point, difference, euclidean};
use super::sliced::{sliced_wasserstein, sorted_wasserstein};
use super::wasserstein::{power, wasserstein};
use crate::error::Result;
use std::f64::consts::FRAC_1_SQRT_2;

/// Length of one matched pair, and its derivative by birth and death of either bar.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{GroundNorm, Pairing, pair_gradient};
///
/// // A bar that is matched with the diagonal gets cheaper by getting shorter.
/// let lone = pair_gradient(Pairing::FirstToDiagonal([0.0, 2.0]), GroundNorm::Infinity);
/// assert_eq!((lone.length, lone.first, lone.second), (1.0, [-0.5, 0.5], [0.0, 0.0]));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairGradient {
    /// Length of the pair.
    pub length: f64,
    /// By birth and death of the first bar; zero if the first is the diagonal.
    pub first: [f64; 2],
    /// By birth and death of the second bar; zero if the second is the diagonal.
    pub second: [f64; 2],
}

/// Length of a matched pair with its gradient.
///
/// # Gradient
///
/// A pair of length zero has gradient exactly zero. In [`GroundNorm::Infinity`] the larger
/// coordinate takes the whole gradient, the birth at ties. A bar moves to the diagonal along
/// `(-1/2, +1/2)` there, along `(-1, +1) / sqrt(2)` in [`GroundNorm::L2`] and along `(-1, +1)` in
/// [`GroundNorm::L1`], where equal coordinates have derivative zero. Two essential bars
/// differ by their births only. A pair of infinite length has gradient zero.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{GroundNorm, Pairing, pair_gradient};
///
/// let gradient = pair_gradient(Pairing::Bars([0.0, 2.0], [0.0, 3.0]), GroundNorm::Infinity);
/// assert_eq!(gradient.length, 1.0);
/// assert_eq!(gradient.first, [0.0, -1.0]);
/// ```
pub fn pair_gradient(pair: Pairing<Point>, ground_norm: GroundNorm) -> PairGradient {
    let length = pair.length(ground_norm);
    let still = [0.0; 2];
    if length == 0.0 || length.is_infinite() {
        return PairGradient {
            length,
            first: still,
            second: still,
        };
    }
    let outward = match ground_norm {
        GroundNorm::L1 => [-1.0, 1.0],
        GroundNorm::L2 => [-FRAC_1_SQRT_2, FRAC_1_SQRT_2],
        GroundNorm::Infinity => [-0.5, 0.5],
    };
    let (first, second) = match pair {
        Pairing::Bars(x, y) => {
            let apart = direction(difference(x, y), ground_norm);
            (apart, apart.map(|part| 0.0 - part))
        }
        Pairing::FirstToDiagonal(_) => (outward, still),
        Pairing::SecondToDiagonal(_) => (still, outward),
    };
    PairGradient {
        length,
        first,
        second,
    }
}

/// Gradient of the norm at a vector other than zero.
fn direction([birth, death]: [f64; 2], ground_norm: GroundNorm) -> [f64; 2] {
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

/// What of a p-Wasserstein distance is taken.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{DiagramDistance, GroundNorm, Power};
///
/// let value = |power| {
///     let (order, ground_norm) = (2.0, GroundNorm::Infinity);
///     let distance = DiagramDistance::Wasserstein { order, ground_norm, power };
///     distance.value_and_gradient(&[[0.0, 5.0]], &[[0.0, 8.0]]).map(|cost| cost.value)
/// };
/// assert_eq!((value(Power::One)?, value(Power::P)?), (3.0, 9.0));
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// `W_p^p`, the sum of powers of lengths, which is smooth at zero for `p > 1`.
    P,
    /// `W_p` itself; its gradient at `W_p = 0` is defined as zero.
    One,
}

/// A distance of two persistence diagrams.
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
    /// See [`wasserstein()`].
    Wasserstein {
        /// The order `p`, finite and at least 1.
        order: f64,
        /// Norm in which bars are compared.
        ground_norm: GroundNorm,
        /// Whether `W_p` or `W_p^p` is meant.
        power: Power,
    },
    /// See [`sorted_wasserstein()`].
    SortedWasserstein {
        /// The order `p`, finite and at least 1.
        order: f64,
        /// Whether `W_p` or `W_p^p` is meant.
        power: Power,
    },
    /// See [`sliced_wasserstein()`].
    SlicedWasserstein {
        /// The order `p`, finite and at least 1.
        order: f64,
        /// Lines that the diagrams are projected on, at least 1.
        n_directions: usize,
        /// Whether `SW_p` or `SW_p^p` is meant.
        power: Power,
    },
    /// See [`bottleneck()`].
    Bottleneck {
        /// Norm in which bars are compared.
        ground_norm: GroundNorm,
    },
}

/// Distance of two diagrams, and its gradient by all their births and deaths.
///
/// # Shapes
///
/// `first` and `second` have one `[by birth, by death]` per bar, in the order of the diagrams.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{DiagramDistance, GroundNorm};
///
/// let distance = DiagramDistance::Bottleneck { ground_norm: GroundNorm::Infinity };
/// let cost = distance.value_and_gradient(&[[0.0, 4.0], [1.0, 2.0]], &[[0.0, 7.0]])?;
/// assert_eq!(cost.value, 3.0);
/// assert_eq!(cost.first, [[0.0, -1.0], [0.0, 0.0]]); // a later death brings the first bar nearer
/// assert_eq!(cost.second, [[0.0, 1.0]]);
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct MatchedCost {
    /// The distance.
    pub value: f64,
    /// Gradient by the bars of the first diagram.
    pub first: Vec<[f64; 2]>,
    /// Gradient by the bars of the second diagram.
    pub second: Vec<[f64; 2]>,
}

impl DiagramDistance {
    /// Distance of two diagrams and its gradient, with the optimal matching held constant.
    ///
    /// # Gradient
    ///
    /// `W_p` has gradient zero where it is zero, and never a NaN. The bottleneck distance reaches
    /// one pair only, [`Matching::longest`]. A distance of `+inf` between diagrams with different
    /// numbers of essential bars has gradient zero. Single pairs are as in [`pair_gradient`].
    ///
    /// # Errors
    ///
    /// As [`wasserstein()`], [`sorted_wasserstein()`], [`sliced_wasserstein()`] and
    /// [`bottleneck()`].
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
                power: of_sum,
            } => {
                let matching = wasserstein(first, second, order, ground_norm)?;
                let cost =
                    matched_cost(
                        &matching,
                        ground_norm,
                        [first, second],
                        |_, length| match of_sum {
                            Power::P => order * power(length, order - 1.0),
                            Power::One => power(length / matching.distance, order - 1.0),
                        },
                    );
                Ok(match of_sum {
                    Power::P => cost.valued(matching.cost),
                    Power::One => cost.valued(matching.distance),
                })
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
                let cost = matched_cost(&matching, ground_norm, [first, second], |index, _| {
                    f64::from(u8::from(longest == Some(index)))
                });
                Ok(cost.valued(matching.distance))
            }
        }
    }

    /// Checks the parameters, which every comparison would otherwise refuse.
    ///
    /// # Errors
    ///
    /// [`crate::Error::is_invalid_parameter`] if one is out of its range.
    pub fn validate(self) -> Result<()> {
        self.value_and_gradient(&[], &[]).map(|_| ())
    }
}

impl MatchedCost {
    fn valued(self, value: f64) -> Self {
        Self { value, ..self }
    }

    /// Diagrams with different numbers of essential bars are infinitely far apart.
    pub(super) fn impossible(first: &[Point], second: &[Point]) -> Self {
        Self {
            value: f64::INFINITY,
            first: vec![[0.0; 2]; first.len()],
            second: vec![[0.0; 2]; second.len()],
        }
    }
}

/// Gradient of a sum over the pairs of a matching, where `weight(index, length)` is the derivative
/// in the length of a pair; the value is left open.
fn matched_cost(
    matching: &Matching,
    ground_norm: GroundNorm,
    [first, second]: [&[Point]; 2],
    weight: impl Fn(usize, f64) -> f64,
) -> MatchedCost {
    let mut result = MatchedCost::impossible(first, second);
    for (index, pair) in matching.pairs.iter().enumerate() {
        // A pair of length zero has no gradient, and perhaps a weight that is not a number.
        if pair.length == 0.0 {
            continue;
        }
        let weight = weight(index, pair.length);
        let gradient = pair_gradient(pair.bars.points(first, second), ground_norm);
        if let Some(i) = pair.bars.first() {
            result.first[i] = gradient.first.map(|part| weighted(weight, part));
        }
        if let Some(j) = pair.bars.second() {
            result.second[j] = gradient.second.map(|part| weighted(weight, part));
        }
    }
    result
}

/// `weight * part`, where a part of zero stays zero under a weight that has overflown.
fn weighted(weight: f64, part: f64) -> f64 {
    if part == 0.0 { 0.0 } else { weight * part }
}

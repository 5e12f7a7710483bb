//! Value and gradient of a distance between persistence diagrams.

use super::matching::Point;

/// Distance between two diagrams, and its gradient with respect to their births and deaths.
///
/// The matching is held constant.
///
/// # Shapes
///
/// `first` and `second` have one pair of derivatives per bar, with respect to its birth and its death, in the
/// order of the diagrams.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{DiagramDistance, GroundNorm};
///
/// let distance = DiagramDistance::Bottleneck { ground_norm: GroundNorm::Infinity };
/// let cost = distance.value_and_gradient(&[[0.0, 4.0], [1.0, 2.0]], &[[0.0, 7.0]])?;
/// assert_eq!(cost.value, 3.0);
/// assert_eq!(cost.first, [[0.0, -1.0], [0.0, 0.0]]); // a later death makes it smaller
/// assert_eq!(cost.second, [[0.0, 1.0]]);
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct MatchedCost {
    /// Distance, or its p-th power.
    pub value: f64,
    /// Derivatives with respect to birth and death of each bar of the first diagram.
    pub first: Vec<[f64; 2]>,
    /// Derivatives with respect to birth and death of each bar of the second diagram.
    pub second: Vec<[f64; 2]>,
}

impl MatchedCost {
    /// A value with gradient zero.
    pub(super) fn constant(value: f64, first: &[Point], second: &[Point]) -> Self {
        Self {
            value,
            first: vec![[0.0; 2]; first.len()],
            second: vec![[0.0; 2]; second.len()],
        }
    }

    /// Result for two diagrams with different numbers of essential bars: `+inf`, with gradient zero.
    pub(super) fn infinite(first: &[Point], second: &[Point]) -> Self {
        Self::constant(f64::INFINITY, first, second)
    }
}

/// Power of a p-Wasserstein distance: the distance itself or its p-th power.
///
/// ```text
/// One:  W_p   = (sum of length^p over the pairs)^(1/p)
/// P:    W_p^p =  sum of length^p over the pairs
/// ```
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
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Power {
    /// Sum of powers of lengths `W_p^p`, which is smooth at zero for `p > 1`.
    P,
    /// Distance `W_p` itself; its gradient at `W_p = 0` is defined as zero.
    One,
}

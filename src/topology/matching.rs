//! Matchings of two persistence diagrams, and the ground norm in which bars are compared.

use std::f64::consts::FRAC_1_SQRT_2;

/// Point of the plane that stands for a bar, `[birth, death]`; an essential bar has death `+inf`.
pub type Point = [f64; 2];

/// Ground norm: the norm of the plane in which bars are compared, with each other and with the diagonal.
///
/// ```text
///            distance between two bars      distance to the diagonal
/// L1         |b - b'| + |d - d'|            d - b
/// L2         sqrt((b - b')^2 + (d - d')^2)  (d - b) / sqrt(2)
/// Infinity   max(|b - b'|, |d - d'|)        (d - b) / 2
/// ```
///
/// Some libraries use one norm for pairs of bars and another for the diagonal, so their numbers can differ
/// from these.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{GroundNorm, wasserstein};
///
/// let distance = |norm| wasserstein(&[[0.0, 4.0]], &[[3.0, 8.0]], 1.0, norm).map(|m| m.distance);
/// assert_eq!(distance(GroundNorm::Infinity)?, 4.0); // between the two bars
/// assert_eq!(distance(GroundNorm::L2)?, 5.0);
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum GroundNorm {
    /// Largest absolute coordinate (L-infinity); the distance to the diagonal is `persistence / 2`.
    Infinity,
    /// Euclidean norm; the distance to the diagonal is `persistence / sqrt(2)`.
    L2,
    /// Sum of the absolute coordinates; the distance to the diagonal is the persistence.
    L1,
}

impl GroundNorm {
    /// Distance between two bars.
    ///
    /// Two essential bars are at distance `|birth - birth'|` in every norm. An essential and a finite bar
    /// are infinitely far apart.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_topology::topology::GroundNorm;
    ///
    /// assert_eq!(GroundNorm::L2.distance([0.0, 4.0], [3.0, 8.0]), 5.0);
    /// assert_eq!(GroundNorm::Infinity.distance([0.0, 4.0], [3.0, 8.0]), 4.0);
    /// ```
    pub fn distance(self, x: Point, y: Point) -> f64 {
        let [birth, death] = difference(x, y).map(f64::abs);
        match self {
            Self::L1 => birth + death,
            Self::L2 => euclidean(birth, death),
            Self::Infinity => birth.max(death),
        }
    }

    /// Distance from a bar to the nearest point of the diagonal; `+inf` for an essential bar.
    ///
    /// # Example
    ///
    /// ```
    /// use burn_topology::topology::GroundNorm;
    ///
    /// assert_eq!(GroundNorm::Infinity.to_diagonal([1.0, 4.0]), 1.5);
    /// ```
    pub fn to_diagonal(self, x: Point) -> f64 {
        let persistence = x[1] - x[0];
        match self {
            Self::L1 => persistence,
            Self::L2 => persistence * FRAC_1_SQRT_2,
            Self::Infinity => persistence / 2.0,
        }
    }
}

/// Difference `x - y` by coordinate, where two infinite deaths differ by 0.
pub(super) fn difference(x: Point, y: Point) -> Point {
    // `inf - inf` would be a NaN.
    let death = if x[1] == y[1] { 0.0 } else { x[1] - y[1] };
    [x[0] - y[0], death]
}

/// Returns `sqrt(a^2 + b^2)`, without overflow or underflow of the squares.
pub(super) fn euclidean(a: f64, b: f64) -> f64 {
    let square = a * a + b * b;
    // Within these bounds the squares are normal numbers; elsewhere the slower `hypot` is needed.
    if (1e-280..1e280).contains(&square) {
        square.sqrt()
    } else {
        a.hypot(b)
    }
}

/// One pair of a matching: two bars, or one bar and the diagonal.
///
/// `T` represents a bar: its index in its diagram, or its [`Point`].
///
/// # Example
///
/// ```
/// use burn_topology::topology::{BarPair, GroundNorm};
///
/// let (first, second) = ([[0.0, 1.0], [0.0, 10.0]], [[0.0, 12.0]]);
/// let pair = BarPair::Bars(1, 0);
/// assert_eq!(pair.points(&first, &second).length(GroundNorm::Infinity), 2.0);
/// assert_eq!(BarPair::FirstToDiagonal(0).second(), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BarPair<T> {
    /// A bar of the first diagram with a bar of the second.
    Bars(T, T),
    /// A bar of the first diagram with the diagonal.
    FirstToDiagonal(T),
    /// A bar of the second diagram with the diagonal.
    SecondToDiagonal(T),
}

impl<T: Copy> BarPair<T> {
    /// Bar of the first diagram; `None` for the diagonal.
    pub fn first(self) -> Option<T> {
        match self {
            Self::Bars(x, _) | Self::FirstToDiagonal(x) => Some(x),
            Self::SecondToDiagonal(_) => None,
        }
    }

    /// Bar of the second diagram; `None` for the diagonal.
    pub fn second(self) -> Option<T> {
        match self {
            Self::Bars(_, y) | Self::SecondToDiagonal(y) => Some(y),
            Self::FirstToDiagonal(_) => None,
        }
    }
}

impl BarPair<usize> {
    /// Replaces the indices of the bars by their births and deaths.
    ///
    /// # Panics
    ///
    /// If an index is out of range for its diagram.
    pub fn points(self, first: &[Point], second: &[Point]) -> BarPair<Point> {
        match self {
            Self::Bars(i, j) => BarPair::Bars(first[i], second[j]),
            Self::FirstToDiagonal(i) => BarPair::FirstToDiagonal(first[i]),
            Self::SecondToDiagonal(j) => BarPair::SecondToDiagonal(second[j]),
        }
    }
}

impl BarPair<Point> {
    /// Length of the pair: the distance between its bars, or between the bar and the diagonal.
    pub fn length(self, ground_norm: GroundNorm) -> f64 {
        match self {
            Self::Bars(x, y) => ground_norm.distance(x, y),
            Self::FirstToDiagonal(x) | Self::SecondToDiagonal(x) => ground_norm.to_diagonal(x),
        }
    }
}

/// One pair of a [`Matching`], with its length.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{BarPair, GroundNorm, bottleneck};
///
/// let matching = bottleneck(&[[0.0, 10.0]], &[[0.0, 12.0], [1.0, 3.0]], GroundNorm::Infinity)?;
/// let [long, short] = matching.pairs[..] else { panic!("every bar is in one pair") };
/// assert_eq!((long.bars, long.length), (BarPair::Bars(0, 0), 2.0));
/// assert_eq!((short.bars, short.length), (BarPair::SecondToDiagonal(1), 1.0));
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MatchedPair {
    /// Indices of the bars in their diagrams.
    pub bars: BarPair<usize>,
    /// Length of the pair in the ground norm of the matching.
    pub length: f64,
}

/// Optimal matching of two diagrams, with its distance and its cost.
///
/// Every bar of either diagram belongs to exactly one pair. The bars of the first diagram come first, in
/// their order; then follow, in their order, the bars of the second diagram that are matched with the
/// diagonal.
///
/// Diagrams with different numbers of essential bars have no matching of finite length: `distance` and
/// `cost` are then `+inf`, and `pairs` is empty.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{GroundNorm, wasserstein};
///
/// let (first, second) = ([[0.0, 10.0]], [[0.0, 14.0], [1.0, 7.0]]);
/// let matching = wasserstein(&first, &second, 2.0, GroundNorm::Infinity)?;
/// assert_eq!(matching.pairs.len(), 2);
/// assert_eq!((matching.cost, matching.distance), (4.0 * 4.0 + 3.0 * 3.0, 5.0));
/// assert_eq!(matching.longest(), Some(0));
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Matching {
    /// Matched pairs, in the order given above.
    pub pairs: Vec<MatchedPair>,
    /// Wasserstein distance `W_p`, or the bottleneck distance.
    pub distance: f64,
    /// Sum of powers `W_p^p`; for the bottleneck distance equal to `distance`.
    ///
    /// A large order can make it overflow or underflow where `distance` does not.
    pub cost: f64,
}

impl Matching {
    /// Index in `pairs` of the longest pair, the first one at ties; `None` if there is no pair.
    ///
    /// In a bottleneck matching this is the pair that realises the distance.
    pub fn longest(&self) -> Option<usize> {
        let mut longest: Option<usize> = None;
        for (index, pair) in self.pairs.iter().enumerate() {
            if longest.is_none_or(|best| pair.length > self.pairs[best].length) {
                longest = Some(index);
            }
        }
        longest
    }

    /// Result for two diagrams with different numbers of essential bars: no pairs, distance `+inf`.
    pub(super) fn infinite() -> Self {
        Self {
            pairs: Vec::new(),
            distance: f64::INFINITY,
            cost: f64::INFINITY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_of_essential_bars_is_that_of_their_births() {
        let (x, y) = ([0.5, f64::INFINITY], [3.0, f64::INFINITY]);
        assert_eq!(GroundNorm::L2.distance(x, y), 2.5);
        assert_eq!(GroundNorm::Infinity.distance(x, y), 2.5);
        assert_eq!(GroundNorm::L2.distance(x, [0.5, 1.0]), f64::INFINITY);
    }

    #[test]
    fn euclidean_distance_neither_underflows_nor_overflows() {
        assert_eq!(euclidean(3e-200, 4e-200), 5e-200);
        assert!((euclidean(3e200, 4e200) / 5e200 - 1.0).abs() < 1e-15);
        assert_eq!(euclidean(0.0, 0.0), 0.0);
    }

    #[test]
    fn longest_pair_is_the_first_at_ties() {
        let pair = |index, length| MatchedPair {
            bars: BarPair::FirstToDiagonal(index),
            length,
        };
        let pairs = vec![pair(0, 1.0), pair(1, 2.0), pair(2, 2.0)];
        assert_eq!(
            Matching {
                pairs,
                distance: 2.0,
                cost: 2.0
            }
            .longest(),
            Some(1)
        );
        assert_eq!(Matching::infinite().longest(), None);
    }
}

//! What a matching of two persistence diagrams is made of.

use std::f64::consts::FRAC_1_SQRT_2;

/// One bar as a point of the plane, `[birth, death]`; an essential bar has death `+inf`.
pub type Point = [f64; 2];

/// The norm of the plane in which bars are compared, with each other and with the diagonal.
///
/// Libraries differ here, and so do their numbers: one norm is used in both places.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{GroundNorm, wasserstein};
///
/// let distance = |norm| wasserstein(&[[0.0, 4.0]], &[[3.0, 8.0]], 1.0, norm).map(|m| m.distance);
/// assert_eq!(distance(GroundNorm::Infinity)?, 4.0); // to each other
/// assert_eq!(distance(GroundNorm::L2)?, 5.0);
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroundNorm {
    /// Sum of the coordinates: a bar lies its persistence from the diagonal.
    L1,
    /// Euclidean: a bar lies `persistence / sqrt(2)` from the diagonal.
    L2,
    /// Largest coordinate: a bar lies `persistence / 2` from the diagonal.
    Infinity,
}

impl GroundNorm {
    /// Distance of two bars; two essential bars are `|birth - birth'|` apart in either norm.
    ///
    /// An essential and a finite bar are infinitely far apart.
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

    /// Distance of a bar to the nearest point of the diagonal; `+inf` for an essential bar.
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

/// `x - y` by coordinate, where two infinite deaths differ by 0.
pub(super) fn difference(x: Point, y: Point) -> Point {
    let death = if x[1] == y[1] { 0.0 } else { x[1] - y[1] };
    [x[0] - y[0], death]
}

/// `sqrt(a^2 + b^2)`, by way of the slower `hypot` only where a square leaves the normal range.
pub(super) fn euclidean(a: f64, b: f64) -> f64 {
    let square = a * a + b * b;
    if (1e-280..1e280).contains(&square) {
        square.sqrt()
    } else {
        a.hypot(b)
    }
}

/// One pair of a matching: two bars, or one bar and the diagonal.
///
/// `T` is what stands for a bar: its index in its diagram, or its [`Point`].
///
/// # Example
///
/// ```
/// use burn_topology::topology::{GroundNorm, Pairing};
///
/// let (first, second) = ([[0.0, 1.0], [0.0, 10.0]], [[0.0, 12.0]]);
/// let pair = Pairing::Bars(1, 0);
/// assert_eq!(pair.points(&first, &second).length(GroundNorm::Infinity), 2.0);
/// assert_eq!(Pairing::FirstToDiagonal(0).second(), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairing<T> {
    /// A bar of the first diagram with a bar of the second.
    Bars(T, T),
    /// A bar of the first diagram with the diagonal.
    FirstToDiagonal(T),
    /// A bar of the second diagram with the diagonal.
    SecondToDiagonal(T),
}

impl<T: Copy> Pairing<T> {
    /// The bar of the first diagram, `None` for the diagonal.
    pub fn first(self) -> Option<T> {
        match self {
            Self::Bars(x, _) | Self::FirstToDiagonal(x) => Some(x),
            Self::SecondToDiagonal(_) => None,
        }
    }

    /// The bar of the second diagram, `None` for the diagonal.
    pub fn second(self) -> Option<T> {
        match self {
            Self::Bars(_, y) | Self::SecondToDiagonal(y) => Some(y),
            Self::FirstToDiagonal(_) => None,
        }
    }
}

impl Pairing<usize> {
    /// The bars that the indices stand for.
    ///
    /// # Panics
    ///
    /// If an index lies outside its diagram.
    pub fn points(self, first: &[Point], second: &[Point]) -> Pairing<Point> {
        match self {
            Self::Bars(i, j) => Pairing::Bars(first[i], second[j]),
            Self::FirstToDiagonal(i) => Pairing::FirstToDiagonal(first[i]),
            Self::SecondToDiagonal(j) => Pairing::SecondToDiagonal(second[j]),
        }
    }
}

impl Pairing<Point> {
    /// Length of the pair: how far the bars, or the bar and the diagonal, lie apart.
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
/// use burn_topology::topology::{GroundNorm, Pairing, bottleneck};
///
/// let matching = bottleneck(&[[0.0, 10.0]], &[[0.0, 12.0], [1.0, 3.0]], GroundNorm::Infinity)?;
/// let [moved, lone] = matching.pairs[..] else { panic!("every bar is in one pair") };
/// assert_eq!((moved.bars, moved.length), (Pairing::Bars(0, 0), 2.0));
/// assert_eq!((lone.bars, lone.length), (Pairing::SecondToDiagonal(1), 1.0));
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MatchedPair {
    /// Indices of the bars in their diagrams.
    pub bars: Pairing<usize>,
    /// Length of the pair in the ground norm of the matching.
    pub length: f64,
}

/// An optimal matching of two diagrams, the diagonal included, and what it costs.
///
/// Every bar of either diagram stands in exactly one pair: first the bars of the first diagram
/// in their order, then in theirs those bars of the second that go to the diagonal.
///
/// Diagrams with different numbers of essential bars have no matching of finite length: then
/// `distance` and `cost` are `+inf` and `pairs` is empty.
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
    /// The pairs.
    pub pairs: Vec<MatchedPair>,
    /// `W_p`, or the bottleneck distance.
    pub distance: f64,
    /// `W_p^p`, which a large order can take out of the range of an `f64` where `distance` stays
    /// in it; for the bottleneck distance the same as `distance`.
    pub cost: f64,
}

impl Matching {
    /// Index of the longest pair, the first one at ties; `None` if there is no pair.
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

    /// What two diagrams with different numbers of essential bars get.
    pub(super) fn impossible() -> Self {
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
    fn essential_bars_are_as_far_apart_as_their_births() {
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
            bars: Pairing::FirstToDiagonal(index),
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
        assert_eq!(Matching::impossible().longest(), None);
    }
}

//! Exact bottleneck distance between persistence diagrams.

use super::covering::{BarGraph, covering_partners};
use super::diagram_pair::DiagramPair;
use super::matching::{GroundNorm, Matching, Point};
use super::monotone::{PairCost, monotone_partners};
use crate::error::Result;

/// Computes the exact bottleneck distance between two diagrams, with a matching that attains it.
///
/// ```text
/// distance = min over all matchings of (max of length over the pairs)
/// ```
///
/// In a matching, bars may also be paired with the diagonal; the ground norm defines the length of a pair.
/// The distance is the limit of [`super::wasserstein()`] for large orders, and [`Matching::longest`] is a
/// pair of this length. Essential bars are matched with each other in ascending order of birth; if their
/// numbers differ, the distance is `+inf` and the matching has no pairs.
///
/// # Errors
///
/// [`crate::Error::is_invalid_diagram`] if a bar has a NaN, an infinite birth, a death before its
/// birth, or a persistence that overflows.
///
/// # Cost
///
/// For n and m finite bars O(n m) if all births are equal. Otherwise O(n m log(n m)) and one search for a
/// matching, on bit sets, for each of O(log(n m)) lengths.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{GroundNorm, bottleneck};
///
/// let matching = bottleneck(&[[0.0, 2.0], [5.0, 9.0]], &[[0.0, 3.0]], GroundNorm::Infinity)?;
/// assert_eq!(matching.distance, 2.0);
/// assert_eq!(matching.longest(), Some(1));
/// # Ok::<(), burn_topology::Error>(())
/// ```
pub fn bottleneck(first: &[Point], second: &[Point], ground_norm: GroundNorm) -> Result<Matching> {
    let Some(diagrams) = DiagramPair::new(first, second)? else {
        return Ok(Matching::infinite());
    };
    let pairs = diagrams.pairs(&finite_bottleneck(&diagrams, ground_norm), ground_norm);
    let distance = pairs.iter().map(|pair| pair.length).fold(0.0, f64::max);
    Ok(Matching {
        pairs,
        distance,
        cost: distance,
    })
}

/// Partners of the finite bars of the first diagram in a bottleneck matching; `None` for the diagonal.
pub(super) fn finite_bottleneck(
    diagrams: &DiagramPair<'_>,
    ground_norm: GroundNorm,
) -> Vec<Option<usize>> {
    let (first, second) = (diagrams.first(), diagrams.second());
    if diagrams.has_equal_births() {
        monotone_partners(first, second, ground_norm, &Longest)
    } else {
        search(&Lengths::new(first, second, ground_norm))
    }
}

/// Cost of a matching: the length of its longest pair.
struct Longest;

impl PairCost for Longest {
    fn pair_cost(&self, length: f64) -> f64 {
        length
    }

    fn join(&self, a: f64, b: f64) -> f64 {
        if a > b { a } else { b }
    }
}

/// Lengths of all possible pairs.
struct Lengths {
    /// Distances from the bars of the first diagram to the diagonal.
    first_alone: Vec<f64>,
    /// Distances from the bars of the second diagram to the diagonal.
    second_alone: Vec<f64>,
    /// Distances between bars of both diagrams, one row per bar of the first.
    between: Vec<f64>,
}

impl Lengths {
    fn new(first: &[Point], second: &[Point], ground_norm: GroundNorm) -> Self {
        let alone = |bars: &[Point]| {
            bars.iter()
                .map(|&bar| ground_norm.to_diagonal(bar))
                .collect()
        };
        let row = |&x: &Point| second.iter().map(move |&y| ground_norm.distance(x, y));
        Self {
            first_alone: alone(first),
            second_alone: alone(second),
            between: first.iter().flat_map(row).collect(),
        }
    }

    /// Lower bound of the distance: the largest distance from any bar to its nearest partner.
    fn lower_bound(&self) -> f64 {
        let mut nearest_first = self.first_alone.clone();
        let mut nearest_second = self.second_alone.clone();
        let rows = self.between.chunks_exact(self.second_alone.len().max(1));
        for (row, nearest) in rows.zip(&mut nearest_first) {
            for (&length, other) in row.iter().zip(&mut nearest_second) {
                *nearest = length.min(*nearest);
                *other = length.min(*other);
            }
        }
        nearest_first
            .into_iter()
            .chain(nearest_second)
            .fold(0.0, f64::max)
    }

    /// Lengths above `low`, in ascending order, up to that at which all bars can be matched with the
    /// diagonal.
    fn candidates_above(&self, low: f64) -> Vec<f64> {
        let alone = || self.first_alone.iter().chain(&self.second_alone).copied();
        let high = alone().fold(0.0, f64::max);
        let mut candidates: Vec<f64> = alone()
            .chain(self.between.iter().copied())
            .filter(|&length| low < length && length <= high)
            .collect();
        candidates.sort_unstable_by(f64::total_cmp);
        candidates.dedup();
        candidates
    }

    /// Partners in a matching without a pair longer than `length`; `None` if there is no such matching.
    fn matching_within(&self, length: f64) -> Option<Vec<Option<usize>>> {
        let required = |alone: &[f64]| alone.iter().map(|&other| other > length).collect();
        covering_partners(BarGraph {
            first_required: required(&self.first_alone),
            second_required: required(&self.second_alone),
            is_edge: |i, j| self.between[i * self.second_alone.len() + j] <= length,
        })
    }
}

/// Finds the smallest length that admits a matching, by binary search over all lengths of pairs.
fn search(lengths: &Lengths) -> Vec<Option<usize>> {
    let low = lengths.lower_bound();
    // The bound is often attained, and then no candidates have to be sorted.
    if let Some(partners) = lengths.matching_within(low) {
        return partners;
    }
    let candidates = lengths.candidates_above(low);
    let (mut start, mut end) = (0, candidates.len());
    // At the largest candidate every bar can be matched with the diagonal.
    let mut best = vec![None; lengths.first_alone.len()];
    while start < end {
        let middle = start + (end - start) / 2;
        match lengths.matching_within(candidates[middle]) {
            Some(partners) => (end, best) = (middle, partners),
            None => start = middle + 1,
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solver_for_equal_births_agrees_with_the_search() {
        let first: Vec<Point> = (0..30).map(|i| [0.0, f64::from(i * i % 37)]).collect();
        let second: Vec<Point> = (0..25)
            .map(|i| [0.0, f64::from(i * i * i % 41) * 1.5])
            .collect();
        let diagrams = DiagramPair::new(&first, &second).unwrap().unwrap();
        for norm in [GroundNorm::L2, GroundNorm::Infinity] {
            let general = search(&Lengths::new(&first, &second, norm));
            let lengths = diagrams.finite_lengths(&general, norm);
            let general = lengths.into_iter().fold(0.0, f64::max);
            assert_eq!(bottleneck(&first, &second, norm).unwrap().distance, general);
        }
    }

    #[test]
    fn short_bars_are_matched_with_the_diagonal() {
        let first = [[0.0, 10.0], [1.0, 2.0]];
        let matching = bottleneck(&first, &[[0.0, 7.0]], GroundNorm::Infinity).unwrap();
        assert_eq!(matching.distance, 3.0);
        assert_eq!(matching.longest(), Some(0));
    }

    #[test]
    fn empty_diagrams_have_distance_zero_and_no_pair() {
        let matching = bottleneck(&[], &[], GroundNorm::L2).unwrap();
        assert_eq!((matching.distance, matching.longest()), (0.0, None));
    }
}

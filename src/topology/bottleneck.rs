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
/// For n and m finite bars O(n m) if all births are equal. Otherwise O(k (n + m) log(n + m)), where k is the number of
/// bars that are farther from the diagonal than any bar is from its nearest partner, and one search for a matching, on
/// bit sets, for each of O(log(n + m)) lengths.
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
        search(&Lengths::new([first, second], ground_norm))
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

/// Lengths of all possible pairs. Those of two bars are computed where they are needed, which is for few of them.
struct Lengths<'a> {
    bars: [&'a [Point]; 2],
    ground_norm: GroundNorm,
    /// Distances from the bars of either diagram to the diagonal.
    alone: [Vec<f64>; 2],
}

impl<'a> Lengths<'a> {
    fn new(bars: [&'a [Point]; 2], ground_norm: GroundNorm) -> Self {
        let alone = bars.map(|bars| {
            bars.iter()
                .map(|&bar| ground_norm.to_diagonal(bar))
                .collect()
        });
        Self {
            bars,
            ground_norm,
            alone,
        }
    }

    /// Distance between bar `i` of the first diagram and bar `j` of the second.
    fn between(&self, i: usize, j: usize) -> f64 {
        self.ground_norm.distance(self.bars[0][i], self.bars[1][j])
    }

    /// Distances between one bar of a diagram and all bars of the other.
    fn to_others(&self, side: usize, bar: usize) -> impl Iterator<Item = f64> {
        let others = self.bars[1 - side].iter();
        others.map(move |&other| self.ground_norm.distance(self.bars[side][bar], other))
    }

    /// Lower bound of the distance: the largest distance from any bar to its nearest partner.
    fn lower_bound(&self) -> f64 {
        let mut bound = 0.0;
        for side in [0, 1] {
            let alone = &self.alone[side];
            let mut order: Vec<usize> = (0..alone.len()).collect();
            order.sort_unstable_by(|&a, &b| alone[b].total_cmp(&alone[a]));
            for bar in order {
                // The nearest partner is at most as far as the diagonal, so no bar after this one raises the bound.
                if alone[bar] <= bound {
                    break;
                }
                bound = self
                    .to_others(side, bar)
                    .fold(alone[bar], f64::min)
                    .max(bound);
            }
        }
        bound
    }

    /// Lengths above `low` at which the possible matchings change, in ascending order, up to that at which all bars
    /// can be matched with the diagonal.
    ///
    /// At lengths above `low`, bars that are at most this far from the diagonal need no partner. Pairs of two such
    /// bars are therefore left out.
    fn candidates_above(&self, low: f64) -> Vec<f64> {
        let alone = || self.alone.iter().flatten().copied();
        let high = alone().fold(0.0, f64::max);
        let mut candidates: Vec<f64> = alone().collect();
        for side in [0, 1] {
            let far = (0..self.alone[side].len()).filter(|&bar| self.alone[side][bar] > low);
            far.for_each(|bar| candidates.extend(self.to_others(side, bar)));
        }
        candidates.retain(|&length| low < length && length <= high);
        candidates.sort_unstable_by(f64::total_cmp);
        candidates.dedup();
        candidates
    }

    /// Partners in a matching without a pair longer than `length`; `None` if there is no such matching.
    fn matching_within(&self, length: f64) -> Option<Vec<Option<usize>>> {
        let required = |alone: &[f64]| alone.iter().map(|&other| other > length).collect();
        covering_partners(BarGraph {
            first_required: required(&self.alone[0]),
            second_required: required(&self.alone[1]),
            is_edge: |i, j| self.between(i, j) <= length,
        })
    }
}

/// Finds the smallest length that admits a matching, by binary search over the lengths of pairs.
fn search(lengths: &Lengths<'_>) -> Vec<Option<usize>> {
    let low = lengths.lower_bound();
    // The bound is often attained, and then no candidates have to be sorted.
    if let Some(partners) = lengths.matching_within(low) {
        return partners;
    }
    let candidates = lengths.candidates_above(low);
    let (mut start, mut end) = (0, candidates.len());
    // At the largest candidate every bar can be matched with the diagonal.
    let mut best = vec![None; lengths.bars[0].len()];
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
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn solver_for_equal_births_agrees_with_the_search() {
        let first: Vec<Point> = (0..30).map(|i| [0.0, f64::from(i * i % 37)]).collect();
        let second: Vec<Point> = (0..25)
            .map(|i| [0.0, f64::from(i * i * i % 41) * 1.5])
            .collect();
        let diagrams = DiagramPair::new(&first, &second).unwrap().unwrap();
        for norm in [GroundNorm::L2, GroundNorm::Infinity] {
            let general = search(&Lengths::new([&first, &second], norm));
            let lengths = diagrams.finite_lengths(&general, norm);
            let general = lengths.into_iter().fold(0.0, f64::max);
            assert_eq!(bottleneck(&first, &second, norm).unwrap().distance, general);
        }
    }

    /// Smallest length at which each bar that is farther from the diagonal has a partner, by trying all lengths.
    fn by_all_lengths(first: &[Point], second: &[Point], norm: GroundNorm) -> f64 {
        let lengths = Lengths::new([first, second], norm);
        let mut all: Vec<f64> = lengths.alone.iter().flatten().copied().collect();
        all.extend((0..first.len()).flat_map(|i| lengths.to_others(0, i)));
        all.push(0.0);
        all.sort_unstable_by(f64::total_cmp);
        let mut feasible = all
            .into_iter()
            .filter(|&length| lengths.matching_within(length).is_some());
        feasible.next().unwrap()
    }

    proptest! {
        #[test]
        fn lengths_of_pairs_near_the_diagonal_do_not_matter(
            numbers in proptest::collection::vec((0u8..40, 1u8..12), 2..24),
            n_first in 0usize..12,
        ) {
            let bars: Vec<Point> = numbers
                .into_iter()
                .map(|(birth, persistence)| [f64::from(birth), f64::from(birth) + f64::from(persistence)])
                .collect();
            let (first, second) = bars.split_at(n_first.min(bars.len()));
            for norm in [GroundNorm::L1, GroundNorm::Infinity] {
                let distance = bottleneck(first, second, norm).unwrap().distance;
                prop_assert_eq!(distance, by_all_lengths(first, second, norm));
            }
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

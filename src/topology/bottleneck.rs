//! Exact bottleneck distance of persistence diagrams.

use super::covering::{Threshold, covering_partners};
use super::diagram_pair::DiagramPair;
use super::matching::{GroundNorm, Matching, Point};
use super::monotone::{PairCost, monotone_partners};
use crate::error::Result;

/// Exact bottleneck distance of two diagrams, with a matching that attains it.
///
/// The least value of the longest pair over all matchings in which bars may go to the diagonal;
/// the limit of [`super::wasserstein()`] for large orders. [`Matching::longest`] is the pair that
/// realises it. Essential bars are matched with each other in the order of their births; if their
/// numbers differ, the distance is `+inf` and the matching has no pairs.
///
/// # Errors
///
/// [`crate::Error::is_invalid_diagram`] if a bar has a NaN, an infinite birth, a death before its
/// birth, or a persistence that overflows.
///
/// # Cost
///
/// For n and m finite bars O(n m) if all births are equal; else O(n m log(n m)) and a logarithmic
/// number of matchings of bars on bit sets.
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
        return Ok(Matching::impossible());
    };
    let pairs = diagrams.pairs(&finite_bottleneck(&diagrams, ground_norm), ground_norm);
    let distance = pairs.iter().map(|pair| pair.length).fold(0.0, f64::max);
    Ok(Matching {
        pairs,
        distance,
        cost: distance,
    })
}

/// Partners of the finite bars of the first diagram in a bottleneck matching.
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

/// A matching costs as much as its longest pair.
struct Longest;

impl PairCost for Longest {
    fn of_length(&self, length: f64) -> f64 {
        length
    }

    fn join(&self, a: f64, b: f64) -> f64 {
        if a > b { a } else { b }
    }
}

/// All lengths that a pair can have; `between` goes row by row over the first diagram.
struct Lengths {
    first_alone: Vec<f64>,
    second_alone: Vec<f64>,
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

    /// A length that some bar needs whatever its partner.
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

    /// Lengths above `low` up to that at which all bars can go to the diagonal, in order.
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

    /// A matching without a pair longer than `length`, if there is one.
    fn within(&self, length: f64) -> Option<Vec<Option<usize>>> {
        let required = |alone: &[f64]| alone.iter().map(|&other| other > length).collect();
        covering_partners(Threshold {
            first_required: required(&self.first_alone),
            second_required: required(&self.second_alone),
            near: |i, j| self.between[i * self.second_alone.len() + j] <= length,
        })
    }
}

/// Binary search for the least length that admits a matching.
fn search(lengths: &Lengths) -> Vec<Option<usize>> {
    let low = lengths.lower_bound();
    if let Some(partners) = lengths.within(low) {
        return partners;
    }
    let candidates = lengths.candidates_above(low);
    let (mut start, mut end) = (0, candidates.len());
    // At the largest candidate every bar can go to the diagonal.
    let mut best = vec![None; lengths.first_alone.len()];
    while start < end {
        let middle = start + (end - start) / 2;
        match lengths.within(candidates[middle]) {
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
    fn programme_for_equal_births_agrees_with_the_search() {
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
    fn one_long_bar_leaves_the_others_to_the_diagonal() {
        let first = [[0.0, 10.0], [1.0, 2.0]];
        let matching = bottleneck(&first, &[[0.0, 7.0]], GroundNorm::Infinity).unwrap();
        assert_eq!(matching.distance, 3.0);
        assert_eq!(matching.longest(), Some(0));
    }

    #[test]
    fn empty_diagrams_are_at_distance_zero_and_have_no_pair() {
        let matching = bottleneck(&[], &[], GroundNorm::L2).unwrap();
        assert_eq!((matching.distance, matching.longest()), (0.0, None));
    }
}

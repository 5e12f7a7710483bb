//! Fréchet means of persistence diagrams.

use super::matching::{BarPair, GroundNorm, Point};
use super::wasserstein::wasserstein;
use crate::error::{Error, Result};

/// Largest number of rounds of matching and averaging; about ten are usual.
const MAX_ROUNDS: usize = 200;

/// Fréchet mean of diagrams, and their variance around it.
///
/// # Example
///
/// ```
/// use burn_topology::topology::frechet_mean;
///
/// // One bar that both diagrams have, and one that only the second has.
/// let mean = frechet_mean(&[vec![[0.0, 4.0]], vec![[0.0, 6.0], [1.0, 3.0]]])?;
/// assert_eq!(mean.bars, [[0.0, 5.0], [1.5, 2.5]]);
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct FrechetMean {
    /// Births and deaths of the bars of the mean.
    pub bars: Vec<Point>,
    /// Mean of the squared Wasserstein distances between the mean and the diagrams.
    pub variance: f64,
    /// Number of rounds until no matching changed, at most 200.
    pub n_rounds: usize,
}

/// Computes a Fréchet mean: a diagram with a locally minimal sum of squared distances to the given ones.
///
/// ```text
/// mean = argmin over diagrams M of sum over i of W_2(M, D_i)^2,   ground norm L2
/// ```
///
/// L2 is the ground norm in which the mean of points minimises the sum of squares. Essential bars must be
/// left out.
///
/// The search starts from the given diagram with the smallest sum, the first at ties. Each round matches the
/// present mean with every diagram, and moves each of its bars to the mean of its partners, where the
/// diagonal counts as its nearest point. A bar of a diagram that is matched with the diagonal becomes a new
/// bar of the mean. The sum never grows, and the search ends when no matching changes. For more than two
/// diagrams there can be several local minima, and the result need not be the global one; the same diagrams
/// always give the same result.
///
/// # Errors
///
/// [`Error::is_invalid_parameter`] without diagrams or with an essential bar, and the errors of
/// [`wasserstein`].
///
/// # Cost
///
/// One matching for every pair of diagrams at the start. Then one matching per round and diagram, with a mean
/// that can have as many bars as all diagrams together.
///
/// # Source
///
/// Turner, Mileyko, Mukherjee and Harer, "Fréchet Means for Distributions of Persistence Diagrams",
/// Discrete & Computational Geometry 52, 2014, algorithm 1.
///
/// # Example
///
/// ```
/// use burn_topology::topology::frechet_mean;
///
/// let same = vec![[0.0, 1.0], [0.5, 2.0]];
/// let mean = frechet_mean(&[same.clone(), same.clone(), same.clone()])?;
/// assert_eq!((mean.bars, mean.variance), (same, 0.0));
/// # Ok::<(), burn_topology::Error>(())
/// ```
pub fn frechet_mean(diagrams: &[Vec<Point>]) -> Result<FrechetMean> {
    let essential = diagrams.iter().flatten().find(|bar| !bar[1].is_finite());
    if let Some(bar) = essential {
        return Err(Error::invalid_parameter(format!(
            "a diagram has the bar ({}, {}), expected finite bars; leave out essential ones",
            bar[0], bar[1]
        )));
    }
    let mut bars = medoid(diagrams)?;
    let mut previous: Option<Groups> = None;
    for n_rounds in 1..=MAX_ROUNDS {
        let (groups, cost) = Groups::match_all(&bars, diagrams)?;
        // The same groups have the same means: nothing would move.
        if previous.as_ref() == Some(&groups) || n_rounds == MAX_ROUNDS {
            return Ok(FrechetMean {
                bars,
                variance: cost / diagrams.len() as f64,
                n_rounds,
            });
        }
        bars = groups.means(diagrams);
        previous = Some(groups.renumbered(diagrams));
    }
    unreachable!("the last round returns")
}

/// The given diagram with the smallest sum of squared distances to all others, the first at ties.
fn medoid(diagrams: &[Vec<Point>]) -> Result<Vec<Point>> {
    let mut best: Option<(f64, usize)> = None;
    for (index, candidate) in diagrams.iter().enumerate() {
        let sum = diagrams
            .iter()
            .map(|other| squared_distance(candidate, other))
            .sum::<Result<f64>>()?;
        // Strictly smaller, so that the first diagram wins at ties.
        if best.is_none_or(|(least, _)| sum < least) {
            best = Some((sum, index));
        }
    }
    match best {
        Some((_, index)) => Ok(diagrams[index].clone()),
        None => Err(Error::invalid_parameter(
            "there is no diagram to take the mean of, expected at least one",
        )),
    }
}

/// Squared Wasserstein distance of order 2 in the ground norm L2.
fn squared_distance(first: &[Point], second: &[Point]) -> Result<f64> {
    Ok(wasserstein(first, second, 2.0, GroundNorm::L2)?.cost)
}

/// Bars of all diagrams in groups that are averaged: one group per bar of a mean.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Groups {
    /// For each bar of the mean and each diagram, the bar matched with it; `None` for the diagonal.
    partners: Vec<Vec<Option<usize>>>,
    /// Diagram and index of each bar that is matched with the diagonal, and forms a group of its own.
    alone: Vec<(usize, usize)>,
}

impl Groups {
    /// Matches a mean with all diagrams, and returns the groups and the sum of squared distances.
    fn match_all(bars: &[Point], diagrams: &[Vec<Point>]) -> Result<(Self, f64)> {
        let mut groups = Self {
            partners: vec![vec![None; diagrams.len()]; bars.len()],
            alone: Vec::new(),
        };
        let mut cost = 0.0;
        for (index, diagram) in diagrams.iter().enumerate() {
            let matching = wasserstein(bars, diagram, 2.0, GroundNorm::L2)?;
            cost += matching.cost;
            for pair in matching.pairs {
                match pair.bars {
                    BarPair::Bars(bar, other) => groups.partners[bar][index] = Some(other),
                    // The bar keeps no partner in this diagram.
                    BarPair::FirstToDiagonal(_) => {}
                    BarPair::SecondToDiagonal(other) => groups.alone.push((index, other)),
                }
            }
        }
        Ok((groups, cost))
    }

    /// Births and deaths of the bars of each group that has any.
    ///
    /// A bar of the mean that is matched with the diagonal everywhere has none, and disappears.
    fn points<'a>(&'a self, diagrams: &'a [Vec<Point>]) -> impl Iterator<Item = Vec<Point>> + 'a {
        let matched = self.partners.iter().map(|partners| -> Vec<Point> {
            partners
                .iter()
                .enumerate()
                .filter_map(|(index, other)| other.map(|other| diagrams[index][other]))
                .collect()
        });
        let alone = self
            .alone
            .iter()
            .map(|&(index, other)| vec![diagrams[index][other]]);
        matched.filter(|group| !group.is_empty()).chain(alone)
    }

    /// Bars of the next mean, one per group.
    fn means(&self, diagrams: &[Vec<Point>]) -> Vec<Point> {
        self.points(diagrams)
            .map(|group| group_mean(&group, diagrams.len()))
            .collect()
    }

    /// Returns the groups with one entry of `partners` per bar of the next mean, for comparison with its
    /// matching.
    fn renumbered(&self, diagrams: &[Vec<Point>]) -> Self {
        let kept = self
            .partners
            .iter()
            .filter(|partners| partners.iter().any(Option::is_some))
            .cloned();
        let alone = self.alone.iter().map(|&(index, other)| {
            let mut partners = vec![None; diagrams.len()];
            partners[index] = Some(other);
            partners
        });
        Self {
            partners: kept.chain(alone).collect(),
            alone: Vec::new(),
        }
    }
}

/// The point that minimises the sum of squared distances to the bars of a group and to the diagonal.
///
/// The diagonal counts once for each diagram that has no bar in the group. With `b` the mean bar, `m` its
/// nearest point of the diagonal and `s` the share of diagrams that have a bar,
///
/// ```text
/// mean = s b + (1 - s) m
/// ```
fn group_mean(group: &[Point], n_diagrams: usize) -> Point {
    let share = group.len() as f64 / n_diagrams as f64;
    let mean = |end: usize| group.iter().map(|bar| bar[end]).sum::<f64>() / group.len() as f64;
    let [birth, death] = [mean(0), mean(1)];
    let middle = (birth + death) / 2.0;
    [birth, death].map(|end| share * end + (1.0 - share) * middle)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum_of_squares(mean: &[Point], diagrams: &[Vec<Point>]) -> f64 {
        diagrams
            .iter()
            .map(|diagram| squared_distance(mean, diagram).unwrap())
            .sum()
    }

    /// Smallest sum of squares of any mean, by trying all partitions of the bars into groups with at most one
    /// bar of each diagram: the mean of a group is the best bar for it.
    fn least(diagrams: &[Vec<Point>]) -> f64 {
        let bars: Vec<(usize, Point)> = diagrams
            .iter()
            .enumerate()
            .flat_map(|(index, diagram)| diagram.iter().map(move |bar| (index, *bar)))
            .collect();
        let mut groups = Vec::new();
        least_from(&bars, &mut groups, diagrams.len())
    }

    fn least_from(
        bars: &[(usize, Point)],
        groups: &mut Vec<Vec<(usize, Point)>>,
        n_diagrams: usize,
    ) -> f64 {
        let Some((&(index, bar), rest)) = bars.split_first() else {
            return groups
                .iter()
                .map(|group| group_cost(group, n_diagrams))
                .sum();
        };
        groups.push(vec![(index, bar)]);
        let mut best = least_from(rest, groups, n_diagrams);
        groups.pop();
        for group in 0..groups.len() {
            if groups[group].iter().all(|(other, _)| *other != index) {
                groups[group].push((index, bar));
                best = best.min(least_from(rest, groups, n_diagrams));
                groups[group].pop();
            }
        }
        best
    }

    fn group_cost(group: &[(usize, Point)], n_diagrams: usize) -> f64 {
        let points: Vec<Point> = group.iter().map(|(_, bar)| *bar).collect();
        let mean = group_mean(&points, n_diagrams);
        let to_bars: f64 = points
            .iter()
            .map(|bar| GroundNorm::L2.distance(*bar, mean).powi(2))
            .sum();
        let n_others = (n_diagrams - group.len()) as f64;
        to_bars + n_others * GroundNorm::L2.to_diagonal(mean).powi(2)
    }

    fn diagram(max_bars: usize) -> impl Strategy<Value = Vec<Point>> {
        let bar = (0.0..4.0, 0.1..4.0).prop_map(|(birth, length)| [birth, birth + length]);
        proptest::collection::vec(bar, 0..=max_bars)
    }

    proptest! {
        #[test]
        fn mean_of_two_diagrams_lies_half_way(a in diagram(4), b in diagram(4)) {
            let squared = squared_distance(&a, &b).unwrap();
            let mean = frechet_mean(&[a.clone(), b.clone()]).unwrap();
            prop_assert!((mean.variance - squared / 4.0).abs() <= 1e-9 * (1.0 + squared));
            for side in [&a, &b] {
                let distance = squared_distance(&mean.bars, side).unwrap();
                prop_assert!((distance - squared / 4.0).abs() <= 1e-9 * (1.0 + squared));
            }
        }

        #[test]
        fn mean_lies_between_the_optimum_and_every_diagram(
            diagrams in proptest::collection::vec(diagram(2), 1..4),
        ) {
            let mean = frechet_mean(&diagrams).unwrap();
            let actual = sum_of_squares(&mean.bars, &diagrams);
            prop_assert!((actual - mean.variance * diagrams.len() as f64).abs() < 1e-9);
            prop_assert!(actual >= least(&diagrams) - 1e-9);
            for diagram in &diagrams {
                prop_assert!(actual <= sum_of_squares(diagram, &diagrams) + 1e-9);
            }
            // A local minimum: moving a bar does not reduce the sum.
            for bar in 0..mean.bars.len() {
                for step in [[1e-4, 0.0], [-1e-4, 0.0], [0.0, 1e-4], [0.0, -1e-4]] {
                    let mut moved = mean.bars.clone();
                    moved[bar] = [moved[bar][0] + step[0], moved[bar][1] + step[1]];
                    if moved[bar][0] <= moved[bar][1] {
                        prop_assert!(sum_of_squares(&moved, &diagrams) >= actual - 1e-9);
                    }
                }
            }
        }

        #[test]
        fn mean_scales_with_the_diagrams(diagrams in proptest::collection::vec(diagram(3), 1..4)) {
            let times = |factor: f64, bars: &[Point]| -> Vec<Point> {
                bars.iter().map(|bar| bar.map(|end| factor * end)).collect()
            };
            let scaled: Vec<Vec<Point>> = diagrams.iter().map(|d| times(4.0, d)).collect();
            let [mean, scaled] = [&diagrams, &scaled].map(|d| frechet_mean(d).unwrap());
            prop_assert_eq!(times(4.0, &mean.bars), scaled.bars);
        }
    }

    #[test]
    fn mean_of_three_single_bars_is_optimal() {
        let diagrams = [vec![[0.0, 6.0]], vec![[0.0, 9.0]], vec![[3.0, 9.0]]];
        let mean = frechet_mean(&diagrams).unwrap();
        assert_eq!(mean.bars, [[1.0, 8.0]]);
        assert!((mean.variance * 3.0 - least(&diagrams)).abs() < 1e-12);
    }

    #[test]
    fn missing_diagrams_and_essential_bars_are_errors() {
        assert!(frechet_mean(&[]).unwrap_err().is_invalid_parameter());
        let essential = frechet_mean(&[vec![[0.0, f64::INFINITY]]]).unwrap_err();
        assert!(essential.to_string().contains("leave out essential ones"));
        let empty = frechet_mean(&[vec![], vec![]]).unwrap();
        assert_eq!((empty.bars.len(), empty.variance), (0, 0.0));
    }
}

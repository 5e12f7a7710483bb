//! The mean of persistence diagrams.

use super::matching::{GroundNorm, Pairing, Point};
use super::wasserstein::wasserstein;
use crate::error::{Error, Result};

/// Rounds of matching and averaging at most; some ten are usual.
const MOST_ROUNDS: usize = 200;

/// A mean of diagrams, and how far they are from it.
///
/// # Example
///
/// ```
/// use burn_topology::topology::frechet_mean;
///
/// // Two bars that go together, and one that a half of the diagrams has.
/// let mean = frechet_mean(&[vec![[0.0, 4.0]], vec![[0.0, 6.0], [1.0, 3.0]]])?;
/// assert_eq!(mean.bars, [[0.0, 5.0], [1.5, 2.5]]);
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct FrechetMean {
    /// Births and deaths.
    pub bars: Vec<Point>,
    /// Mean of the squared distances to the diagrams.
    pub variance: f64,
    /// Rounds until no matching changed any more, or 200.
    pub n_rounds: usize,
}

/// A diagram whose squared 2-Wasserstein distances to the given ones (ground norm L2, in which means are
/// least squares) have a locally least sum; essential bars are to be left out.
///
/// From the given diagram that is nearest to all others, the first at ties, each round matches the mean
/// so far with every diagram and moves each bar to the mean of what it is matched with, the diagonal being
/// matched at the nearest point. A bar that meets the diagonal of the mean starts a bar of its own. The
/// sum never grows, and the last round changes no matching. There can be several local minima and, of more
/// than two diagrams, no warrant that this is the least one; the same diagrams always give the same one.
///
/// # Errors
///
/// [`Error::is_invalid_parameter`] without diagrams or with an essential bar; as [`wasserstein`].
///
/// # Cost
///
/// A matching for every pair of diagrams at first, then one for each diagram and round with a mean that
/// can have as many bars as all diagrams together.
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
            "a diagram has the bar ({}, {}), expected finite bars; leave essential ones out",
            bar[0], bar[1]
        )));
    }
    let mut bars = medoid(diagrams)?;
    let mut before = None;
    for n_rounds in 1..=MOST_ROUNDS {
        let (matched, cost) = Matched::new(&bars, diagrams)?;
        // The same matching has the same means: nothing would move.
        if before.as_ref() == Some(&matched) || n_rounds == MOST_ROUNDS {
            return Ok(FrechetMean {
                bars,
                variance: cost / diagrams.len() as f64,
                n_rounds,
            });
        }
        bars = matched.means(diagrams);
        before = Some(matched.of_moved(diagrams));
    }
    unreachable!("the last round returns")
}

/// The diagram with the least sum of squared distances to all.
fn medoid(diagrams: &[Vec<Point>]) -> Result<Vec<Point>> {
    let mut best: Option<(f64, usize)> = None;
    for (place, candidate) in diagrams.iter().enumerate() {
        let costs = diagrams.iter().map(|other| cost(candidate, other));
        let sum = costs.sum::<Result<f64>>()?;
        if best.is_none_or(|(least, _)| sum < least) {
            best = Some((sum, place));
        }
    }
    match best {
        Some((_, place)) => Ok(diagrams[place].clone()),
        None => Err(Error::invalid_parameter(
            "there is no diagram to take the mean of, expected one at least",
        )),
    }
}

fn cost(first: &[Point], second: &[Point]) -> Result<f64> {
    Ok(wasserstein(first, second, 2.0, GroundNorm::L2)?.cost)
}

/// What each bar of a mean is matched with.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Matched {
    /// By bar of the mean, then diagram: its bar there; `None` for the diagonal.
    of_bars: Vec<Vec<Option<usize>>>,
    /// Diagram and bar of what is matched with the diagonal of the mean.
    alone: Vec<(usize, usize)>,
}

impl Matched {
    fn new(bars: &[Point], diagrams: &[Vec<Point>]) -> Result<(Self, f64)> {
        let mut found = Self {
            of_bars: vec![vec![None; diagrams.len()]; bars.len()],
            alone: Vec::new(),
        };
        let mut cost = 0.0;
        for (place, diagram) in diagrams.iter().enumerate() {
            let matching = wasserstein(bars, diagram, 2.0, GroundNorm::L2)?;
            cost += matching.cost;
            for pair in matching.pairs {
                match pair.bars {
                    Pairing::Bars(bar, other) => found.of_bars[bar][place] = Some(other),
                    Pairing::FirstToDiagonal(_) => {}
                    Pairing::SecondToDiagonal(other) => found.alone.push((place, other)),
                }
            }
        }
        Ok((found, cost))
    }

    /// The groups of bars of which there is anything.
    fn groups<'a>(&'a self, diagrams: &'a [Vec<Point>]) -> impl Iterator<Item = Vec<Point>> + 'a {
        let of_bar = |bar: &Vec<Option<usize>>| -> Vec<Point> {
            let matched = bar.iter().enumerate();
            matched
                .filter_map(|(place, other)| other.map(|other| diagrams[place][other]))
                .collect()
        };
        let of_bars = self.of_bars.iter().map(of_bar);
        let alone = self.alone.iter();
        let alone = alone.map(|&(place, other)| vec![diagrams[place][other]]);
        of_bars.filter(|group| !group.is_empty()).chain(alone)
    }

    fn means(&self, diagrams: &[Vec<Point>]) -> Vec<Point> {
        let means = self.groups(diagrams);
        means
            .map(|group| group_mean(&group, diagrams.len()))
            .collect()
    }

    /// This matching in the numbers of the bars that its means are.
    fn of_moved(&self, diagrams: &[Vec<Point>]) -> Self {
        let kept = self.of_bars.iter();
        let kept = kept.filter(|bar| bar.iter().any(Option::is_some)).cloned();
        let alone = self.alone.iter().map(|&(place, other)| {
            let mut bar = vec![None; diagrams.len()];
            bar[place] = Some(other);
            bar
        });
        Self {
            of_bars: kept.chain(alone).collect(),
            alone: Vec::new(),
        }
    }
}

/// The point with the least sum of squares to the group's bars and, for all other diagrams, to the
/// diagonal.
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
            .map(|diagram| cost(mean, diagram).unwrap())
            .sum()
    }

    /// The least sum of squares of any mean, by going through all ways to put bars into groups with at most
    /// one of each diagram: the mean of a group is the best bar for it.
    fn least(diagrams: &[Vec<Point>]) -> f64 {
        let bars: Vec<(usize, Point)> = diagrams
            .iter()
            .enumerate()
            .flat_map(|(place, diagram)| diagram.iter().map(move |bar| (place, *bar)))
            .collect();
        let mut groups = Vec::new();
        least_from(&bars, &mut groups, diagrams.len())
    }

    fn least_from(
        bars: &[(usize, Point)],
        groups: &mut Vec<Vec<(usize, Point)>>,
        n_diagrams: usize,
    ) -> f64 {
        let Some((&(place, bar), rest)) = bars.split_first() else {
            return groups
                .iter()
                .map(|group| group_cost(group, n_diagrams))
                .sum();
        };
        groups.push(vec![(place, bar)]);
        let mut best = least_from(rest, groups, n_diagrams);
        groups.pop();
        for group in 0..groups.len() {
            if groups[group].iter().all(|(other, _)| *other != place) {
                groups[group].push((place, bar));
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

    fn diagram(most: usize) -> impl Strategy<Value = Vec<Point>> {
        let bar = (0.0..4.0, 0.1..4.0).prop_map(|(birth, length)| [birth, birth + length]);
        proptest::collection::vec(bar, 0..=most)
    }

    proptest! {
        #[test]
        fn of_two_diagrams_it_lies_half_way(a in diagram(4), b in diagram(4)) {
            let apart = cost(&a, &b).unwrap();
            let mean = frechet_mean(&[a.clone(), b.clone()]).unwrap();
            prop_assert!((mean.variance - apart / 4.0).abs() <= 1e-9 * (1.0 + apart));
            for side in [&a, &b] {
                let distance = cost(&mean.bars, side).unwrap();
                prop_assert!((distance - apart / 4.0).abs() <= 1e-9 * (1.0 + apart));
            }
        }

        #[test]
        fn no_mean_is_better_than_the_best_and_none_worse_than_a_diagram(
            diagrams in proptest::collection::vec(diagram(2), 1..4),
        ) {
            let mean = frechet_mean(&diagrams).unwrap();
            let found = sum_of_squares(&mean.bars, &diagrams);
            prop_assert!((found - mean.variance * diagrams.len() as f64).abs() < 1e-9);
            prop_assert!(found >= least(&diagrams) - 1e-9);
            for diagram in &diagrams {
                prop_assert!(found <= sum_of_squares(diagram, &diagrams) + 1e-9);
            }
            // A local minimum: no bar gets better by moving.
            for bar in 0..mean.bars.len() {
                for step in [[1e-4, 0.0], [-1e-4, 0.0], [0.0, 1e-4], [0.0, -1e-4]] {
                    let mut moved = mean.bars.clone();
                    moved[bar] = [moved[bar][0] + step[0], moved[bar][1] + step[1]];
                    if moved[bar][0] <= moved[bar][1] {
                        prop_assert!(sum_of_squares(&moved, &diagrams) >= found - 1e-9);
                    }
                }
            }
        }

        #[test]
        fn it_scales_with_the_diagrams(diagrams in proptest::collection::vec(diagram(3), 1..4)) {
            let times = |factor: f64, bars: &[Point]| -> Vec<Point> {
                bars.iter().map(|bar| bar.map(|end| factor * end)).collect()
            };
            let scaled: Vec<Vec<Point>> = diagrams.iter().map(|d| times(4.0, d)).collect();
            let [mean, scaled] = [&diagrams, &scaled].map(|d| frechet_mean(d).unwrap());
            prop_assert_eq!(times(4.0, &mean.bars), scaled.bars);
        }
    }

    #[test]
    fn the_best_of_three_single_bars_is_found() {
        let diagrams = [vec![[0.0, 6.0]], vec![[0.0, 9.0]], vec![[3.0, 9.0]]];
        let mean = frechet_mean(&diagrams).unwrap();
        assert_eq!(mean.bars, [[1.0, 8.0]]);
        assert!((mean.variance * 3.0 - least(&diagrams)).abs() < 1e-12);
    }

    #[test]
    fn nothing_and_endless_bars_are_refused() {
        assert!(frechet_mean(&[]).unwrap_err().is_invalid_parameter());
        let endless = frechet_mean(&[vec![[0.0, f64::INFINITY]]]).unwrap_err();
        assert!(endless.to_string().contains("leave essential ones out"));
        let empty = frechet_mean(&[vec![], vec![]]).unwrap();
        assert_eq!((empty.bars.len(), empty.variance), (0, 0.0));
    }
}

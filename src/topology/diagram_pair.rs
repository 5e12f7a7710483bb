//! Pairs of checked diagrams, split into finite and essential bars.

use super::matching::{BarPair, GroundNorm, MatchedPair, Point};
use crate::error::{Error, Result};

/// Two valid diagrams with the same number of essential bars.
#[derive(Debug)]
pub(super) struct DiagramPair<'a> {
    first: SplitDiagram<'a>,
    second: SplitDiagram<'a>,
}

/// One diagram, split into finite and essential bars.
#[derive(Debug)]
struct SplitDiagram<'a> {
    points: &'a [Point],
    /// Finite bars, copied so that the solvers read them in one piece.
    finite: Vec<Point>,
    /// Index in `points` of each bar of `finite`.
    finite_indices: Vec<usize>,
    /// Indices in `points` of the essential bars by birth, the lowest index first at ties.
    essential_indices: Vec<usize>,
}

impl<'a> DiagramPair<'a> {
    /// Checks and splits two diagrams; `None` if their numbers of essential bars differ.
    ///
    /// # Errors
    ///
    /// [`Error::is_invalid_diagram`] for the bars that [`super::wasserstein()`] rejects.
    pub(super) fn new(first: &'a [Point], second: &'a [Point]) -> Result<Option<Self>> {
        let first = SplitDiagram::new(first).map_err(|error| error.within("first diagram"))?;
        let second = SplitDiagram::new(second).map_err(|error| error.within("second diagram"))?;
        let has_finite_matching = first.essential_indices.len() == second.essential_indices.len();
        Ok(has_finite_matching.then_some(Self { first, second }))
    }

    /// Finite bars of the first diagram.
    pub(super) fn first(&self) -> &[Point] {
        &self.first.finite
    }

    /// Finite bars of the second diagram.
    pub(super) fn second(&self) -> &[Point] {
        &self.second.finite
    }

    /// Indices of the finite bars in the first and in the second diagram.
    pub(super) fn finite_indices(&self) -> [&[usize]; 2] {
        [&self.first.finite_indices, &self.second.finite_indices]
    }

    /// Indices of the essential bars in the first and in the second diagram, in ascending order of birth.
    pub(super) fn essential_indices(&self) -> [&[usize]; 2] {
        [
            &self.first.essential_indices,
            &self.second.essential_indices,
        ]
    }

    /// Any finite bar of either diagram; `None` if there is none.
    pub(super) fn any_finite_bar(&self) -> Option<Point> {
        self.first().iter().chain(self.second()).next().copied()
    }

    /// True if the finite bars of both diagrams all have the same birth, as in dimension 0.
    pub(super) fn has_equal_births(&self) -> bool {
        let mut births = self.first().iter().chain(self.second()).map(|bar| bar[0]);
        births
            .next()
            .is_none_or(|birth| births.all(|other| other == birth))
    }

    /// Lengths of all pairs of a matching of the finite bars, those with the diagonal included.
    ///
    /// `partners[i]` is the bar of the second diagram that is matched with bar `i` of the first, or `None`
    /// for the diagonal.
    pub(super) fn finite_lengths(
        &self,
        partners: &[Option<usize>],
        ground_norm: GroundNorm,
    ) -> Vec<f64> {
        pair_up(self.first().len(), self.second().len(), |i| partners[i])
            .map(|bars| bars.points(self.first(), self.second()).length(ground_norm))
            .collect()
    }

    /// Matched pairs in the indices of the whole diagrams: finite bars by `partners`, essential bars with
    /// each other in ascending order of birth.
    pub(super) fn pairs(
        &self,
        partners: &[Option<usize>],
        ground_norm: GroundNorm,
    ) -> Vec<MatchedPair> {
        let mut partner = vec![None; self.first.points.len()];
        for (&index, other) in self.first.finite_indices.iter().zip(partners) {
            partner[index] = other.map(|j| self.second.finite_indices[j]);
        }
        // Essential bars differ by their births only, and matching numbers in ascending order is optimal.
        for (&i, &j) in self
            .first
            .essential_indices
            .iter()
            .zip(&self.second.essential_indices)
        {
            partner[i] = Some(j);
        }
        pair_up(self.first.points.len(), self.second.points.len(), |i| {
            partner[i]
        })
        .map(|bars| {
            let length = bars
                .points(self.first.points, self.second.points)
                .length(ground_norm);
            MatchedPair { bars, length }
        })
        .collect()
    }
}

impl<'a> SplitDiagram<'a> {
    fn new(points: &'a [Point]) -> Result<Self> {
        let mut split = Self {
            points,
            finite: Vec::with_capacity(points.len()),
            finite_indices: Vec::with_capacity(points.len()),
            essential_indices: Vec::new(),
        };
        for (index, &bar) in points.iter().enumerate() {
            check(index, bar)?;
            if bar[1].is_finite() {
                split.finite.push(bar);
                split.finite_indices.push(index);
            } else {
                split.essential_indices.push(index);
            }
        }
        // A stable sort, so that the lowest index comes first at ties.
        split
            .essential_indices
            .sort_by(|&i, &j| points[i][0].total_cmp(&points[j][0]));
        Ok(split)
    }
}

/// Pairs of a matching of `n` and `m` bars, in the order that [`super::Matching`] documents.
fn pair_up(
    n: usize,
    m: usize,
    partner: impl Fn(usize) -> Option<usize>,
) -> impl Iterator<Item = BarPair<usize>> {
    let mut matched = vec![false; m];
    let mut pairs = Vec::with_capacity(n + m);
    for i in 0..n {
        pairs.push(match partner(i) {
            Some(j) => {
                matched[j] = true;
                BarPair::Bars(i, j)
            }
            None => BarPair::FirstToDiagonal(i),
        });
    }
    pairs.extend(
        (0..m)
            .filter(|&j| !matched[j])
            .map(BarPair::SecondToDiagonal),
    );
    pairs.into_iter()
}

/// Checks that a bar has a finite birth and a persistence that an `f64` can hold.
fn check(index: usize, [birth, death]: Point) -> Result<()> {
    let problem = if birth.is_nan() || death.is_nan() {
        "has a NaN, expected numbers"
    } else if birth.is_infinite() {
        "has an infinite birth, expected a finite one"
    } else if death < birth {
        "dies before its birth, expected death >= birth"
    } else if death.is_finite() && (death - birth).is_infinite() {
        "has a persistence that overflows an f64, expected a finite one; rescale the diagrams"
    } else {
        return Ok(());
    };
    Err(Error::invalid_diagram(format!(
        "bar {index} [{birth}, {death}] {problem}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f64 = f64::INFINITY;

    fn message(first: &[Point], second: &[Point]) -> String {
        let error = DiagramPair::new(first, second).unwrap_err();
        assert!(error.is_invalid_diagram());
        error.to_string()
    }

    #[test]
    fn errors_name_the_diagram_the_bar_and_its_values() {
        assert_eq!(
            message(&[[0.0, 1.0], [2.0, 1.5]], &[]),
            "first diagram: bar 1 [2, 1.5] dies before its birth, expected death >= birth"
        );
        assert_eq!(
            message(&[], &[[0.0, f64::NAN]]),
            "second diagram: bar 0 [0, NaN] has a NaN, expected numbers"
        );
    }

    #[test]
    fn infinite_births_and_negative_infinite_deaths_are_errors() {
        assert!(message(&[[INF, INF]], &[]).contains("infinite birth"));
        assert!(message(&[[-INF, 0.0]], &[]).contains("infinite birth"));
        assert!(message(&[[0.0, -INF]], &[]).contains("dies before its birth"));
        assert!(message(&[[-1e308, 1e308]], &[]).contains("rescale"));
    }

    #[test]
    fn essential_bars_are_matched_in_order_of_birth() {
        let first = [[2.0, INF], [0.0, 1.0], [0.0, INF]];
        let second = [[1.0, INF], [3.5, INF]];
        let pair = DiagramPair::new(&first, &second).unwrap().unwrap();
        let pairs = pair.pairs(&[None], GroundNorm::L2);
        let bars: Vec<_> = pairs.iter().map(|pair| pair.bars).collect();
        let expected = [
            BarPair::Bars(0, 1),
            BarPair::FirstToDiagonal(1),
            BarPair::Bars(2, 0),
        ];
        assert_eq!(bars, expected);
        assert_eq!([pairs[0].length, pairs[2].length], [1.5, 1.0]);
    }

    #[test]
    fn different_numbers_of_essential_bars_cannot_be_matched() {
        assert!(
            DiagramPair::new(&[[0.0, INF]], &[[0.0, 1.0]])
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn births_of_essential_bars_do_not_have_to_be_equal() {
        let first = [[0.0, 1.0], [5.0, INF]];
        let second = [[7.0, INF], [0.0, 2.0]];
        assert!(
            DiagramPair::new(&first, &second)
                .unwrap()
                .unwrap()
                .has_equal_births()
        );
        assert!(
            DiagramPair::new(&[], &[])
                .unwrap()
                .unwrap()
                .has_equal_births()
        );
        let other = [[1.0, 1.0], [7.0, INF]];
        assert!(
            !DiagramPair::new(&first, &other)
                .unwrap()
                .unwrap()
                .has_equal_births()
        );
    }
}

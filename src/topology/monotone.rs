//! Matching of bars with equal births, by dynamic programming over sorted deaths.

use super::matching::{GroundNorm, Point};

/// How lengths of pairs add up to the cost of a matching.
pub(super) trait PairCost {
    /// Cost of one pair of this length; grows with the length.
    fn of_length(&self, length: f64) -> f64;
    /// Cost of two parts of a matching together.
    fn join(&self, a: f64, b: f64) -> f64;
}

/// Partners of the bars of `first` in an optimal matching, if all births are equal.
///
/// Among the bars that are matched with bars, deaths in order are optimal for every convex cost
/// and for the maximum; which of them go to the diagonal is what the programme decides. At ties
/// bars are matched with each other rather than with the diagonal.
///
/// # Cost
///
/// O(n log n + m log m + n m) time, one byte per cell of the n x m table.
pub(super) fn monotone_partners(
    first: &[Point],
    second: &[Point],
    ground_norm: GroundNorm,
    cost: &impl PairCost,
) -> Vec<Option<usize>> {
    let rows = Side::new(first, ground_norm, cost);
    let columns = Side::new(second, ground_norm, cost);
    let moves = fill(&rows, &columns, cost);
    let mut partners = vec![None; first.len()];
    let (mut i, mut j) = (first.len(), second.len());
    let width = second.len();
    while i > 0 && j > 0 {
        match moves[(i - 1) * width + j - 1] {
            MATCH => {
                (i, j) = (i - 1, j - 1);
                partners[rows.index[i]] = Some(columns.index[j]);
            }
            DROP_ROW => i -= 1,
            _ => j -= 1,
        }
    }
    partners
}

const MATCH: u8 = 0;
const DROP_ROW: u8 = 1;
const DROP_COLUMN: u8 = 2;

/// The bars of one diagram by death, the lowest index first at ties.
struct Side {
    index: Vec<usize>,
    death: Vec<f64>,
    to_diagonal: Vec<f64>,
}

impl Side {
    fn new(bars: &[Point], ground_norm: GroundNorm, cost: &impl PairCost) -> Self {
        let mut index: Vec<usize> = (0..bars.len()).collect();
        index.sort_by(|&i, &j| bars[i][1].total_cmp(&bars[j][1]));
        let death = index.iter().map(|&i| bars[i][1]).collect();
        let to_diagonal = index
            .iter()
            .map(|&i| cost.of_length(ground_norm.to_diagonal(bars[i])))
            .collect();
        Self {
            index,
            death,
            to_diagonal,
        }
    }
}

/// The last move of an optimal matching of every two prefixes, row by row.
fn fill(rows: &Side, columns: &Side, cost: &impl PairCost) -> Vec<u8> {
    let width = columns.death.len();
    let mut moves = vec![MATCH; rows.death.len() * width];
    if width == 0 {
        return moves;
    }
    let mut previous = vec![0.0; width + 1];
    for (j, &drop_column) in columns.to_diagonal.iter().enumerate() {
        previous[j + 1] = cost.join(previous[j], drop_column);
    }
    let mut current = vec![0.0; width + 1];
    for (i, row_moves) in moves.chunks_exact_mut(width).enumerate() {
        let drop_row = rows.to_diagonal[i];
        let death = rows.death[i];
        let mut left = cost.join(previous[0], drop_row);
        current[0] = left;
        let cells = previous.windows(2).zip(&mut current[1..]).zip(row_moves);
        let columns = columns.death.iter().zip(&columns.to_diagonal);
        for (((above, value), chosen), (&other, &drop_column)) in cells.zip(columns) {
            let matched = cost.join(above[0], cost.of_length((death - other).abs()));
            let dropped = cost.join(above[1], drop_row);
            let (best, choice) = if dropped < matched {
                (dropped, DROP_ROW)
            } else {
                (matched, MATCH)
            };
            let skipped = cost.join(left, drop_column);
            (left, *chosen) = if skipped < best {
                (skipped, DROP_COLUMN)
            } else {
                (best, choice)
            };
            *value = left;
        }
        std::mem::swap(&mut previous, &mut current);
    }
    moves
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sum;

    impl PairCost for Sum {
        fn of_length(&self, length: f64) -> f64 {
            length
        }
        fn join(&self, a: f64, b: f64) -> f64 {
            a + b
        }
    }

    fn partners(first: &[Point], second: &[Point]) -> Vec<Option<usize>> {
        monotone_partners(first, second, GroundNorm::Infinity, &Sum)
    }

    #[test]
    fn sorted_bars_go_to_the_diagonal_where_that_is_cheaper() {
        assert_eq!(
            partners(&[[0.0, 1.0], [0.0, 10.0]], &[[0.0, 10.0], [0.0, 30.0]]),
            [None, Some(0)]
        );
    }

    #[test]
    fn bars_are_matched_with_bars_at_ties() {
        assert_eq!(partners(&[[0.0, 1.0]], &[[0.0, 3.0]]), [Some(0)]);
    }

    #[test]
    fn equal_bars_are_matched_in_order_of_index() {
        let twice = [[0.0, 1.0], [0.0, 1.0]];
        assert_eq!(partners(&twice, &twice), [Some(0), Some(1)]);
    }

    #[test]
    fn empty_sides_leave_everything_to_the_diagonal() {
        assert_eq!(partners(&[[0.0, 1.0]], &[]), [None]);
        assert_eq!(partners(&[], &[[0.0, 1.0]]), []);
    }
}

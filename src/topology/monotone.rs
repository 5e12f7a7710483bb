//! Optimal matching of bars with equal births, by dynamic programming over sorted deaths.

use super::matching::{GroundNorm, Point};

/// Cost of a matching as a function of the lengths of its pairs.
pub(super) trait PairCost {
    /// Cost of one pair of this length; grows with the length.
    fn pair_cost(&self, length: f64) -> f64;
    /// Cost of two parts of a matching together.
    fn join(&self, a: f64, b: f64) -> f64;
}

/// Partners of the bars of `first` in an optimal matching, if all births are equal; `None` for the diagonal.
///
/// Among bars that are matched with bars, matching in order of death is optimal for every convex cost and
/// for the maximum. It remains to decide which bars are matched with the diagonal. With both diagrams
/// sorted by death, the least cost `c` of matching the first `i` bars of one with the first `j` of the other
/// is
///
/// ```text
/// c[i][j] = min(c[i-1][j-1] + pair cost of |death_i - death_j|,
///               c[i-1][j]   + cost of bar i with the diagonal,
///               c[i][j-1]   + cost of bar j with the diagonal)
/// ```
///
/// where `+` is [`PairCost::join`]. At ties bars are matched with each other rather than with the diagonal.
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
    // Follows the last moves back from the last cell. Where one side runs out, all bars that are left of
    // the other are matched with the diagonal.
    while i > 0 && j > 0 {
        match moves[(i - 1) * width + j - 1] {
            MATCH => {
                (i, j) = (i - 1, j - 1);
                partners[rows.indices[i]] = Some(columns.indices[j]);
            }
            DROP_ROW => i -= 1,
            _ => j -= 1,
        }
    }
    partners
}

/// Last move of a cell: the two last bars are matched with each other.
const MATCH: u8 = 0;
/// Last move of a cell: the last bar of the first diagram is matched with the diagonal.
const DROP_ROW: u8 = 1;
/// Last move of a cell: the last bar of the second diagram is matched with the diagonal.
const DROP_COLUMN: u8 = 2;

/// Bars of one diagram in ascending order of death, the lowest index first at ties.
struct Side {
    /// Index of each bar in its diagram.
    indices: Vec<usize>,
    deaths: Vec<f64>,
    /// Cost of matching each bar with the diagonal.
    diagonal_costs: Vec<f64>,
}

impl Side {
    fn new(bars: &[Point], ground_norm: GroundNorm, cost: &impl PairCost) -> Self {
        let mut indices: Vec<usize> = (0..bars.len()).collect();
        // A stable sort, so that equal bars keep the order of their indices.
        indices.sort_by(|&i, &j| bars[i][1].total_cmp(&bars[j][1]));
        let deaths = indices.iter().map(|&i| bars[i][1]).collect();
        let diagonal_costs = indices
            .iter()
            .map(|&i| cost.pair_cost(ground_norm.to_diagonal(bars[i])))
            .collect();
        Self {
            indices,
            deaths,
            diagonal_costs,
        }
    }
}

/// Computes the last move of an optimal matching of every two prefixes, row by row.
///
/// Costs are kept for two rows only; the moves suffice to recover the matching.
fn fill(rows: &Side, columns: &Side, cost: &impl PairCost) -> Vec<u8> {
    let width = columns.deaths.len();
    let mut moves = vec![MATCH; rows.deaths.len() * width];
    if width == 0 {
        return moves;
    }
    // Row 0: no bar of the first diagram, so all of the second are matched with the diagonal.
    let mut previous = vec![0.0; width + 1];
    for (j, &drop_column) in columns.diagonal_costs.iter().enumerate() {
        previous[j + 1] = cost.join(previous[j], drop_column);
    }
    let mut current = vec![0.0; width + 1];
    for (i, row_moves) in moves.chunks_exact_mut(width).enumerate() {
        let drop_row = rows.diagonal_costs[i];
        let death = rows.deaths[i];
        let mut left = cost.join(previous[0], drop_row);
        current[0] = left;
        let cells = previous.windows(2).zip(&mut current[1..]).zip(row_moves);
        let columns = columns.deaths.iter().zip(&columns.diagonal_costs);
        for (((above, value), chosen), (&other, &drop_column)) in cells.zip(columns) {
            let matched = cost.join(above[0], cost.pair_cost((death - other).abs()));
            let dropped = cost.join(above[1], drop_row);
            // Strict comparisons, so that a tie goes to the match.
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
        fn pair_cost(&self, length: f64) -> f64 {
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
    fn bars_are_matched_with_the_diagonal_where_that_is_cheaper() {
        assert_eq!(
            partners(&[[0.0, 1.0], [0.0, 10.0]], &[[0.0, 10.0], [0.0, 30.0]]),
            [None, Some(0)]
        );
    }

    #[test]
    fn ties_match_bars_with_bars() {
        assert_eq!(partners(&[[0.0, 1.0]], &[[0.0, 3.0]]), [Some(0)]);
    }

    #[test]
    fn equal_bars_are_matched_in_index_order() {
        let twice = [[0.0, 1.0], [0.0, 1.0]];
        assert_eq!(partners(&twice, &twice), [Some(0), Some(1)]);
    }

    #[test]
    fn bars_without_counterparts_are_matched_with_the_diagonal() {
        assert_eq!(partners(&[[0.0, 1.0]], &[]), [None]);
        assert_eq!(partners(&[], &[[0.0, 1.0]]), []);
    }
}

//! Partial assignment of least cost, by shortest augmenting paths (the Hungarian method).

use std::collections::VecDeque;

/// Number of bids per row before the search for shortest paths begins.
const BIDS_PER_ROW: usize = 2;

/// Costs of a partial assignment of rows to columns, in which any row or column may stay unassigned.
///
/// Only pairs that cost no more than leaving both sides alone are stored. Any other pair could be split at a gain,
/// and two persistence diagrams have few pairs of bars that are so close to each other.
#[derive(Debug)]
pub(super) struct PartialAssignment {
    n_columns: usize,
    /// Stored pairs of all rows, one row after the other and columns in ascending order.
    pairs: Vec<Pair>,
    /// Position in `pairs` at which each row ends.
    row_ends: Vec<usize>,
}

/// Pair of a row with a column.
#[derive(Debug, Clone, Copy)]
struct Pair {
    column: u32,
    /// Cost of the pair minus the costs of leaving its row and its column alone, at most 0.
    ///
    /// Leaving everything alone then costs 0 in total.
    excess: f64,
}

/// End of a shortest augmenting path.
enum End {
    /// A column that was free.
    Column(usize),
    /// The sink, reached from this row, which is left alone.
    Alone(usize),
}

/// State of the search: the assignment so far, dual values, and the buffers of one shortest path.
struct Search<'a> {
    costs: &'a PartialAssignment,
    /// Column assigned to each row.
    column_of: Vec<Option<usize>>,
    /// Row assigned to each column.
    row_of: Vec<Option<usize>>,
    row_dual: Vec<f64>,
    column_dual: Vec<f64>,
    /// Length of the shortest path from the root to each column; infinite for columns that no path has reached.
    distance: Vec<f64>,
    /// Row from which that path reaches the column.
    reached_from: Vec<usize>,
    /// Columns that a path has reached and whose distance is not final.
    open: Vec<usize>,
    /// Columns whose distance is final.
    settled: Vec<usize>,
    /// True for these columns.
    is_settled: Vec<bool>,
}

impl PartialAssignment {
    /// Takes the costs of rows and columns left alone, and those of pairs as `pair(row, column)`.
    pub(super) fn new(
        row_alone: &[f64],
        column_alone: &[f64],
        pair: impl Fn(usize, usize) -> f64,
    ) -> Self {
        let mut pairs = Vec::new();
        let mut row_ends = Vec::with_capacity(row_alone.len());
        for (i, row) in row_alone.iter().enumerate() {
            let columns = column_alone.iter().enumerate();
            let row_pairs = columns.map(|(j, column)| Pair {
                column: j as u32,
                excess: pair(i, j) - row - column,
            });
            pairs.extend(row_pairs.filter(|pair| pair.excess <= 0.0));
            row_ends.push(pairs.len());
        }
        Self {
            n_columns: column_alone.len(),
            pairs,
            row_ends,
        }
    }

    /// Stored pairs of a row.
    fn row(&self, row: usize) -> &[Pair] {
        let start = if row == 0 { 0 } else { self.row_ends[row - 1] };
        &self.pairs[start..self.row_ends[row]]
    }

    /// Column of each row in an assignment of least total cost; `None` for a row that is left alone.
    ///
    /// Rows are added one by one. Each follows a shortest augmenting path to a free column or to a sink of
    /// cost 0 and unlimited capacity, which stands for the diagonal; the path ends as soon as the sink is
    /// nearest. At ties the lowest column wins, and a column wins over the sink.
    ///
    /// # Cost
    ///
    /// O(n k + n m^2) time in the worst case for n rows, m columns and k stored pairs, usually far less.
    pub(super) fn solve(&self) -> Vec<Option<usize>> {
        let (n_rows, n_columns) = (self.row_ends.len(), self.n_columns);
        let mut search = Search {
            costs: self,
            column_of: vec![None; n_rows],
            row_of: vec![None; n_columns],
            row_dual: vec![0.0; n_rows],
            column_dual: vec![0.0; n_columns],
            distance: vec![f64::INFINITY; n_columns],
            reached_from: vec![0; n_columns],
            open: Vec::new(),
            settled: Vec::new(),
            is_settled: vec![false; n_columns],
        };
        for row in search.bid() {
            search.add(row);
        }
        search.column_of
    }
}

impl Search<'_> {
    /// Assigns as many rows as a few cheap steps can, and returns the others in ascending order.
    ///
    /// Each row in turn takes its best column, as in an auction: the dual value of the column falls until the row is
    /// indifferent to its second best choice, and the row that held the column before is free again. The assignment
    /// of the rows that are not returned is optimal with these dual values.
    fn bid(&mut self) -> Vec<usize> {
        let n_rows = self.row_dual.len();
        let mut free: VecDeque<usize> = (0..n_rows).collect();
        for _ in 0..BIDS_PER_ROW * n_rows {
            let Some(row) = free.pop_front() else {
                break;
            };
            // The sink costs 0. A column wins ties with it, and a lower column with a higher one.
            let (mut best, mut least, mut second) = (None, 0.0, 0.0);
            for &Pair { column, excess } in self.costs.row(row) {
                let cost = excess - self.column_dual[column as usize];
                if cost < least || (cost == least && best.is_none()) {
                    (best, least, second) = (Some(column as usize), cost, least);
                } else if cost < second {
                    second = cost;
                }
            }
            self.row_dual[row] = second;
            if let Some(column) = best {
                self.column_dual[column] -= second - least;
                self.column_of[row] = Some(column);
                if let Some(previous) = self.row_of[column].replace(row) {
                    self.column_of[previous] = None;
                    self.row_dual[previous] = 0.0;
                    free.push_back(previous);
                }
            }
        }
        let mut free = Vec::from(free);
        free.sort_unstable();
        free
    }

    /// Adds one row to the optimal assignment of the rows before it.
    fn add(&mut self, root: usize) {
        let (end, length) = self.shortest_path(root);
        // Dual values are shifted so that reduced costs stay non-negative, and are zero along the path.
        self.row_dual[root] += length;
        for &column in &self.settled {
            let slack = length - self.distance[column];
            self.column_dual[column] -= slack;
            if let Some(row) = self.row_of[column] {
                self.row_dual[row] += slack;
            }
        }
        self.flip(root, end);
    }

    /// Finds the shortest path in reduced costs from `root` to a free column or to the sink, and its length,
    /// by Dijkstra's algorithm.
    fn shortest_path(&mut self, root: usize) -> (End, f64) {
        for column in self.open.drain(..).chain(self.settled.drain(..)) {
            self.distance[column] = f64::INFINITY;
            self.is_settled[column] = false;
        }
        let (mut row, mut travelled) = (root, 0.0);
        let (mut last_row, mut to_sink) = (root, f64::INFINITY);
        loop {
            let offset = travelled - self.row_dual[row];
            if offset < to_sink {
                (last_row, to_sink) = (row, offset);
            }
            self.relax(row, offset, to_sink);
            let Some((column, length)) = self.nearest(to_sink) else {
                return (End::Alone(last_row), to_sink);
            };
            self.settled.push(column);
            self.is_settled[column] = true;
            match self.row_of[column] {
                None => return (End::Column(column), length),
                Some(next) => (row, travelled) = (next, length),
            }
        }
    }

    /// Shortens paths that lead through `row`, as far as they are not longer than that to the sink.
    fn relax(&mut self, row: usize, offset: f64, to_sink: f64) {
        for &Pair { column, excess } in self.costs.row(row) {
            let column = column as usize;
            let length = offset + (excess - self.column_dual[column]);
            // Rounding could make a path to a settled column shorter again.
            if length < self.distance[column] && length <= to_sink && !self.is_settled[column] {
                if self.distance[column] == f64::INFINITY {
                    self.open.push(column);
                }
                self.distance[column] = length;
                self.reached_from[column] = row;
            }
        }
    }

    /// Takes the nearest column that is not settled, with its distance; `None` if the sink is nearer.
    fn nearest(&mut self, to_sink: f64) -> Option<(usize, f64)> {
        let mut nearest = None;
        let (mut least, mut lowest) = (to_sink, usize::MAX);
        for (position, &column) in self.open.iter().enumerate() {
            let length = self.distance[column];
            if length < least || (length == least && column < lowest) {
                (nearest, least, lowest) = (Some(position), length, column);
            }
        }
        self.open.swap_remove(nearest?);
        Some((lowest, least))
    }

    /// Reassigns the rows along the path: each gets the column by which the path leaves it.
    fn flip(&mut self, root: usize, end: End) {
        let mut free = match end {
            End::Column(column) => column,
            End::Alone(row) => match self.column_of[row].take() {
                Some(column) => column,
                // The root itself stays alone.
                None => return,
            },
        };
        loop {
            let row = self.reached_from[free];
            self.row_of[free] = Some(row);
            match self.column_of[row].replace(free) {
                Some(previous) if row != root => free = previous,
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn solve<const M: usize>(pairs: &[[f64; M]], alone: f64) -> Vec<Option<usize>> {
        let (rows, columns) = (vec![alone; pairs.len()], [alone; M]);
        PartialAssignment::new(&rows, &columns, |i, j| pairs[i][j]).solve()
    }

    #[test]
    fn expensive_single_rows_lead_to_a_full_assignment() {
        let pairs = [[4.0, 1.0, 3.0], [2.0, 0.0, 5.0], [3.0, 2.0, 2.0]];
        assert_eq!(solve(&pairs, 100.0), [Some(1), Some(0), Some(2)]);
    }

    #[test]
    fn later_rows_can_displace_earlier_ones() {
        assert_eq!(solve(&[[1.0], [0.5]], 1.0), [None, Some(0)]);
    }

    #[test]
    fn augmenting_paths_can_lead_through_several_columns() {
        let pairs = [[0.0, 1.0, 9.0], [0.0, 9.0, 9.0], [9.0, 0.0, 1.5]];
        assert_eq!(solve(&pairs, 10.0), [Some(1), Some(0), Some(2)]);
    }

    #[test]
    fn ties_prefer_pairs_and_low_columns() {
        assert_eq!(solve(&[[2.0, 2.0]], 1.0), [Some(0)]);
        assert_eq!(solve(&[[2.5, 2.5]], 1.0), [None]);
    }

    #[test]
    fn without_columns_all_rows_stay_alone() {
        assert_eq!(
            PartialAssignment::new(&[1.0, 2.0], &[], |_, _| 0.0).solve(),
            [None, None]
        );
    }
}

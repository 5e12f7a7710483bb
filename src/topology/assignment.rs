//! Partial assignment of least cost, by shortest augmenting paths.

/// Costs of a partial assignment of rows to columns, in which everything may stay alone.
#[derive(Debug)]
pub(super) struct PartialAssignment {
    columns: usize,
    /// Row by row, pair cost less what the two cost alone; only values below 0 are worth a pair.
    excess: Vec<f64>,
}

/// Where a shortest augmenting path ends.
enum End {
    Column(usize),
    /// The row that is left alone.
    Alone(usize),
}

/// Matching, dual values and the working space of one search.
struct Search<'a> {
    costs: &'a PartialAssignment,
    column_of: Vec<Option<usize>>,
    row_of: Vec<Option<usize>>,
    row_dual: Vec<f64>,
    column_dual: Vec<f64>,
    distance: Vec<f64>,
    reached_from: Vec<usize>,
    open: Vec<usize>,
    settled: Vec<usize>,
}

impl PartialAssignment {
    /// Costs of rows and columns left alone, and of pairs `pair(row, column)`.
    pub(super) fn new(
        row_alone: &[f64],
        column_alone: &[f64],
        pair: impl Fn(usize, usize) -> f64,
    ) -> Self {
        let mut excess = Vec::with_capacity(row_alone.len() * column_alone.len());
        for (i, row) in row_alone.iter().enumerate() {
            let of_row = column_alone.iter().enumerate();
            excess.extend(of_row.map(|(j, column)| pair(i, j) - row - column));
        }
        Self {
            columns: column_alone.len(),
            excess,
        }
    }

    /// Column of each row, or `None` where the row is best left alone.
    ///
    /// Rows are added in order. All rows share one sink of cost 0 and unlimited capacity, which
    /// stands for the diagonal; a path stops as soon as the sink is nearest. At ties the lowest
    /// column wins, and a column wins over the sink.
    ///
    /// # Cost
    ///
    /// O(n^2 m) time in the worst case, usually far less.
    pub(super) fn solve(&self, rows: usize) -> Vec<Option<usize>> {
        let mut search = Search {
            costs: self,
            column_of: vec![None; rows],
            row_of: vec![None; self.columns],
            row_dual: vec![0.0; rows],
            column_dual: vec![0.0; self.columns],
            distance: vec![0.0; self.columns],
            reached_from: vec![0; self.columns],
            open: Vec::with_capacity(self.columns),
            settled: Vec::with_capacity(self.columns),
        };
        for row in 0..rows {
            search.add(row);
        }
        search.column_of
    }
}

impl Search<'_> {
    fn add(&mut self, root: usize) {
        let (end, length) = self.shortest_path(root);
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

    /// Shortest path in reduced costs from `root` to a free column or to the sink.
    fn shortest_path(&mut self, root: usize) -> (End, f64) {
        self.distance.fill(f64::INFINITY);
        self.open.clear();
        self.open.extend(0..self.costs.columns);
        self.settled.clear();
        let (mut row, mut travelled) = (root, 0.0);
        let (mut last_row, mut to_sink) = (root, f64::INFINITY);
        loop {
            let offset = travelled - self.row_dual[row];
            if offset < to_sink {
                (last_row, to_sink) = (row, offset);
            }
            let nearest = self.relax(row, offset);
            let Some((place, length)) = nearest.filter(|&(_, length)| length <= to_sink) else {
                return (End::Alone(last_row), to_sink);
            };
            // `remove` keeps the order of the columns, and with it the lowest index at ties.
            let column = self.open.remove(place);
            self.settled.push(column);
            match self.row_of[column] {
                None => return (End::Column(column), length),
                Some(next) => (row, travelled) = (next, length),
            }
        }
    }

    /// Shortens paths through `row`; the nearest open column, as its place in `open` and distance.
    fn relax(&mut self, row: usize, offset: f64) -> Option<(usize, f64)> {
        let excess = &self.costs.excess[row * self.costs.columns..][..self.costs.columns];
        let mut nearest: Option<usize> = None;
        let mut least = f64::INFINITY;
        for (place, &column) in self.open.iter().enumerate() {
            let length = offset + (excess[column] - self.column_dual[column]);
            if length < self.distance[column] {
                self.distance[column] = length;
                self.reached_from[column] = row;
            }
            if self.distance[column] < least {
                least = self.distance[column];
                nearest = Some(place);
            }
        }
        nearest.map(|place| (place, least))
    }

    /// Gives every row of the path the column by which the path leaves it.
    fn flip(&mut self, root: usize, end: End) {
        let mut free = match end {
            End::Column(column) => column,
            End::Alone(row) => match self.column_of[row].take() {
                Some(column) => column,
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
        PartialAssignment::new(&rows, &columns, |i, j| pairs[i][j]).solve(rows.len())
    }

    #[test]
    fn full_assignment_is_optimal_where_being_alone_is_dear() {
        let pairs = [[4.0, 1.0, 3.0], [2.0, 0.0, 5.0], [3.0, 2.0, 2.0]];
        assert_eq!(solve(&pairs, 100.0), [Some(1), Some(0), Some(2)]);
    }

    #[test]
    fn later_rows_push_earlier_ones_out() {
        assert_eq!(solve(&[[1.0], [0.5]], 1.0), [None, Some(0)]);
    }

    #[test]
    fn path_through_several_columns_is_found() {
        let pairs = [[0.0, 1.0, 9.0], [0.0, 9.0, 9.0], [9.0, 0.0, 1.5]];
        assert_eq!(solve(&pairs, 10.0), [Some(1), Some(0), Some(2)]);
    }

    #[test]
    fn pairs_win_over_the_diagonal_at_ties_and_low_columns_over_high_ones() {
        assert_eq!(solve(&[[2.0, 2.0]], 1.0), [Some(0)]);
        assert_eq!(solve(&[[2.5, 2.5]], 1.0), [None]);
    }

    #[test]
    fn no_columns_leave_all_rows_alone() {
        assert_eq!(
            PartialAssignment::new(&[1.0, 2.0], &[], |_, _| 0.0).solve(2),
            [None, None]
        );
    }
}

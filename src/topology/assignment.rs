//! Partial assignment of least cost, by shortest augmenting paths (the Hungarian method).

/// Costs of a partial assignment of rows to columns, in which any row or column may stay unassigned.
#[derive(Debug)]
pub(super) struct PartialAssignment {
    columns: usize,
    /// Cost of each pair minus the costs of leaving its row and its column alone, row by row.
    ///
    /// Leaving everything alone then costs 0, and only pairs below 0 improve on it.
    excess: Vec<f64>,
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
    /// Length of the shortest path from the root to each column.
    distance: Vec<f64>,
    /// Row from which that path reaches the column.
    reached_from: Vec<usize>,
    /// Columns whose distance is not final, in ascending order.
    open: Vec<usize>,
    /// Columns whose distance is final.
    settled: Vec<usize>,
}

impl PartialAssignment {
    /// Takes the costs of rows and columns left alone, and those of pairs as `pair(row, column)`.
    pub(super) fn new(
        row_alone: &[f64],
        column_alone: &[f64],
        pair: impl Fn(usize, usize) -> f64,
    ) -> Self {
        let mut excess = Vec::with_capacity(row_alone.len() * column_alone.len());
        for (i, row) in row_alone.iter().enumerate() {
            let columns = column_alone.iter().enumerate();
            excess.extend(columns.map(|(j, column)| pair(i, j) - row - column));
        }
        Self {
            columns: column_alone.len(),
            excess,
        }
    }

    /// Column of each row in an assignment of least total cost; `None` for a row that is left alone.
    ///
    /// Rows are added one by one. Each follows a shortest augmenting path to a free column or to a sink of
    /// cost 0 and unlimited capacity, which stands for the diagonal; the path ends as soon as the sink is
    /// nearest. At ties the lowest column wins, and a column wins over the sink.
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
            let Some((position, length)) = nearest.filter(|&(_, length)| length <= to_sink) else {
                return (End::Alone(last_row), to_sink);
            };
            // `remove`, not `swap_remove`: it keeps the order of the columns, and with it the lowest
            // index at ties.
            let column = self.open.remove(position);
            self.settled.push(column);
            match self.row_of[column] {
                None => return (End::Column(column), length),
                Some(next) => (row, travelled) = (next, length),
            }
        }
    }

    /// Shortens paths that lead through `row`, and returns the nearest open column: its position in `open`
    /// and its distance; `None` if no column is open.
    fn relax(&mut self, row: usize, offset: f64) -> Option<(usize, f64)> {
        let excess = &self.costs.excess[row * self.costs.columns..][..self.costs.columns];
        let mut nearest: Option<usize> = None;
        let mut least = f64::INFINITY;
        for (position, &column) in self.open.iter().enumerate() {
            let length = offset + (excess[column] - self.column_dual[column]);
            if length < self.distance[column] {
                self.distance[column] = length;
                self.reached_from[column] = row;
            }
            if self.distance[column] < least {
                least = self.distance[column];
                nearest = Some(position);
            }
        }
        nearest.map(|position| (position, least))
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
        PartialAssignment::new(&rows, &columns, |i, j| pairs[i][j]).solve(rows.len())
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
            PartialAssignment::new(&[1.0, 2.0], &[], |_, _| 0.0).solve(2),
            [None, None]
        );
    }
}

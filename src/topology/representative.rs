//! Representative cycles: closed paths of edges that stand for bars of dimension 1.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::distance_matrix::DistanceMatrix;
use super::edge::Edge;
use crate::real::Real;

/// Computes a representative cycle of the bar of dimension 1 that is born with an edge.
///
/// The cycle consists of the edge and the shortest path (by the sum of lengths) between its ends, among
/// edges that enter the filtration before it. The result lists the vertices in the order of the cycle, from
/// the smaller vertex of the edge to the larger.
///
/// Every cycle whose last edge to enter is the birth edge of a bar represents the class of that bar: it is
/// born with the bar, and becomes a boundary, or homologous to older cycles, exactly where the bar dies. The
/// shortest one is the easiest to see in a drawing. It is neither the only one nor always the tightest
/// around the hole.
///
/// The result is empty if no earlier path joins the ends. The edge then joins two components, and no cycle
/// is born with it.
///
/// # Cost
///
/// That of [`representative_cycles`] for a single bar.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{DistanceMatrix, VietorisRips, representative_cycle};
///
/// let d = 2f64.sqrt();
/// let square = [
///     0.0, 1.0, d, 1.0,
///     1.0, 0.0, 1.0, d,
///     d, 1.0, 0.0, 1.0,
///     1.0, d, 1.0, 0.0,
/// ];
/// let matrix = DistanceMatrix::new(&square, 4)?;
/// let cycles = &VietorisRips::new(1)?.diagrams(&matrix)?[1];
/// let birth = cycles.bars[0].birth_edge.unwrap();
/// assert_eq!(birth, [2, 3]);
/// assert_eq!(representative_cycle(&matrix, birth), [2, 1, 0, 3]);
/// # Ok::<(), burn_topology::Error>(())
/// ```
///
/// # Panics
///
/// If a vertex of the edge is not a point of the matrix.
pub fn representative_cycle<T: Real>(distances: &DistanceMatrix<'_, T>, birth: Edge) -> Vec<u32> {
    representative_cycles(distances, &[birth])
        .pop()
        .unwrap_or_default()
}

/// Computes the representative cycles of several bars of dimension 1 of one matrix; see [`representative_cycle`].
///
/// # Cost
///
/// For each vertex, the edges that enter before the last birth are sorted once: O(n^2 log n) at most. Each cycle then
/// takes Dijkstra's algorithm on the edges before its own birth, and stops where paths are longer than the shortest
/// one found: O(n^2) at most, usually far less.
///
/// # Example
///
/// ```
/// use burn_topology::topology::{DistanceMatrix, representative_cycle, representative_cycles};
///
/// let pentagon: Vec<f64> = (0..25)
///     .map(|k| [0.0, 1.0, 1.6, 1.6, 1.0][(5 + k / 5 - k % 5) % 5])
///     .collect();
/// let matrix = DistanceMatrix::new(&pentagon, 5)?;
/// let cycles = representative_cycles(&matrix, &[[3, 4], [0, 2]]);
/// assert_eq!(cycles[0], representative_cycle(&matrix, [3, 4]));
/// assert_eq!(cycles[1], [0, 1, 2]);
/// # Ok::<(), burn_topology::Error>(())
/// ```
///
/// # Panics
///
/// If a vertex of an edge is not a point of the matrix.
pub fn representative_cycles<T: Real>(
    distances: &DistanceMatrix<'_, T>,
    births: &[Edge],
) -> Vec<Vec<u32>> {
    let lengths = births
        .iter()
        .map(|birth| distances.get(birth[0] as usize, birth[1] as usize));
    let Some(longest) = lengths.reduce(T::max) else {
        return Vec::new();
    };
    let mut search = Search::new(distances, longest);
    births
        .iter()
        .map(|&birth| search.cycle(distances, birth))
        .collect()
}

/// Search for shortest paths, with its buffers.
struct Search<T> {
    /// Edges of all vertices, one vertex after the other: length and other end, in ascending order.
    edges: Vec<(T, u32)>,
    /// Position in `edges` at which those of each vertex end.
    ends: Vec<usize>,
    /// Length of the shortest path found to each vertex.
    length: Vec<f64>,
    /// Vertex before each vertex on this path.
    from: Vec<usize>,
    is_done: Vec<bool>,
    /// Vertices that paths have reached, the nearest first, and the smaller vertex first at ties. A vertex is there
    /// again each time that a shorter path is found.
    open: BinaryHeap<Reverse<(u64, u32)>>,
}

impl<T: Real> Search<T> {
    /// Sorts the edges up to a length.
    fn new(distances: &DistanceMatrix<'_, T>, longest: T) -> Self {
        let n = distances.n_points();
        let mut edges = Vec::new();
        let mut ends = Vec::with_capacity(n);
        for vertex in 0..n {
            let start = edges.len();
            let row = distances.row(vertex).iter().copied().zip(0..);
            edges.extend(
                row.filter(|&(length, other)| length <= longest && other as usize != vertex),
            );
            edges[start..].sort_unstable_by_key(|&(length, other): &(T, u32)| {
                (length.sortable_bits(), other)
            });
            ends.push(edges.len());
        }
        Self {
            edges,
            ends,
            length: vec![0.0; n],
            from: vec![0; n],
            is_done: vec![false; n],
            open: BinaryHeap::new(),
        }
    }

    /// Finds the cycle of one birth edge.
    fn cycle(&mut self, distances: &DistanceMatrix<'_, T>, birth: Edge) -> Vec<u32> {
        let [start, end] = birth.map(|vertex| vertex as usize);
        let last = distances.get(start, end);
        self.length.fill(f64::INFINITY);
        self.is_done.fill(false);
        self.open.clear();
        self.length[start] = 0.0;
        self.open.push(Reverse((0, start as u32)));
        loop {
            let Some(Reverse((_, nearest))) = self.open.pop() else {
                return Vec::new();
            };
            let nearest = nearest as usize;
            if nearest == end {
                break;
            }
            if std::mem::replace(&mut self.is_done[nearest], true) {
                continue;
            }
            let first = if nearest == 0 {
                0
            } else {
                self.ends[nearest - 1]
            };
            for &(length, next) in &self.edges[first..self.ends[nearest]] {
                let edge = [next.min(nearest as u32), next.max(nearest as u32)];
                // The order of the filtration: by length, then by vertices.
                if length > last {
                    break;
                }
                if length == last && edge >= birth {
                    continue;
                }
                let through = self.length[nearest] + length.to_f64_exact();
                let next = next as usize;
                // A path that is as long as the one to the end cannot lead to a shorter one.
                if through < self.length[next] && through < self.length[end] && !self.is_done[next]
                {
                    self.length[next] = through;
                    self.from[next] = nearest;
                    self.open.push(Reverse((through.to_bits(), next as u32)));
                }
            }
        }
        let mut path = vec![end as u32];
        let mut vertex = end;
        while vertex != start {
            vertex = self.from[vertex];
            path.push(vertex as u32);
        }
        path.reverse();
        path
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::topology::VietorisRips;

    fn matrix(n: usize, lengths: &[u32]) -> Vec<f64> {
        let mut values = vec![0.0; n * n];
        let mut lengths = lengths.iter().cycle();
        for i in 0..n {
            for j in 0..i {
                let length = f64::from(*lengths.next().unwrap());
                values[i * n + j] = length;
                values[j * n + i] = length;
            }
        }
        values
    }

    /// Length of the shortest path of earlier edges from `vertex` to the end of the birth edge, by trying
    /// all paths.
    fn shortest(
        values: &[f64],
        n: usize,
        birth: Edge,
        vertex: usize,
        visited: &mut Vec<usize>,
    ) -> Option<f64> {
        let [end, key] = [birth[1] as usize, birth[0] as usize * n + birth[1] as usize];
        if vertex == end {
            return Some(0.0);
        }
        let mut best: Option<f64> = None;
        for next in 0..n {
            let edge = [vertex.min(next) as u32, vertex.max(next) as u32];
            let length = values[vertex * n + next];
            if visited.contains(&next) || (length, edge) >= (values[key], birth) {
                continue;
            }
            visited.push(next);
            if let Some(rest) = shortest(values, n, birth, next, visited) {
                best = Some(best.map_or(length + rest, |least| least.min(length + rest)));
            }
            visited.pop();
        }
        best
    }

    proptest! {
        #[test]
        fn cycles_are_closed_by_the_shortest_earlier_path(
            n in 4usize..8,
            lengths in proptest::collection::vec(1u32..12, 28),
        ) {
            let values = matrix(n, &lengths);
            let distances = DistanceMatrix::new(&values, n).unwrap();
            let diagrams = VietorisRips::new(1).unwrap().diagrams(&distances).unwrap();
            for bar in &diagrams[1].bars {
                let birth = bar.birth_edge.unwrap();
                let cycle = representative_cycle(&distances, birth);
                prop_assert!(cycle.len() >= 4, "expected at least four vertices: {cycle:?}");
                prop_assert_eq!([cycle[0], cycle[cycle.len() - 1]], birth);
                let sides = cycle.windows(2).map(|side| values[side[0] as usize * n + side[1] as usize]);
                let length: f64 = sides.sum();
                let start = birth[0] as usize;
                let expected = shortest(&values, n, birth, start, &mut vec![start]);
                prop_assert_eq!(Some(length), expected);
            }
            for bar in diagrams[0].finite() {
                // An edge of the spanning tree joins two components and closes no cycle.
                prop_assert!(representative_cycle(&distances, bar.death_edge.unwrap()).is_empty());
            }
        }
    }
}

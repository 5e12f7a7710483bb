//! Representative cycles: closed paths of edges that stand for bars of dimension 1.

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
/// O(n^2), by Dijkstra's algorithm on the dense graph.
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
    let n = distances.n_points();
    let [start, end] = birth.map(|vertex| vertex as usize);
    let last = (distances.get(start, end), birth);
    // The order of the filtration: by length, then by vertices.
    let has_entered = |a: usize, b: usize| {
        let edge = [a.min(b) as u32, a.max(b) as u32];
        let length = distances.get(a, b);
        length < last.0 || (length == last.0 && edge < last.1)
    };
    let mut length = vec![f64::INFINITY; n];
    let mut from = vec![usize::MAX; n];
    let mut is_done = vec![false; n];
    length[start] = 0.0;
    loop {
        // `min_by` returns the first of equal minima, so ties go to the smaller vertex, and the same
        // matrix always gives the same cycle.
        let open = (0..n).filter(|&v| !is_done[v] && length[v].is_finite());
        let Some(nearest) = open.min_by(|&a, &b| length[a].total_cmp(&length[b])) else {
            return Vec::new();
        };
        if nearest == end {
            break;
        }
        is_done[nearest] = true;
        for next in (0..n).filter(|&next| next != nearest) {
            let through = length[nearest] + distances.get(nearest, next).to_f64_exact();
            if !is_done[next] && through < length[next] && has_entered(nearest, next) {
                length[next] = through;
                from[next] = nearest;
            }
        }
    }
    let mut path = vec![end as u32];
    let mut vertex = end;
    while vertex != start {
        vertex = from[vertex];
        path.push(vertex as u32);
    }
    path.reverse();
    path
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

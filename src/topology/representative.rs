//! A cycle one can look at for each bar of dimension 1.

use super::distance_matrix::DistanceMatrix;
use super::edge::Edge;
use crate::real::Real;

/// The vertices of a cycle that is born with an edge: the edge, closed by the shortest path, in the sum
/// of lengths, of edges that entered before it.
///
/// In the order of the cycle, from the smaller vertex of the edge to the larger. Every cycle whose
/// youngest edge is the birth edge of a bar represents its class: it is born with the bar, and bounds,
/// or becomes one with older cycles, exactly where the bar dies. The shortest one is the easiest to see;
/// it is neither the only one nor always the tightest around the hole.
///
/// Empty if no earlier path joins the ends: then the edge joins two components and gives birth to no
/// cycle.
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
/// If the edge is not one of the matrix.
pub fn representative_cycle<T: Real>(distances: &DistanceMatrix<'_, T>, birth: Edge) -> Vec<u32> {
    let n = distances.n_points();
    let [start, end] = birth.map(|vertex| vertex as usize);
    let last = (distances.get(start, end), birth);
    let entered = |a: usize, b: usize| {
        let edge = [a.min(b) as u32, a.max(b) as u32];
        let length = distances.get(a, b);
        length < last.0 || (length == last.0 && edge < last.1)
    };
    let mut length = vec![f64::INFINITY; n];
    let mut from = vec![usize::MAX; n];
    let mut is_done = vec![false; n];
    length[start] = 0.0;
    loop {
        // Ties go to the smaller vertex, so that the same matrix always shows the same cycle.
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
            if !is_done[next] && through < length[next] && entered(nearest, next) {
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

    /// Sum of lengths of the shortest path of earlier edges, by going through all of them.
    fn shortest(
        values: &[f64],
        n: usize,
        birth: Edge,
        at: usize,
        seen: &mut Vec<usize>,
    ) -> Option<f64> {
        let [end, key] = [birth[1] as usize, birth[0] as usize * n + birth[1] as usize];
        if at == end {
            return Some(0.0);
        }
        let mut best: Option<f64> = None;
        for next in 0..n {
            let edge = [at.min(next) as u32, at.max(next) as u32];
            let length = values[at * n + next];
            if seen.contains(&next) || (length, edge) >= (values[key], birth) {
                continue;
            }
            seen.push(next);
            if let Some(rest) = shortest(values, n, birth, next, seen) {
                best = Some(best.map_or(length + rest, |found| found.min(length + rest)));
            }
            seen.pop();
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
                prop_assert!(cycle.len() >= 4, "a hole has at least four sides: {cycle:?}");
                prop_assert_eq!([cycle[0], cycle[cycle.len() - 1]], birth);
                let sides = cycle.windows(2).map(|side| values[side[0] as usize * n + side[1] as usize]);
                let length: f64 = sides.sum();
                let start = birth[0] as usize;
                let expected = shortest(&values, n, birth, start, &mut vec![start]);
                prop_assert_eq!(Some(length), expected);
            }
            for bar in diagrams[0].finite() {
                // An edge of the tree closes nothing.
                prop_assert!(representative_cycle(&distances, bar.death_edge.unwrap()).is_empty());
            }
        }
    }
}

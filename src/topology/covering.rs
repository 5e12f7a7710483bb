//! Matchings of a bipartite graph that cover all required vertices, on bit sets.

/// Bipartite graph whose vertices are the bars of two diagrams.
///
/// Bars that are close enough to be matched are joined by an edge. Bars that are too far from the diagonal
/// to be matched with it are required.
pub(super) struct BarGraph<F> {
    /// True for each bar of the first diagram that must be matched with a bar.
    pub(super) first_required: Vec<bool>,
    /// True for each bar of the second diagram that must be matched with a bar.
    pub(super) second_required: Vec<bool>,
    /// True if bar `i` of the first diagram and bar `j` of the second may be matched.
    pub(super) is_edge: F,
}

/// Partners of the bars of the first diagram in a matching that covers all required bars; `None` if there
/// is no such matching.
///
/// Each side is covered in turn. By the theorem of Mendelsohn and Dulmage, a matching that covers the
/// required bars of one side can be extended to cover those of the other, if these can be covered at all,
/// without uncovering the first. The diagonal therefore needs no vertices of its own, which would double
/// the graph.
///
/// # Cost
///
/// O(n + m) for each required bar to find its edges, and one breadth-first search for each, at most O(n m / 64).
pub(super) fn covering_partners(
    graph: BarGraph<impl Fn(usize, usize) -> bool>,
) -> Option<Vec<Option<usize>>> {
    let BarGraph {
        first_required,
        second_required,
        is_edge,
    } = graph;
    let (n, m) = (first_required.len(), second_required.len());
    let mut first = Side::new(first_required, m);
    let mut second = Side::new(second_required, n);
    // Paths leave only required vertices, so no other vertex needs its edges.
    first.connect(m, &is_edge);
    second.connect(n, |j, i| is_edge(i, j));
    let covered = cover(&mut first, &mut second) && cover(&mut second, &mut first);
    covered.then_some(first.partner)
}

/// Vertices of one side of the bipartite graph, with their edges and their partners.
struct Side {
    required: Vec<bool>,
    /// Vertex of the other side that each vertex is matched with.
    partner: Vec<Option<usize>>,
    /// Number of 64-bit words per bit set of neighbours.
    n_words: usize,
    /// Bit sets over the vertices of the other side, one per vertex; empty for vertices that are not required.
    neighbours: Vec<u64>,
}

impl Side {
    fn new(required: Vec<bool>, n_others: usize) -> Self {
        let (n_vertices, n_words) = (required.len(), n_others.div_ceil(64));
        let neighbours = vec![0; n_vertices * n_words];
        Self {
            required,
            partner: vec![None; n_vertices],
            n_words,
            neighbours,
        }
    }

    /// Inserts the edges of all required vertices.
    fn connect(&mut self, n_others: usize, is_edge: impl Fn(usize, usize) -> bool) {
        for (vertex, _) in self
            .required
            .iter()
            .enumerate()
            .filter(|(_, is_required)| **is_required)
        {
            for other in (0..n_others).filter(|&other| is_edge(vertex, other)) {
                self.neighbours[vertex * self.n_words + other / 64] |= 1 << (other % 64);
            }
        }
    }
}

/// Extends the matching until all required vertices of `side` are covered; false if that is impossible.
///
/// Vertices of `opposite` that are covered already stay covered.
fn cover(side: &mut Side, opposite: &mut Side) -> bool {
    (0..side.required.len()).all(|root| {
        !side.required[root] || side.partner[root].is_some() || augment(side, opposite, root)
    })
}

/// Covers `root` by an alternating path, found breadth first; false if there is none.
///
/// The path ends at a free vertex of `opposite`, or at one whose partner is not required and is uncovered.
fn augment(side: &mut Side, opposite: &mut Side, root: usize) -> bool {
    let mut unvisited = vec![u64::MAX; side.n_words];
    let mut reached_from = vec![root; opposite.partner.len()];
    let mut queue = vec![root];
    let mut head = 0;
    while let Some(&vertex) = queue.get(head) {
        head += 1;
        for (word, unvisited) in unvisited.iter_mut().enumerate() {
            // All unvisited neighbours within one word of the bit set.
            let mut fresh = side.neighbours[vertex * side.n_words + word] & *unvisited;
            *unvisited &= !fresh;
            while fresh != 0 {
                let other = word * 64 + fresh.trailing_zeros() as usize;
                // Clears the lowest bit that is set.
                fresh &= fresh - 1;
                reached_from[other] = vertex;
                match opposite.partner[other] {
                    Some(next) if side.required[next] => queue.push(next),
                    partner => {
                        if let Some(next) = partner {
                            side.partner[next] = None;
                        }
                        flip(side, opposite, &reached_from, other);
                        return true;
                    }
                }
            }
        }
    }
    false
}

/// Flips the alternating path that ends at `end`: its unmatched edges become matched and vice versa.
fn flip(side: &mut Side, opposite: &mut Side, reached_from: &[usize], end: usize) {
    let mut next = Some(end);
    while let Some(other) = next {
        let vertex = reached_from[other];
        opposite.partner[other] = Some(vertex);
        // The vertex's former partner is the one before on the path; the root had none.
        next = side.partner[vertex].replace(other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partners(
        first_required: &[bool],
        second_required: &[bool],
        edges: &[(usize, usize)],
    ) -> Option<Vec<Option<usize>>> {
        covering_partners(BarGraph {
            first_required: first_required.to_vec(),
            second_required: second_required.to_vec(),
            is_edge: |i, j| edges.contains(&(i, j)),
        })
    }

    #[test]
    fn without_required_vertices_the_matching_is_empty() {
        assert_eq!(partners(&[false], &[false], &[(0, 0)]), Some(vec![None]));
    }

    #[test]
    fn isolated_required_vertices_cannot_be_covered() {
        assert_eq!(partners(&[false, true], &[true], &[(0, 0)]), None);
    }

    #[test]
    fn covering_the_second_side_keeps_the_first_covered() {
        // The first pass matches 0 with 0; covering the required vertex 1 of the second side then rematches
        // 0 with 1.
        assert_eq!(
            partners(&[true], &[false, true], &[(0, 0), (0, 1)]),
            Some(vec![Some(1)])
        );
        assert_eq!(partners(&[true], &[true, true], &[(0, 0), (0, 1)]), None);
    }

    #[test]
    fn alternating_paths_cross_words_of_the_bit_sets() {
        let n = 70;
        let edges: Vec<_> = (0..n)
            .flat_map(|i| [(i, i), (i, i + 1)])
            .filter(|&(i, j)| j < n && i + j > 0)
            .collect();
        // Vertex 0 has the single neighbour 1, so 1 needs 2, and so on; none is left for the last vertex.
        assert_eq!(partners(&vec![true; n], &vec![false; n], &edges), None);
        let mut required = vec![true; n];
        required[n - 1] = false;
        let expected = (0..n).map(|i| Some(i + 1).filter(|&j| j < n)).collect();
        assert_eq!(partners(&required, &vec![false; n], &edges), Some(expected));
    }
}

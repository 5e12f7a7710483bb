//! Matchings that reach every bar that must not go to the diagonal, on bit sets.

/// Which bars lie near each other, and which lie too far from the diagonal to stay alone.
pub(super) struct Threshold<F> {
    pub(super) first_required: Vec<bool>,
    pub(super) second_required: Vec<bool>,
    pub(super) near: F,
}

/// Partners of the first bars in a matching of near bars that covers all required ones, if any.
///
/// A matching that covers the required bars of one side can be changed into one that covers those
/// of both, where each side can be covered at all, without letting go of the first (Mendelsohn
/// and Dulmage). So the diagonal needs no vertices of its own.
///
/// # Cost
///
/// One breadth-first search per required bar, each at most O(n m / 64).
pub(super) fn covering_partners(
    threshold: Threshold<impl Fn(usize, usize) -> bool>,
) -> Option<Vec<Option<usize>>> {
    let Threshold {
        first_required,
        second_required,
        near,
    } = threshold;
    let (n, m) = (first_required.len(), second_required.len());
    let mut first = Side::new(first_required, m);
    let mut second = Side::new(second_required, n);
    for i in 0..n {
        for j in (0..m).filter(|&j| near(i, j)) {
            first.connect(i, j);
            second.connect(j, i);
        }
    }
    let covered = cover(&mut first, &mut second) && cover(&mut second, &mut first);
    covered.then_some(first.partner)
}

/// One side of the bipartite graph.
struct Side {
    required: Vec<bool>,
    partner: Vec<Option<usize>>,
    /// 64-bit words per vertex.
    words: usize,
    neighbours: Vec<u64>,
}

impl Side {
    fn new(required: Vec<bool>, others: usize) -> Self {
        let (vertices, words) = (required.len(), others.div_ceil(64));
        let neighbours = vec![0; vertices * words];
        Self {
            required,
            partner: vec![None; vertices],
            words,
            neighbours,
        }
    }

    fn connect(&mut self, vertex: usize, other: usize) {
        self.neighbours[vertex * self.words + other / 64] |= 1 << (other % 64);
    }
}

/// Covers the required vertices of `near`; those of `far` that are covered stay so.
fn cover(near: &mut Side, far: &mut Side) -> bool {
    (0..near.required.len())
        .all(|root| !near.required[root] || near.partner[root].is_some() || reach(near, far, root))
}

/// Covers `root` along an alternating path that ends at a free vertex of `far`, or lets go of a
/// vertex of `near` that is not required.
fn reach(near: &mut Side, far: &mut Side, root: usize) -> bool {
    let mut unseen = vec![u64::MAX; near.words];
    let mut reached_from = vec![root; far.partner.len()];
    let mut queue = vec![root];
    let mut head = 0;
    while let Some(&vertex) = queue.get(head) {
        head += 1;
        for (word, unseen) in unseen.iter_mut().enumerate() {
            let mut fresh = near.neighbours[vertex * near.words + word] & *unseen;
            *unseen &= !fresh;
            while fresh != 0 {
                let other = word * 64 + fresh.trailing_zeros() as usize;
                fresh &= fresh - 1;
                reached_from[other] = vertex;
                match far.partner[other] {
                    Some(next) if near.required[next] => queue.push(next),
                    held => {
                        if let Some(next) = held {
                            near.partner[next] = None;
                        }
                        flip(near, far, &reached_from, other);
                        return true;
                    }
                }
            }
        }
    }
    false
}

/// Turns over the path that ends at `end`.
fn flip(near: &mut Side, far: &mut Side, reached_from: &[usize], end: usize) {
    let mut next = Some(end);
    while let Some(other) = next {
        let vertex = reached_from[other];
        far.partner[other] = Some(vertex);
        next = near.partner[vertex].replace(other);
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
        covering_partners(Threshold {
            first_required: first_required.to_vec(),
            second_required: second_required.to_vec(),
            near: |i, j| edges.contains(&(i, j)),
        })
    }

    #[test]
    fn nothing_is_matched_where_nothing_is_required() {
        assert_eq!(partners(&[false], &[false], &[(0, 0)]), Some(vec![None]));
    }

    #[test]
    fn required_vertex_without_neighbours_cannot_be_covered() {
        assert_eq!(partners(&[false, true], &[true], &[(0, 0)]), None);
    }

    #[test]
    fn covering_the_second_side_keeps_the_first_covered() {
        // The first pass takes 0-0; the required 1 of the second side then moves it to 0-1.
        assert_eq!(
            partners(&[true], &[false, true], &[(0, 0), (0, 1)]),
            Some(vec![Some(1)])
        );
        assert_eq!(partners(&[true], &[true, true], &[(0, 0), (0, 1)]), None);
    }

    #[test]
    fn paths_cross_words_of_the_bit_sets() {
        let n = 70;
        let edges: Vec<_> = (0..n)
            .flat_map(|i| [(i, i), (i, i + 1)])
            .filter(|&(i, j)| j < n && i + j > 0)
            .collect();
        // Vertex 0 has only 1 left, and so on to the last, which has no second choice.
        assert_eq!(partners(&vec![true; n], &vec![false; n], &edges), None);
        let mut required = vec![true; n];
        required[n - 1] = false;
        let expected = (0..n).map(|i| Some(i + 1).filter(|&j| j < n)).collect();
        assert_eq!(partners(&required, &vec![false; n], &edges), Some(expected));
    }
}

//! Minimum spanning tree of a dense matrix: all of persistence in dimension 0.

use super::diagram::Edge;
use super::distance_matrix::DistanceMatrix;
use crate::real::Real;

/// Reusable memory of Prim's algorithm.
///
/// Edges are compared by (length, smaller vertex, larger vertex), a total order, so the tree is
/// the one that Kruskal's algorithm finds, ties included.
#[derive(Debug, Default)]
pub(super) struct SpanningTree<T: Real> {
    outside: Vec<u32>,
    nearest: Vec<Option<Candidate<T>>>,
    edges: Vec<Candidate<T>>,
}

/// Length, and edge index `smaller * n_points + larger`, which orders equal lengths.
type Candidate<T> = (<T as Real>::Bits, u32);

impl<T: Real> SpanningTree<T> {
    /// Edges of the minimum spanning forest, shortest first; infinite entries join nothing.
    ///
    /// # Cost
    ///
    /// O(n^2) time with each matrix row read once, O(n) memory.
    pub(super) fn edges(
        &mut self,
        distances: &DistanceMatrix<'_, T>,
    ) -> impl Iterator<Item = Edge> {
        let n = distances.n_points() as u32;
        self.edges.clear();
        self.outside.clear();
        self.outside.extend(1..n);
        self.nearest.clear();
        self.nearest.resize(n as usize, None);
        let mut newest = 0;
        while !self.outside.is_empty() {
            newest = self.grow(distances, newest);
        }
        self.edges.sort_unstable();
        self.edges
            .iter()
            .map(move |&(_, index)| [index / n, index % n])
    }

    /// Takes the next vertex in: the nearest one, or the lowest where none can be reached.
    fn grow(&mut self, distances: &DistanceMatrix<'_, T>, newest: u32) -> u32 {
        let n = distances.n_points() as u32;
        let row = distances.row(newest as usize);
        let mut best: Option<(Candidate<T>, usize)> = None;
        for (slot, &vertex) in self.outside.iter().enumerate() {
            let length = row[vertex as usize];
            let nearest = &mut self.nearest[vertex as usize];
            if length.is_finite() {
                let index = newest.min(vertex) * n + newest.max(vertex);
                let candidate = (length.sortable_bits(), index);
                if nearest.is_none_or(|known| candidate < known) {
                    *nearest = Some(candidate);
                }
            }
            if let Some(known) = *nearest
                && best.is_none_or(|(least, _)| known < least)
            {
                best = Some((known, slot));
            }
        }
        let slot = match best {
            Some((candidate, slot)) => {
                self.edges.push(candidate);
                slot
            }
            // Another component: order within `outside` does not matter to the result.
            None => 0,
        };
        self.outside.swap_remove(slot)
    }
}

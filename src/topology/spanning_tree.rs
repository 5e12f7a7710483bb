//! Minimum spanning tree of a dense matrix: all of persistence in dimension 0.

use super::distance_matrix::DistanceMatrix;
use super::edge::{Edge, EdgeKey, PackedEdge};
use crate::real::Real;

/// Reusable memory of Prim's algorithm.
///
/// Edges are compared by (length, smaller vertex, larger vertex), a total order, so the tree is
/// the one that Kruskal's algorithm finds, ties included.
#[derive(Debug, Clone)]
pub(super) struct SpanningTree<T: Real> {
    /// Vertices outside of the tree; the three lists go along each other.
    outside: Vec<u32>,
    /// Length of the shortest edge from the tree to each.
    nearest: Vec<T>,
    /// The lowest of the vertices of the tree at that length.
    from: Vec<u32>,
    edges: Vec<EdgeKey<T>>,
}

impl<T: Real> Default for SpanningTree<T> {
    fn default() -> Self {
        Self {
            outside: Vec::new(),
            nearest: Vec::new(),
            from: Vec::new(),
            edges: Vec::new(),
        }
    }
}

impl<T: Real> SpanningTree<T> {
    /// Edges of the minimum spanning forest up to the length `longest`, shortest first; infinite
    /// entries join nothing.
    ///
    /// # Cost
    ///
    /// O(n^2) time with each matrix row read once, O(n) memory.
    pub(super) fn edges(
        &mut self,
        distances: &DistanceMatrix<'_, T>,
        longest: T,
    ) -> impl Iterator<Item = Edge> {
        let n = distances.n_points() as u32;
        self.edges.clear();
        self.outside.clear();
        self.outside.extend(1..n);
        self.nearest.clear();
        self.nearest.resize(self.outside.len(), T::infinity());
        self.from.clear();
        self.from.resize(self.outside.len(), 0);
        let mut newest = 0;
        while !self.outside.is_empty() {
            newest = self.grow(distances, newest, longest);
        }
        self.edges.sort_unstable();
        self.edges.iter().map(|(_, edge)| edge.edge())
    }

    /// Takes the next vertex in: the nearest one, or any where none can be reached.
    fn grow(&mut self, distances: &DistanceMatrix<'_, T>, newest: u32, longest: T) -> u32 {
        let row = distances.row(newest as usize);
        let mut least = T::infinity();
        let sides = self.nearest.iter_mut().zip(&mut self.from);
        for (&vertex, (nearest, from)) in self.outside.iter().zip(sides) {
            let length = row[vertex as usize];
            // Of two edges to one vertex, that from the lower vertex comes first in the order.
            let closer = length < *nearest || (length == *nearest && newest < *from);
            *nearest = if closer { length } else { *nearest };
            *from = if closer { newest } else { *from };
            least = if *nearest < least { *nearest } else { least };
        }
        let reached = least <= longest && least.is_finite();
        let slot = if reached { self.nearest_slot(least) } else { 0 };
        let vertex = self.outside.swap_remove(slot);
        let from = self.from.swap_remove(slot);
        self.nearest.swap_remove(slot);
        if reached {
            self.edges.push((least.sortable_bits(), pack(from, vertex)));
        }
        vertex
    }

    /// Where the first edge of this length ends, in the order of all edges.
    fn nearest_slot(&self, least: T) -> usize {
        let ties = (0..self.nearest.len()).filter(|&slot| self.nearest[slot] == least);
        ties.min_by_key(|&slot| pack(self.from[slot], self.outside[slot]))
            .unwrap_or(0)
    }
}

fn pack(a: u32, b: u32) -> PackedEdge {
    PackedEdge::new(a.min(b) as usize, a.max(b) as usize)
}

//! Minimum spanning tree of a distance matrix, whose edges are the deaths in dimension 0.

use super::distance_matrix::DistanceMatrix;
use super::edge::{Edge, EdgeKey, PackedEdge};
use crate::real::Real;

/// Prim's algorithm, with buffers that are kept for the next matrix.
///
/// Edges are compared by (length, smaller vertex, larger vertex). This order is total, so the tree equals
/// that of Kruskal's algorithm, ties included: joining components edge by edge in the order of the
/// filtration would give the same edges.
///
/// The first three vectors have one entry per vertex outside the tree. They are separate vectors rather
/// than one of structs, so that the loop over them is vectorised.
#[derive(Debug, Clone)]
pub(super) struct SpanningTree<T: Real> {
    /// Vertices outside the tree.
    outside: Vec<u32>,
    /// Length of the shortest edge between each of them and the tree.
    nearest: Vec<T>,
    /// Lowest vertex of the tree at that length.
    from: Vec<u32>,
    /// Edges of the tree, with their sort keys.
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
    /// Computes the minimum spanning forest of edges up to the length `longest`, shortest edge first.
    ///
    /// Points at infinite distance are never joined.
    ///
    /// # Cost
    ///
    /// O(n^2) time, in which each row of the matrix is read once, and O(n) memory.
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
        // Vertex 0 is the first of the tree; each vertex that is added updates the distances of the rest.
        let mut newest = 0;
        while !self.outside.is_empty() {
            newest = self.grow(distances, newest, longest);
        }
        // Prim's algorithm finds the edges in another order. Keys are unique, so the sort need not be stable.
        self.edges.sort_unstable();
        self.edges.iter().map(|(_, edge)| edge.edge())
    }

    /// Adds the vertex nearest to the tree, or any vertex if none can be reached, and returns it.
    fn grow(&mut self, distances: &DistanceMatrix<'_, T>, newest: u32, longest: T) -> u32 {
        let row = distances.row(newest as usize);
        let mut least = T::infinity();
        let sides = self.nearest.iter_mut().zip(&mut self.from);
        for (&vertex, (nearest, from)) in self.outside.iter().zip(sides) {
            let length = row[vertex as usize];
            // Of two equally long edges to one vertex, the one from the lower vertex comes first.
            let is_closer = length < *nearest || (length == *nearest && newest < *from);
            // Selections instead of branches, which would depend on the data and be mispredicted.
            *nearest = if is_closer { length } else { *nearest };
            *from = if is_closer { newest } else { *from };
            least = if *nearest < least { *nearest } else { least };
        }
        // Out of reach: the vertex starts a new tree of the forest, without an edge.
        let is_reached = least <= longest && least.is_finite();
        let slot = if is_reached {
            self.nearest_slot(least)
        } else {
            0
        };
        // The order of the vertices outside is irrelevant; ties are broken by `pack` below.
        let vertex = self.outside.swap_remove(slot);
        let from = self.from.swap_remove(slot);
        self.nearest.swap_remove(slot);
        if is_reached {
            self.edges.push((least.sortable_bits(), pack(from, vertex)));
        }
        vertex
    }

    /// Position in `outside` of the vertex whose edge to the tree comes first among those of length `least`.
    fn nearest_slot(&self, least: T) -> usize {
        let ties = (0..self.nearest.len()).filter(|&slot| self.nearest[slot] == least);
        ties.min_by_key(|&slot| pack(self.from[slot], self.outside[slot]))
            .unwrap_or(0)
    }
}

/// Packs the edge of two vertices in either order.
fn pack(a: u32, b: u32) -> PackedEdge {
    PackedEdge::new(a.min(b) as usize, a.max(b) as usize)
}

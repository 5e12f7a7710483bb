//! Connected components of a growing graph.

use super::edge::Edge;

/// Disjoint sets of vertices, with union by size and path halving.
#[derive(Debug, Default, Clone)]
pub(super) struct UnionFind {
    /// Parent of each vertex in the tree of its set; a root is its own parent.
    parent: Vec<u32>,
    /// Number of vertices of the set; valid for roots only.
    size: Vec<u32>,
}

impl UnionFind {
    /// Starts with `n` sets of one vertex each.
    pub(super) fn reset(&mut self, n: usize) {
        self.parent.clear();
        self.parent.extend(0..n as u32);
        self.size.clear();
        self.size.resize(n, 1);
    }

    /// Root of the set that contains a vertex.
    fn find(&mut self, mut vertex: u32) -> u32 {
        while self.parent[vertex as usize] != vertex {
            // Path halving: linking every vertex on the way to its grandparent keeps later paths short.
            let grandparent = self.parent[self.parent[vertex as usize] as usize];
            self.parent[vertex as usize] = grandparent;
            vertex = grandparent;
        }
        vertex
    }

    /// Joins the components of the two vertices of an edge; `false` if it is the same component.
    pub(super) fn join(&mut self, [a, b]: Edge) -> bool {
        let (a, b) = (self.find(a), self.find(b));
        if a == b {
            return false;
        }
        let (large, small) = if self.size[a as usize] >= self.size[b as usize] {
            (a, b)
        } else {
            (b, a)
        };
        self.parent[small as usize] = large;
        self.size[large as usize] += self.size[small as usize];
        true
    }
}

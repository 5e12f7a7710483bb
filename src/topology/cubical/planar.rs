//! Persistent homology of images by two union-finds.
//!
//! Both constructions are a lattice of vertices, with an edge between neighbours of a row or a column and a face in
//! each square of four vertices. In the V-construction the pixels are the vertices; in the T-construction they are the
//! faces, and the vertices are their corners. Everything beyond the border is one more face, the *outside*.
//!
//! In the order of the filtration, each edge either joins two components, or it closes a cycle. Edges of the first
//! kind form a spanning tree, and the merged components give dimension 0 by the elder rule. Turned around, the edges
//! of the second kind join the faces on both of their sides, again as a spanning tree: a hole that an edge closes is
//! filled when the last face inside of it enters, and that is dimension 1, by the elder rule backwards. The outside is
//! never filled, so it is the eldest face.
//!
//! Most merges join a cell that enters at the same value, and make no bar. A vertex whose earliest edge leads to an
//! elder vertex merges there and then in any case, whatever happens elsewhere (an *apparent pair*), and so does a face
//! whose last edge leads to a face that enters later. One pass over the image finds these pairs, and only the other
//! edges, about a third of the edges of noise and a fiftieth of those of a smooth image, have to be sorted.
//!
//! The order is total: by value, then by dimension, then by position; an edge has the position of its first vertex,
//! and the edge down comes before the edge to the right. The result is thus reproducible, ties included.
//!
//! Sources: [bleile2021] for the duality of the two constructions, [bauer2021] for apparent pairs.
//!
//! [bleile2021]: https://arxiv.org/abs/2102.11397
//! [bauer2021]: https://doi.org/10.1007/s41468-021-00071-5

use num_traits::Bounded;

use super::bars::{Construction, Filtration};
use super::cell_sorter::sort_cells;
use super::forest::ElderForest;
use super::grid::GreyImage;
use crate::real::Real;

/// Edge as a number: twice its first vertex, plus 1 if it leads to the right and not down.
pub(super) type EdgeId = u32;

/// An edge and the vertex or face that it is paired with.
#[derive(Debug, Clone, Copy)]
pub(super) struct CellPair {
    /// Vertex whose component the edge ends, or face that fills the hole which the edge has closed.
    pub(super) cell: usize,
    pub(super) edge: EdgeId,
}

/// Cubical complex of one image, and the buffers in which its diagrams are computed.
#[derive(Debug, Clone)]
pub(super) struct PlanarComplex<T: Real> {
    construction: Construction,
    /// Numbers of rows and columns of vertices.
    shape: [usize; 2],
    /// Key of each vertex; keys are integers in the order in which cells enter.
    vertex_keys: Vec<T::Bits>,
    /// Key of each face, with that of the face below and right of vertex `v` at `v + n_columns + 1`.
    ///
    /// The faces of row -1, of the last row and of the last column, which also lie left of the first column, are
    /// the outside.
    face_keys: Vec<T::Bits>,
    /// Of the two edges that begin at each vertex: which are paired with vertices, and which with faces.
    roles: Vec<u8>,
    edges: Vec<(T::Bits, EdgeId)>,
    /// Buffer of the sort.
    spare: Vec<(T::Bits, EdgeId)>,
    vertices: ElderForest,
    faces: ElderForest,
    /// Pairs of positive persistence of dimension 0, in the order in which components die.
    pub(super) components: Vec<CellPair>,
    /// Pairs of positive persistence of dimension 1, in the reverse order in which holes are born.
    pub(super) holes: Vec<CellPair>,
}

/// Bits of `roles`, for the edge down; those of the edge to the right are one place further to the left.
const WITH_VERTEX: u8 = 1;
const WITH_FACE: u8 = 4;

/// Place among the faces of the face that stands for the outside.
const OUTSIDE: usize = 0;

/// Key of the outside, which never enters.
fn never<B: Bounded>() -> B {
    B::max_value()
}

impl<T: Real> Default for PlanarComplex<T> {
    fn default() -> Self {
        Self {
            construction: Construction::default(),
            shape: [0, 0],
            vertex_keys: Vec::new(),
            face_keys: Vec::new(),
            roles: Vec::new(),
            edges: Vec::new(),
            spare: Vec::new(),
            vertices: ElderForest::default(),
            faces: ElderForest::default(),
            components: Vec::new(),
            holes: Vec::new(),
        }
    }
}

impl<T: Real> PlanarComplex<T> {
    /// Computes the pairs of an image. It must not be empty.
    pub(super) fn pair(
        &mut self,
        image: &GreyImage<'_, T>,
        filtration: Filtration,
        construction: Construction,
    ) {
        self.construction = construction;
        let key = |value: &T| filtration.ascending(*value).ordered_bits();
        match construction {
            Construction::Vertices => {
                self.fill_from_vertices(image, key);
                self.pair_cells::<false>();
            }
            Construction::TopCells => {
                self.fill_from_faces(image, key);
                self.pair_cells::<true>();
            }
        }
    }

    /// Sets the keys of all cells from those of the vertices: a face enters with its last vertex.
    fn fill_from_vertices(&mut self, image: &GreyImage<'_, T>, key: impl Fn(&T) -> T::Bits) {
        self.shape = image.shape();
        let [n_rows, n_columns] = self.shape;
        self.vertex_keys.clear();
        self.vertex_keys.extend(image.values().iter().map(key));
        self.face_keys.clear();
        self.face_keys
            .resize(n_rows * n_columns + n_columns + 1, never());
        let rows = self.vertex_keys.chunks_exact(n_columns);
        for (row, (upper, lower)) in rows.clone().zip(rows.skip(1)).enumerate() {
            let start = row * n_columns + n_columns + 1;
            let faces = &mut self.face_keys[start..start + n_columns - 1];
            for ((face, upper), lower) in
                faces.iter_mut().zip(upper.windows(2)).zip(lower.windows(2))
            {
                *face = upper[0].max(upper[1]).max(lower[0]).max(lower[1]);
            }
        }
    }

    /// Sets the keys of all cells from those of the faces: a vertex enters with the first face around it.
    fn fill_from_faces(&mut self, image: &GreyImage<'_, T>, key: impl Fn(&T) -> T::Bits) {
        let [height, width] = image.shape();
        let (n_rows, n_columns) = (height + 1, width + 1);
        self.shape = [n_rows, n_columns];
        let n_vertices = n_rows * n_columns;
        self.face_keys.clear();
        self.face_keys.resize(n_vertices + n_columns + 1, never());
        for (row, values) in image.values().chunks_exact(width).enumerate() {
            let start = row * n_columns + n_columns + 1;
            for (face, value) in self.face_keys[start..start + width].iter_mut().zip(values) {
                *face = key(value);
            }
        }
        let faces = |offset: usize| self.face_keys[offset..offset + n_vertices].iter();
        let below = faces(n_columns).zip(faces(n_columns + 1));
        let around = faces(0).zip(faces(1)).zip(below);
        self.vertex_keys.clear();
        self.vertex_keys
            .extend(around.map(|((a, b), (c, d))| *a.min(b).min(c).min(d)));
    }

    /// The two vertices of an edge, the first one first.
    #[inline]
    pub(super) fn ends(&self, edge: EdgeId) -> [usize; 2] {
        let first = (edge >> 1) as usize;
        [first, first + if edge & 1 == 0 { self.shape[1] } else { 1 }]
    }

    /// The two faces beside an edge, the first one first.
    #[inline]
    pub(super) fn sides(&self, edge: EdgeId) -> [usize; 2] {
        let n_columns = self.shape[1];
        let second = (edge >> 1) as usize + n_columns + 1;
        [second - if edge & 1 == 0 { 1 } else { n_columns }, second]
    }

    #[inline]
    fn edge_key<const TOP_CELLS: bool>(&self, edge: EdgeId) -> T::Bits {
        if TOP_CELLS {
            let [first, second] = self.sides(edge);
            self.face_keys[first].min(self.face_keys[second])
        } else {
            let [first, second] = self.ends(edge);
            self.vertex_keys[first].max(self.vertex_keys[second])
        }
    }

    /// Key of an edge.
    #[inline]
    pub(super) fn key(&self, edge: EdgeId) -> T::Bits {
        match self.construction {
            Construction::TopCells => self.edge_key::<true>(edge),
            Construction::Vertices => self.edge_key::<false>(edge),
        }
    }

    /// True if the first vertex enters before the second.
    #[inline]
    pub(super) fn is_elder_vertex(&self, a: usize, b: usize) -> bool {
        (self.vertex_keys[a], a) < (self.vertex_keys[b], b)
    }

    /// True if the first face enters after the second, so that it is the elder one in the reverse order.
    #[inline]
    pub(super) fn is_elder_face(&self, a: usize, b: usize) -> bool {
        // The key of the outside is larger than that of any face, so its place does not matter.
        (self.face_keys[a], a) > (self.face_keys[b], b)
    }

    /// Computes all pairs from the keys of the cells.
    fn pair_cells<const TOP_CELLS: bool>(&mut self) {
        self.roles.clear();
        self.roles.resize(self.vertex_keys.len(), 0);
        // Taken out while they change, so that the keys can be read at the same time.
        let mut vertices = std::mem::take(&mut self.vertices);
        let mut faces = std::mem::take(&mut self.faces);
        let mut edges = std::mem::take(&mut self.edges);
        self.reset_vertices(&mut vertices);
        self.reset_faces(&mut faces);
        self.pair_apparent_vertices::<TOP_CELLS>(&mut vertices);
        self.pair_apparent_faces::<TOP_CELLS>(&mut faces);
        self.collect_edges(0, &mut edges);
        self.pair_vertices(&mut vertices, &mut edges);
        self.pair_faces(&mut faces, &edges);
        (self.vertices, self.faces, self.edges) = (vertices, faces, edges);
    }

    /// Makes every vertex a set of its own.
    pub(super) fn reset_vertices(&self, vertices: &mut ElderForest) {
        vertices.reset(self.vertex_keys.len());
    }

    /// Makes every face a set of its own, and all places of the outside one set.
    pub(super) fn reset_faces(&self, faces: &mut ElderForest) {
        faces.reset(self.face_keys.len());
        for (place, key) in self.face_keys.iter().enumerate() {
            if *key == never() {
                faces.attach(place, OUTSIDE);
            }
        }
    }

    /// Pairs each vertex with its earliest edge if that leads to an elder vertex.
    fn pair_apparent_vertices<const TOP_CELLS: bool>(&mut self, vertices: &mut ElderForest) {
        let [n_rows, n_columns] = self.shape;
        for row in 0..n_rows {
            for column in 0..n_columns {
                let vertex = row * n_columns + column;
                let key = self.vertex_keys[vertex];
                // The earliest edge has the key of the vertex if it leads to an elder vertex.
                let is_first = |edge: usize| self.edge_key::<TOP_CELLS>(edge as EdgeId) == key;
                // In ascending order of the edges.
                let (other, edge) = if row > 0 && is_first(2 * (vertex - n_columns)) {
                    (vertex - n_columns, 2 * (vertex - n_columns))
                } else if column > 0 && is_first(2 * (vertex - 1) + 1) {
                    (vertex - 1, 2 * (vertex - 1) + 1)
                } else if row + 1 < n_rows && is_first(2 * vertex) {
                    (vertex + n_columns, 2 * vertex)
                } else if column + 1 < n_columns && is_first(2 * vertex + 1) {
                    (vertex + 1, 2 * vertex + 1)
                } else {
                    continue;
                };
                if self.is_elder_vertex(other, vertex) {
                    vertices.attach(vertex, other);
                    self.roles[edge / 2] |= WITH_VERTEX << (edge & 1);
                }
            }
        }
    }

    /// Pairs each face with its last edge if that leads to a face that enters later.
    fn pair_apparent_faces<const TOP_CELLS: bool>(&mut self, faces: &mut ElderForest) {
        let [n_rows, n_columns] = self.shape;
        for row in 0..n_rows - 1 {
            for column in 0..n_columns - 1 {
                let vertex = row * n_columns + column;
                let face = vertex + n_columns + 1;
                let key = self.face_keys[face];
                // The last edge has the key of the face if it leads to a face that enters later.
                let is_last = |edge: usize| self.edge_key::<TOP_CELLS>(edge as EdgeId) == key;
                // In descending order of the edges.
                let (other, edge) = if is_last(2 * (vertex + n_columns) + 1) {
                    (face + n_columns, 2 * (vertex + n_columns) + 1)
                } else if is_last(2 * (vertex + 1)) {
                    (face + 1, 2 * (vertex + 1))
                } else if is_last(2 * vertex + 1) {
                    (face - n_columns, 2 * vertex + 1)
                } else if is_last(2 * vertex) {
                    (face - 1, 2 * vertex)
                } else {
                    continue;
                };
                if self.is_elder_face(other, face) {
                    faces.attach(face, other);
                    self.roles[edge / 2] |= WITH_FACE << (edge & 1);
                }
            }
        }
    }

    /// Writes the edges of one role to `edges`, in the order of the filtration; `0` for those without a role yet.
    fn collect_edges(&mut self, role: u8, edges: &mut Vec<(T::Bits, EdgeId)>) {
        match self.construction {
            Construction::TopCells => self.collect::<true>(role, edges),
            Construction::Vertices => self.collect::<false>(role, edges),
        }
        sort_cells(edges, &mut self.spare);
    }

    /// Writes the edges of one role to `edges`, in ascending order of their numbers.
    fn collect<const TOP_CELLS: bool>(&self, role: u8, edges: &mut Vec<(T::Bits, EdgeId)>) {
        let [n_rows, n_columns] = self.shape;
        let mask = WITH_VERTEX | WITH_FACE;
        edges.clear();
        for row in 0..n_rows {
            // Every edge of a row is written, and the end advances only past those that are kept: a branch here would
            // be mispredicted, since the roles follow no pattern.
            let mut kept = edges.len();
            edges.resize(kept + 2 * n_columns, (never(), 0));
            for column in 0..n_columns {
                let vertex = row * n_columns + column;
                let roles = self.roles[vertex];
                if row + 1 < n_rows {
                    let edge = 2 * vertex as EdgeId;
                    edges[kept] = (self.edge_key::<TOP_CELLS>(edge), edge);
                    kept += usize::from(roles & mask == role);
                }
                if column + 1 < n_columns {
                    let edge = 2 * vertex as EdgeId + 1;
                    edges[kept] = (self.edge_key::<TOP_CELLS>(edge), edge);
                    kept += usize::from(roles >> 1 & mask == role);
                }
            }
            edges.truncate(kept);
        }
    }

    /// Pairs the edges that join two components with vertices, in the order of the filtration, and removes them.
    fn pair_vertices(&mut self, vertices: &mut ElderForest, edges: &mut Vec<(T::Bits, EdgeId)>) {
        self.components.clear();
        edges.retain(|&(key, edge)| {
            let is_elder = |a, b| self.is_elder_vertex(a, b);
            let Some(vertex) = vertices.merge(self.ends(edge), is_elder) else {
                return true;
            };
            self.roles[edge as usize / 2] |= WITH_VERTEX << (edge & 1);
            if self.vertex_keys[vertex] != key {
                self.components.push(CellPair { cell: vertex, edge });
            }
            false
        });
    }

    /// Pairs the edges that join no components with faces, in the reverse order.
    fn pair_faces(&mut self, faces: &mut ElderForest, edges: &[(T::Bits, EdgeId)]) {
        self.holes.clear();
        for &(key, edge) in edges.iter().rev() {
            self.roles[edge as usize / 2] |= WITH_FACE << (edge & 1);
            let is_elder = |a, b| self.is_elder_face(a, b);
            // Such an edge always separates two different sets of faces.
            if let Some(face) = faces.merge(self.sides(edge), is_elder)
                && self.face_keys[face] != key
            {
                self.holes.push(CellPair { cell: face, edge });
            }
        }
    }

    /// Number of places of vertices.
    pub(super) fn n_vertices(&self) -> usize {
        self.vertex_keys.len()
    }

    /// Number of places of faces.
    pub(super) fn n_faces(&self) -> usize {
        self.face_keys.len()
    }

    /// Vertex of the component that never dies.
    pub(super) fn essential_vertex(&mut self) -> usize {
        self.vertices.find(0)
    }

    /// Edges that are paired with vertices, in the order of the filtration.
    pub(super) fn edges_with_vertices(&mut self, edges: &mut Vec<(T::Bits, EdgeId)>) {
        self.collect_edges(WITH_VERTEX, edges);
    }

    /// Edges that are paired with faces, in the order of the filtration.
    pub(super) fn edges_with_faces(&mut self, edges: &mut Vec<(T::Bits, EdgeId)>) {
        self.collect_edges(WITH_FACE, edges);
    }

    /// Pixel with which a vertex enters.
    pub(super) fn vertex_pixel(&self, vertex: usize) -> usize {
        match self.construction {
            Construction::Vertices => vertex,
            Construction::TopCells => {
                let n_columns = self.shape[1];
                let around = [
                    vertex,
                    vertex + 1,
                    vertex + n_columns,
                    vertex + n_columns + 1,
                ];
                self.face_pixel(self.first_face(around, self.vertex_keys[vertex]))
            }
        }
    }

    /// Pixel with which an edge enters.
    pub(super) fn edge_pixel(&self, edge: EdgeId) -> usize {
        let key = self.key(edge);
        match self.construction {
            Construction::Vertices => self.last_vertex(self.ends(edge), key),
            Construction::TopCells => self.face_pixel(self.first_face(self.sides(edge), key)),
        }
    }

    /// Pixel with which a face enters.
    pub(super) fn face_pixel(&self, face: usize) -> usize {
        let n_columns = self.shape[1];
        let vertex = face - n_columns - 1;
        match self.construction {
            Construction::Vertices => {
                let around = [
                    vertex,
                    vertex + 1,
                    vertex + n_columns,
                    vertex + n_columns + 1,
                ];
                self.last_vertex(around, self.face_keys[face])
            }
            Construction::TopCells => vertex / n_columns * (n_columns - 1) + vertex % n_columns,
        }
    }

    /// First of some faces in ascending order that has a key, which one of them has.
    fn first_face<const N: usize>(&self, faces: [usize; N], key: T::Bits) -> usize {
        let first = faces.into_iter().find(|face| self.face_keys[*face] == key);
        first.unwrap_or(OUTSIDE)
    }

    /// Last of some vertices in ascending order that has a key, which one of them has.
    fn last_vertex<const N: usize>(&self, vertices: [usize; N], key: T::Bits) -> usize {
        let last = vertices
            .into_iter()
            .rev()
            .find(|vertex| self.vertex_keys[*vertex] == key);
        last.unwrap_or_default()
    }
}
